//! Where a program has its codes sent to (RFC 8252, section 7).

use bennu_kit::config::AllowedRedirects;
use oauth2::url::{Host, Url};

const LONGEST: usize = 2_048;

/// Browsers give these a meaning of their own; a code is not for them.
const OF_BROWSERS: [&str; 14] = [
    "about",
    "blob",
    "chrome",
    "data",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "javascript",
    "mailto",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// An address that is fit to send a code to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    /// As it was given: programs compare it.
    text: String,
    url: Url,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A port of the person's own machine.
    Loopback,
    /// A program that the person's own machine opens for the scheme.
    PrivateUse,
    Web,
}

impl RedirectUri {
    /// None if no code may be sent there.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        let url = Url::parse(text).ok().filter(|_| plain)?;
        // A fragment would take the parameters out of the program's sight (RFC 6749, section 3.1.2).
        if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let kind = match (url.scheme(), url.host()) {
            ("https", Some(_)) => Kind::Web,
            ("http", Some(host)) if is_loopback(&host) => Kind::Loopback,
            ("http" | "https", _) => return None,
            (scheme, _) if OF_BROWSERS.contains(&scheme) => return None,
            _ => Kind::PrivateUse,
        };
        Some(Self { text: text.to_owned(), url, kind })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the settings let programs have codes sent to such places.
    pub fn is_allowed(&self, allowed: &AllowedRedirects) -> bool {
        match (allowed, self.kind) {
            (AllowedRedirects::Disabled, _) | (AllowedRedirects::LocalOnly, Kind::Web) => false,
            (AllowedRedirects::LocalOnly, _)
            | (AllowedRedirects::Web(_), Kind::Loopback | Kind::PrivateUse) => true,
            (AllowedRedirects::Web(hosts), Kind::Web) => {
                hosts.is_empty()
                    || self.url.host_str().is_some_and(|host| hosts.iter().any(|own| own == host))
            }
        }
    }

    /// Whether it is one that the program registered. On the own machine a program takes the port that is free.
    pub fn is_among(&self, registered: &[String]) -> bool {
        let same = |known: &String| {
            *known == self.text || (self.kind == Kind::Loopback && self.is_but_for_port(known))
        };
        registered.iter().any(same)
    }

    fn is_but_for_port(&self, registered: &str) -> bool {
        let parts = |url: &Url| {
            (url.host_str().map(str::to_owned), url.path().to_owned(), url.query().map(str::to_owned))
        };
        Self::parse(registered)
            .is_some_and(|known| known.kind == Kind::Loopback && parts(&known.url) == parts(&self.url))
    }

    /// The address with parameters behind those that it has.
    pub fn with(&self, parameters: &[(&str, &str)]) -> String {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        url.into()
    }

    /// Where that is, as people are told.
    pub fn described(&self) -> String {
        match self.kind {
            Kind::Loopback => "a program on this machine".to_owned(),
            Kind::PrivateUse => {
                format!("the program on this machine that opens {}: addresses", self.url.scheme())
            }
            Kind::Web => self.url.host_str().unwrap_or_default().to_owned(),
        }
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str, by: &AllowedRedirects) -> bool {
        RedirectUri::parse(text).is_some_and(|uri| uri.is_allowed(by))
    }

    #[test]
    fn codes_go_to_the_own_machine_or_to_the_web_with_tls() {
        let (any, local) = (AllowedRedirects::Web(Vec::new()), AllowedRedirects::LocalOnly);
        let some = AllowedRedirects::Web(vec!["app.example.com".to_owned()]);
        for own in [
            "http://127.0.0.1/callback",
            "http://localhost:3000/x",
            "http://[::1]:9/",
            "cursor://x/cb",
            "com.example.app:/cb",
        ] {
            assert!(allowed(own, &any) && allowed(own, &local) && allowed(own, &some), "{own}");
            assert!(!allowed(own, &AllowedRedirects::Disabled), "{own}");
        }
        let web = "https://app.example.com/cb?x=y";
        assert!(allowed(web, &any) && allowed(web, &some) && !allowed(web, &local));
        assert!(!allowed("https://evil.example.com/cb", &some));
        for never in [
            "http://app.example.com/cb",
            "http://localhost.evil.com/",
            "https://",
            "javascript:alert(1)",
            "JavaScript:x",
            "data:text/html,x",
            "file:///etc",
            "https://a@b/",
            "https://a/#x",
            "/cb",
            "",
            "https://a/ b",
            "http://127.0.0.1@evil/",
        ] {
            assert_eq!(RedirectUri::parse(never), None, "{never}");
        }
        assert_eq!(RedirectUri::parse(&format!("https://a/{}", "x".repeat(LONGEST))), None);
    }

    #[test]
    fn it_must_be_the_registered_one_but_for_the_port_of_the_own_machine() {
        let registered =
            ["http://127.0.0.1/callback", "https://a.example.com/cb", "app:/cb"].map(str::to_owned);
        let is_among = |text: &str| RedirectUri::parse(text).is_some_and(|uri| uri.is_among(&registered));
        for right in [
            "http://127.0.0.1:9999/callback",
            "http://127.0.0.1/callback",
            "https://a.example.com/cb",
            "app:/cb",
        ] {
            assert!(is_among(right), "{right}");
        }
        for wrong in [
            "http://localhost:9999/callback",
            "http://127.0.0.1:9/other",
            "http://127.0.0.1:9/callback?x",
            "http://[::1]/callback",
            "https://a.example.com/cb/",
            "https://a.example.com:444/cb",
            "https://A.example.com/cb",
            "app:/cb2",
        ] {
            assert!(!is_among(wrong), "{wrong}");
        }
    }

    #[test]
    fn parameters_are_added_behind_its_own() {
        let with = |text: &str| RedirectUri::parse(text).unwrap().with(&[("code", "a&b"), ("state", "c d")]);
        assert_eq!(with("https://a/cb"), "https://a/cb?code=a%26b&state=c+d");
        assert_eq!(with("https://a/cb?x=y"), "https://a/cb?x=y&code=a%26b&state=c+d");
        assert_eq!(with("app:/cb"), "app:/cb?code=a%26b&state=c+d");
    }
}
