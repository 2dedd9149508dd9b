//! The address by which people reach the server: for links in mails, and for browsers that are sent away and come back.

use actix_web::HttpRequest;
use actix_web::http::header::{ORIGIN, REFERER};
use bennu_kit::config::Config;

/// `BENNU_ROOT_URL` says it; without it requests do, as far as they may.
#[derive(Debug, Clone)]
pub struct Site {
    root_url: Option<String>,
    /// Hosts whose pages may send requests; none if origins are not checked.
    trusted_origins: Vec<String>,
    root_path: String,
    port: u16,
}

/// Scheme and host of a URL, the host in lower case.
type Origin = (&'static str, String);

impl Site {
    pub fn new(config: &Config) -> Self {
        Self {
            root_url: config.auth.root_url.clone(),
            trusted_origins: config.auth.trusted_origins.clone().unwrap_or_default(),
            root_path: config.root_path.as_str().to_owned(),
            port: config.port,
        }
    }

    /// For the links in mails, without a slash at the end.
    ///
    /// A link with a token must lead to this server and to no other: whoever asks for a mail to somebody else must not be able
    /// to choose where it leads. So what a request says about itself counts only where origins are checked.
    pub fn for_mails(&self, request: &HttpRequest) -> String {
        self.told().unwrap_or_else(|| match referer(request) {
            Some((scheme, host)) if self.trusted_origins.contains(&host) => self.at(scheme, &host),
            _ => self.at("http", &format!("localhost:{}", self.port)),
        })
    }

    /// For browsers and programs that come back to where they are now, without a slash at the end.
    ///
    /// The page that a browser comes from tells it best, if it is ours or one that is trusted; links from elsewhere do not.
    /// Otherwise the request does, or the proxies before the server. Nobody gains by a wrong one: it goes to the one who asks,
    /// and identity providers send people back to addresses alone that they have been told.
    pub fn for_browser(&self, request: &HttpRequest) -> String {
        self.told().unwrap_or_else(|| {
            let connection = request.connection_info();
            match referer(request) {
                Some((scheme, host)) if host == connection.host() || self.trusted_origins.contains(&host) => {
                    self.at(scheme, &host)
                }
                _ => self.at(connection.scheme(), connection.host()),
            }
        })
    }

    /// Whether the page that sends the request is one of this server, or trusted. Browsers say so with every form; who does not
    /// say where a request comes from is not believed.
    pub fn is_where_from(&self, request: &HttpRequest) -> bool {
        let named = request.headers().get(ORIGIN).and_then(|value| value.to_str().ok()).and_then(origin);
        let Some((_, host)) = named else { return false };
        let own = self.root_url.as_deref().and_then(origin).map(|(_, own)| own);
        own.as_ref() == Some(&host)
            || host == request.connection_info().host()
            || self.trusted_origins.contains(&host)
    }

    fn told(&self) -> Option<String> {
        self.root_url.clone()
    }

    fn at(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}{}", self.root_path)
    }
}

fn referer(request: &HttpRequest) -> Option<Origin> {
    request.headers().get(REFERER)?.to_str().ok().and_then(origin)
}

fn origin(url: &str) -> Option<Origin> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = ["http", "https"].into_iter().find(|known| *known == scheme)?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty() && !host.contains('@'))?;
    Some((scheme, host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn site(trusted: &[&str]) -> Site {
        Site {
            root_url: None,
            trusted_origins: trusted.iter().map(|host| (*host).to_owned()).collect(),
            root_path: "/bennu".to_owned(),
            port: 6006,
        }
    }

    fn from(referer: &str) -> HttpRequest {
        let request = TestRequest::default().insert_header(("host", "bennu:6006"));
        request.insert_header((REFERER, referer)).to_http_request()
    }

    #[test]
    fn a_request_chooses_where_a_mail_leads_only_where_origins_are_checked() {
        let referred = from("https://app.example.com:8443/x?y");
        assert_eq!(
            site(&["app.example.com:8443"]).for_mails(&referred),
            "https://app.example.com:8443/bennu"
        );
        let unsaid = TestRequest::default().to_http_request();
        assert_eq!(site(&["app.example.com:8443"]).for_mails(&unsaid), "http://localhost:6006/bennu");
        assert_eq!(site(&[]).for_mails(&referred), "http://localhost:6006/bennu");
        assert_eq!(site(&[]).for_mails(&from("http://bennu:6006/x")), "http://localhost:6006/bennu");
    }

    #[test]
    fn pages_of_ours_and_trusted_ones_tell_where_a_browser_comes_back_to() {
        let told = |referer: &str| site(&["app.example.com"]).for_browser(&from(referer));
        assert_eq!(told("https://App.example.com/login?x"), "https://app.example.com/bennu");
        assert_eq!(told("https://bennu:6006/login"), "https://bennu:6006/bennu");
        for other in
            ["https://evil.example.com/", "https://app.example.com@evil/", "ftp://app.example.com", "x"]
        {
            assert_eq!(told(other), "http://bennu:6006/bennu", "{other}");
        }
        let behind = TestRequest::default()
            .insert_header(("host", "app.example.com"))
            .insert_header(("x-forwarded-proto", "https"))
            .to_http_request();
        assert_eq!(site(&[]).for_browser(&behind), "https://app.example.com/bennu");
    }

    #[test]
    fn a_form_comes_from_a_page_of_ours_or_a_trusted_one() {
        let comes_from = |origin: &str| {
            let request = TestRequest::default().insert_header(("host", "bennu:6006"));
            let request = request.insert_header((ORIGIN, origin)).to_http_request();
            let site = Site { root_url: Some("https://traces.example.com/b".to_owned()), ..site(&["app"]) };
            site.is_where_from(&request)
        };
        for own in ["http://bennu:6006", "https://traces.example.com", "https://app"] {
            assert!(comes_from(own), "{own}");
        }
        for other in ["null", "http://bennu", "https://evil.example.com", ""] {
            assert!(!comes_from(other), "{other}");
        }
        assert!(!site(&[]).is_where_from(&TestRequest::default().to_http_request()), "nobody says");
    }

    #[test]
    fn the_setting_counts_more_than_any_request() {
        let told = Site { root_url: Some("https://traces.example.com/b".to_owned()), ..site(&["evil"]) };
        assert_eq!(told.for_mails(&from("https://evil/x")), "https://traces.example.com/b");
        assert_eq!(told.for_browser(&from("https://evil/x")), "https://traces.example.com/b");
    }
}
