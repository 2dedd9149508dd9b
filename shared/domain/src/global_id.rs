//! GlobalIds: `base64("<TypeName>:<row id>")`, the only form in which row ids leave the service.

use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};

use crate::ids::{ProjectId, SessionRowId, SpanRowId, TraceRowId, UserId};

/// A row id that has a GlobalId.
pub trait Node: Copy {
    /// The type name before the colon; case-sensitive.
    const TYPE_NAME: &'static str;
    fn from_row(row: i64) -> Self;
    fn row(self) -> i64;

    fn global_id(self) -> String {
        write(Self::TYPE_NAME, self.row())
    }

    /// Reads a GlobalId of this type; `None` for other types and for text that is no GlobalId at all.
    fn from_global_id(text: &str) -> Option<Self> {
        read(text, &[Self::TYPE_NAME]).map(Self::from_row)
    }
}

/// The GlobalId of a row whose type is known only at run time.
pub fn write(type_name: &str, row: i64) -> String {
    general_purpose::STANDARD.encode(format!("{type_name}:{row}"))
}

/// The row of a GlobalId of one of these types.
pub fn read(text: &str, type_names: &[&str]) -> Option<i64> {
    // Padding is required, surplus padding is tolerated.
    let unpadded = text.trim_end_matches('=');
    let needed = (4 - unpadded.len() % 4) % 4;
    if text.len() - unpadded.len() < needed {
        return None;
    }
    let decoded = UNPADDED.decode(unpadded).ok()?;
    let (type_name, row) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    type_names.contains(&type_name).then_some(())?;
    row.parse().ok()
}

const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

macro_rules! node {
    ($id:ident, $name:literal) => {
        impl Node for $id {
            const TYPE_NAME: &'static str = $name;
            fn from_row(row: i64) -> Self {
                Self(row)
            }
            fn row(self) -> i64 {
                self.0
            }
        }
    };
}

node!(ProjectId, "Project");
node!(TraceRowId, "Trace");
node!(SpanRowId, "Span");
node!(SessionRowId, "ProjectSession");
node!(UserId, "User");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_global_id_is_the_base64_of_type_and_row() {
        assert_eq!(ProjectId(10).global_id(), "UHJvamVjdDoxMA==");
        assert_eq!(ProjectId::from_global_id("UHJvamVjdDoxMA=="), Some(ProjectId(10)));
    }

    #[test]
    fn missing_padding_is_not_an_id_but_surplus_padding_is() {
        assert_eq!(ProjectId::from_global_id("UHJvamVjdDoxMA"), None);
        assert_eq!(ProjectId::from_global_id("UHJvamVjdDoxMA==="), Some(ProjectId(10)));
    }

    #[test]
    fn another_type_or_broken_text_is_not_an_id() {
        assert_eq!(ProjectId::from_global_id(&TraceRowId(1).global_id()), None);
        for text in ["", "=", "default", "UHJvamVjdA==", "UHJvamVjdDo=", "UHJvamVjdDp4"] {
            assert_eq!(ProjectId::from_global_id(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_row_id_round_trips(row in any::<i64>()) {
            prop_assert_eq!(SpanRowId::from_global_id(&SpanRowId(row).global_id()), Some(SpanRowId(row)));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = SessionRowId::from_global_id(&text);
        }
    }
}
