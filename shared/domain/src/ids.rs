//! Newtypes for every identifier, so that a trace id can never stand where a span id belongs.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);
    };
}

row_id!(
    /// A customer of the deployment; everything stored belongs to exactly one.
    TenantId
);
row_id!(
    /// Row id of a project, shown as GlobalId `Project:<id>`.
    ProjectId
);
row_id!(
    /// Row id of a trace, shown as GlobalId `Trace:<id>`; the sender's 16 bytes are a [`TraceId`].
    TraceRowId
);
row_id!(
    /// Row id of a span, shown as GlobalId `Span:<id>`; the sender's 8 bytes are a [`SpanId`].
    SpanRowId
);
row_id!(
    /// Row id of a session, shown as GlobalId `ProjectSession:<id>`.
    SessionRowId
);
row_id!(
    /// Row id of an annotation; the type name of its GlobalId follows its target.
    AnnotationId
);
row_id!(
    /// Row id of an annotation config; the type name of its GlobalId follows its kind.
    AnnotationConfigId
);
row_id!(
    /// Row id of an account, shown as GlobalId `User:<id>`. A person has one in all tenants.
    #[derive(Serialize, Deserialize)]
    UserId
);
row_id!(
    /// Row id of an API key; the type name of its GlobalId follows its owner.
    ApiKeyId
);
row_id!(
    /// Row id of a trace block.
    BlockId
);

impl TenantId {
    /// The only tenant of a deployment that runs without authentication.
    pub const DEFAULT: Self = Self(1);
}

impl UserId {
    /// The account that stands for the deployment itself; nobody can log in to it.
    pub const SYSTEM: Self = Self(1);
    /// The first administrator, who cannot be deleted.
    pub const FIRST_ADMIN: Self = Self(2);
}

/// Why bytes or text are not an OpenTelemetry id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("is missing")]
    Missing,
    #[error("has {found} bytes, must have {expected}")]
    Length { found: usize, expected: usize },
    #[error("is all zeros")]
    Zero,
    #[error("is not hexadecimal")]
    NotHex,
}

macro_rules! otel_id {
    ($(#[$doc:meta])* $name:ident, $size:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $size]);

        impl $name {
            /// Takes the id as it stands in an OTLP message; all zeros is invalid (W3C Trace Context).
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
                if bytes.is_empty() {
                    return Err(IdError::Missing);
                }
                let id: [u8; $size] = bytes
                    .try_into()
                    .map_err(|_| IdError::Length { found: bytes.len(), expected: $size })?;
                if id == [0; $size] { Err(IdError::Zero) } else { Ok(Self(id)) }
            }

            /// Takes the id as it stands in OTLP/JSON and in URLs: hexadecimal in either case.
            pub fn from_hex(text: &str) -> Result<Self, IdError> {
                Self::from_bytes(&decode_hex(text)?)
            }

            /// The id for text of any kind, as JSON spans have it. Hexadecimal as this id is shown stands for itself;
            /// other text for a hash of it, beside which the text is kept (see [`crate::text_ids`]).
            pub fn from_text(text: &str) -> Self {
                Self::shown_as(text).unwrap_or_else(|| {
                    let mut id = [0; $size];
                    id.copy_from_slice(&Sha256::digest(text)[..$size]);
                    id[0] |= 1; // never all zeros
                    Self(id)
                })
            }

            /// The id that is shown as just this text.
            pub fn shown_as(text: &str) -> Option<Self> {
                let lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
                Self::from_hex(text).ok().filter(|_| lower_case)
            }

            /// Every id that somebody who writes this text may mean: hexadecimal in either case, and text.
            pub fn meant_by(text: &str) -> Vec<Self> {
                let by_text = Self::from_text(text);
                let by_hex = Self::from_hex(text).ok().filter(|id| *id != by_text);
                by_hex.into_iter().chain([by_text]).collect()
            }

            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

otel_id!(
    /// A trace id as the sender made it: 16 bytes, shown as 32 lower-case hexadecimal digits.
    TraceId,
    16
);
otel_id!(
    /// A span id as the sender made it: 8 bytes, shown as 16 lower-case hexadecimal digits.
    SpanId,
    8
);

/// Lower-case hexadecimal text.
pub fn encode_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}

/// Decodes hexadecimal text of any length.
pub fn decode_hex(text: &str) -> Result<Vec<u8>, IdError> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(IdError::NotHex);
    }
    let digit = |byte: u8| (byte as char).to_digit(16).ok_or(IdError::NotHex);
    digits
        .chunks_exact(2)
        .map(|pair| Ok(u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_reads_hex_of_either_case_and_writes_lower_case() {
        let id = TraceId::from_hex("0AF7651916cd43dd8448eb211c80319c").unwrap();
        assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn text_that_is_no_id_as_shown_has_a_hash_for_an_id() {
        let shown = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(TraceId::from_text(shown).to_string(), shown);
        let others = [
            "",
            "my trace",
            " my trace",
            "0AF7651916cd43dd8448eb211c80319c",
            "00000000000000000000000000000000",
        ];
        for text in others {
            assert_eq!(TraceId::shown_as(text), None, "{text}");
            assert_ne!(TraceId::from_text(text), TraceId::from_text(shown), "{text}");
        }
        assert_ne!(SpanId::from_text("a"), SpanId::from_text("b"));
        // Rows are found by it: it never changes.
        assert_eq!(SpanId::from_text("my span").to_string(), "213c69b285540edb");
    }

    #[test]
    fn upper_case_may_mean_a_hexadecimal_id_or_text() {
        let hex = "00f067aa0ba902b7";
        assert_eq!(SpanId::meant_by(hex), [SpanId::from_hex(hex).unwrap()]);
        let upper = hex.to_uppercase();
        assert_eq!(SpanId::meant_by(&upper), [SpanId::from_hex(hex).unwrap(), SpanId::from_text(&upper)]);
        assert_eq!(SpanId::meant_by("x"), [SpanId::from_text("x")]);
    }

    #[test]
    fn ids_of_a_wrong_shape_say_what_is_wrong() {
        assert_eq!(SpanId::from_bytes(&[]), Err(IdError::Missing));
        assert_eq!(SpanId::from_bytes(&[1; 3]), Err(IdError::Length { found: 3, expected: 8 }));
        assert_eq!(SpanId::from_bytes(&[0; 8]), Err(IdError::Zero));
        assert_eq!(SpanId::from_hex("xyz1"), Err(IdError::NotHex));
        assert_eq!(SpanId::from_hex("é1"), Err(IdError::NotHex));
    }
}
