//! Why a condition is refused.

/// The mistake and the column it begins at: characters from the start of the text, the first one is 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {column}")]
pub struct ConditionError {
    pub message: String,
    pub column: usize,
}

impl ConditionError {
    /// A mistake at byte `offset` of the text.
    pub(super) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.char_indices().take_while(|(at, _)| *at < offset).count();
        Self { message: message.into(), column: before + 1 }
    }
}
