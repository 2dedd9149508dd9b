//! What an ingest process does.

/// The parts of ingest that a process runs; at least one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestRoles {
    /// Takes spans in, and publishes them.
    pub receiver: bool,
    /// Writes published spans to the store.
    pub writer: bool,
}

impl IngestRoles {
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        let mut roles = Self { receiver: false, writer: false };
        for role in value.split(',') {
            match role.trim() {
                "receiver" => roles.receiver = true,
                "writer" => roles.writer = true,
                _ => return Err("receiver, writer, or both separated by a comma".to_owned()),
            }
        }
        Ok(roles)
    }
}
