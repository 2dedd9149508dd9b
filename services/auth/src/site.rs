//! The address by which people reach the server, for the links in mails.

use actix_web::HttpRequest;
use actix_web::http::header::REFERER;
use bennu_kit::config::{Config, Credentials};

/// A link with a token must lead to this server and to no other: whoever asks for a mail to somebody else must not be able
/// to choose where it leads. So what a request says about itself counts only where origins are checked.
#[derive(Debug, Clone)]
pub struct Site {
    root_url: Option<String>,
    trusts_referers: bool,
    root_path: String,
    port: u16,
}

impl Site {
    pub fn new(config: &Config, settings: &Credentials) -> Self {
        Self {
            root_url: settings.root_url.clone(),
            trusts_referers: config.auth.trusted_origins.is_some(),
            root_path: config.root_path.as_str().to_owned(),
            port: config.port,
        }
    }

    /// Without a slash at the end.
    pub fn seen_from(&self, request: &HttpRequest) -> String {
        if let Some(url) = &self.root_url {
            return url.clone();
        }
        let referer = request.headers().get(REFERER).and_then(|value| value.to_str().ok());
        let origin = referer.filter(|_| self.trusts_referers).and_then(origin);
        let origin = origin.unwrap_or_else(|| format!("http://localhost:{}", self.port));
        format!("{origin}{}", self.root_path)
    }
}

/// Scheme and host of a URL.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_request_chooses_the_site_only_where_origins_are_checked() {
        let site = Site { root_url: None, trusts_referers: true, root_path: "/bennu".to_owned(), port: 6006 };
        let request = || TestRequest::default();
        let referred =
            || request().insert_header((REFERER, "https://app.example.com:8443/x?y")).to_http_request();
        assert_eq!(site.seen_from(&referred()), "https://app.example.com:8443/bennu");
        assert_eq!(site.seen_from(&request().to_http_request()), "http://localhost:6006/bennu");
        let careful = Site { trusts_referers: false, ..site.clone() };
        assert_eq!(careful.seen_from(&referred()), "http://localhost:6006/bennu");
        let told = Site { root_url: Some("https://traces.example.com/b".to_owned()), ..site };
        assert_eq!(told.seen_from(&referred()), "https://traces.example.com/b");
    }
}
