//! Roles by the groups of a person.

use bennu_access::Role;

/// In place of a group: everybody.
const EVERYBODY: &str = "*";

/// That of the first mapping that fits, as their order is that of the settings.
pub fn role_of(groups: &[String], mappings: &[(String, Role)]) -> Option<Role> {
    let names: Vec<String> = groups.iter().map(|group| comparable(group)).collect();
    let fits = |group: &str| group == EVERYBODY || names.contains(&comparable(group));
    mappings.iter().find(|(group, _)| fits(group)).map(|(_, role)| *role)
}

/// Names of entries are equal whatever the case and the blanks around commas and equals signs. An escaped comma is no end of a
/// part, but as both sides are treated alike that does no harm.
fn comparable(name: &str) -> String {
    let part = |part: &str| {
        let (kind, value) = part.split_once('=').unwrap_or((part, ""));
        format!("{}={}", kind.trim(), value.trim()).to_lowercase()
    };
    name.split(',').map(part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_that_fits_gives_the_role() {
        let mappings = [
            ("CN=Admins,DC=example,DC=com".to_owned(), Role::Admin),
            ("cn=dev\\, ops,dc=example,dc=com".to_owned(), Role::Member),
            ("*".to_owned(), Role::Viewer),
        ];
        let role = |groups: &[&str], mappings: &[(String, Role)]| {
            role_of(&groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>(), mappings)
        };
        assert_eq!(role(&["cn=admins, dc=Example ,dc=com"], &mappings), Some(Role::Admin));
        assert_eq!(
            role(&["cn=other,dc=x", "cn=dev\\, ops,dc=example,dc=com"], &mappings),
            Some(Role::Member)
        );
        assert_eq!(role(&["cn=admins,dc=example"], &mappings), Some(Role::Viewer));
        assert_eq!(role(&["cn=admins,dc=example"], &mappings[..2]), None);
        assert_eq!(role(&[], &mappings[..2]), None);
    }
}
