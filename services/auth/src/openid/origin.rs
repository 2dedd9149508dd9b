//! By which address a browser came, as the provider sends it back to the same.

use actix_web::HttpRequest;
use actix_web::http::header::REFERER;

/// `https://host[:port]`. The page that the browser comes from tells it best, if it is ours or one that is trusted; links from
/// elsewhere do not. Otherwise the request does, or the proxies before the server. Nobody gains by a wrong one: the provider
/// sends people back to addresses alone that it has been told.
pub fn origin(request: &HttpRequest, trusted: &[String]) -> String {
    let connection = request.connection_info();
    let by_page = request.headers().get(REFERER).and_then(|value| value.to_str().ok()).and_then(read);
    match by_page {
        Some((scheme, host)) if host == connection.host() || trusted.contains(&host) => {
            format!("{scheme}://{host}")
        }
        _ => format!("{}://{}", connection.scheme(), connection.host()),
    }
}

fn read(url: &str) -> Option<(&str, String)> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty() && !host.contains('@'))?;
    Some((scheme, host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn pages_of_ours_and_trusted_ones_tell_the_address() {
        let told = |referer: &str| {
            let request = TestRequest::default()
                .insert_header(("host", "bennu:6006"))
                .insert_header(("referer", referer))
                .to_http_request();
            origin(&request, &["app.example.com".to_owned()])
        };
        assert_eq!(told("https://App.example.com/login?x"), "https://app.example.com");
        assert_eq!(told("https://bennu:6006/login"), "https://bennu:6006");
        for other in
            ["https://evil.example.com/", "https://app.example.com@evil/", "ftp://app.example.com", "x"]
        {
            assert_eq!(told(other), "http://bennu:6006", "{other}");
        }
        let behind = TestRequest::default()
            .insert_header(("host", "app.example.com"))
            .insert_header(("x-forwarded-proto", "https"))
            .to_http_request();
        assert_eq!(origin(&behind, &[]), "https://app.example.com");
    }
}
