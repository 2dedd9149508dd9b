//! The entry of a person.

use bennu_domain::ids::encode_hex;
use ldap3::SearchEntry;

/// Attributes are named in any case.
pub fn text(entry: &SearchEntry, attribute: &str) -> Option<String> {
    texts(entry, attribute).into_iter().next()
}

pub fn texts(entry: &SearchEntry, attribute: &str) -> Vec<String> {
    let named = entry.attrs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(attribute));
    let values = named.flat_map(|(_, values)| values);
    values.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
}

/// Some directories give ids as text, others as bytes.
pub fn id(entry: &SearchEntry, attribute: &str) -> Option<String> {
    let bytes = || {
        let mut named = entry.bin_attrs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(attribute));
        named.find_map(|(_, values)| values.first())
    };
    // Bytes that happen to be text would make the same id look different.
    let is_of_active_directory = attribute.eq_ignore_ascii_case("objectGUID");
    match (bytes(), text(entry, attribute)) {
        (Some(bytes), _) => Some(encode_hex(bytes)),
        (None, Some(text)) if is_of_active_directory => Some(encode_hex(text.as_bytes())),
        (None, text) => text,
    }
}
