//! The address of who is calling.

use actix_web::HttpRequest;
use actix_web::http::header::X_FORWARDED_FOR;

/// The address of the client. Each of our proxies appends the address that called it to `X-Forwarded-For`; what stands before
/// those entries is the client's own word, and counts for nothing.
pub fn client_address(request: &HttpRequest, trusted_proxies: usize) -> String {
    let peer = || request.peer_addr().map_or_else(String::new, |address| address.ip().to_string());
    if trusted_proxies == 0 {
        return peer();
    }
    let forwarded: Vec<&str> = request
        .headers()
        .get_all(X_FORWARDED_FOR)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let position = forwarded.len().checked_sub(trusted_proxies);
    position.and_then(|position| forwarded.get(position)).map_or_else(peer, |address| (*address).to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_what_our_own_proxies_append_counts() {
        let request = TestRequest::default()
            .peer_addr("10.0.0.9:1".parse().unwrap())
            .append_header((X_FORWARDED_FOR, "6.6.6.6, 1.2.3.4"))
            .to_http_request();
        assert_eq!(client_address(&request, 0), "10.0.0.9");
        assert_eq!(client_address(&request, 1), "1.2.3.4");
        assert_eq!(client_address(&request, 2), "6.6.6.6");
        assert_eq!(client_address(&request, 3), "10.0.0.9");
    }
}
