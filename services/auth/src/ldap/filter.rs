//! Search filters around what people type.

use ldap3::ldap_escape;

/// The filter with a value in its places, escaped (RFC 4515, section 3): nobody can add conditions by a name.
pub fn with_value(filter: &str, value: &str) -> String {
    filter.replace("%s", &ldap_escape(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_a_value() {
        assert_eq!(with_value("(&(uid=%s)(mail=%s))", "ada"), "(&(uid=ada)(mail=ada))");
        for (typed, expected) in [
            ("*", r"(uid=\2a)"),
            ("x)(uid=*", r"(uid=x\29\28uid=\2a)"),
            (r"a\b", r"(uid=a\5cb)"),
            ("a\0", r"(uid=a\00)"),
            ("%s", "(uid=%s)"),
        ] {
            assert_eq!(with_value("(uid=%s)", typed), expected);
        }
    }
}
