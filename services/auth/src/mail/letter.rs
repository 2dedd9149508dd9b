//! What mails say. Texts of people stand in none of them but their own name: mails go to whomever an administrator names.

use std::time::Duration;

use bennu_domain::account::{Email, TenantSlug};

/// What a mail is about, as metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    PasswordReset,
    Welcome,
    Invitation,
}

impl MailKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::Welcome => "welcome",
            Self::Invitation => "invitation",
        }
    }
}

/// A mail as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub kind: MailKind,
    pub to: Email,
    pub subject: String,
    pub text: String,
}

impl Letter {
    pub fn password_reset(to: Email, link: &str, good_for: Duration) -> Self {
        let text = format!(
            "Somebody, probably you, asked for a new password for the account {to}.\n\n\
             Set it here, within {}:\n{link}\n\n\
             If it was not you, there is nothing to do: the password stays as it is.\n",
            in_words(good_for)
        );
        Self { kind: MailKind::PasswordReset, to, subject: "Set a new password".to_owned(), text }
    }

    /// `link` sets the password; people who log in elsewhere have none.
    pub fn welcome(to: Email, site: &str, link: Option<(&str, Duration)>) -> Self {
        let how = match link {
            Some((link, good_for)) => {
                format!("Set your password here, within {}:\n{link}\n", in_words(good_for))
            }
            None => format!("Log in here:\n{site}\n"),
        };
        let text = format!("An account for {to} was made at {site}.\n\n{how}");
        Self { kind: MailKind::Welcome, to, subject: "Welcome".to_owned(), text }
    }

    pub fn invitation(to: Email, tenant: &TenantSlug, link: &str, good_for: Duration) -> Self {
        let text = format!(
            "You are invited to join {tenant}.\n\nAccept it here, within {}:\n{link}\n\n\
             If you do not know what this is about, there is nothing to do.\n",
            in_words(good_for)
        );
        Self { kind: MailKind::Invitation, to, subject: format!("Invitation to {tenant}"), text }
    }
}

/// In the largest unit that leaves no rest.
fn in_words(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (count, unit) = match minutes {
        days if days > 0 && days.is_multiple_of(24 * 60) => (days / (24 * 60), "day"),
        hours if hours > 0 && hours.is_multiple_of(60) => (hours / 60, "hour"),
        minutes => (minutes, "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_round_units() {
        let words = [15, 60, 90, 1_440, 10_080].map(|minutes| in_words(Duration::from_mins(minutes)));
        assert_eq!(words, ["15 minutes", "1 hour", "90 minutes", "1 day", "7 days"]);
    }
}
