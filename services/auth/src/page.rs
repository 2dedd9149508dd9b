//! Pages for people, as plain as can be: forms without scripts.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;\
padding:0 1.25rem}h1{font-size:1.4rem}label,input,button,.way{display:block;width:100%;box-sizing:border-box;font:inherit}\
input{margin:.2rem 0 .9rem;padding:.5rem}button,.way{margin:.5rem 0;padding:.6rem;text-align:center}.error{color:#c33}";

/// Nothing is loaded, nothing runs, and no other page shows it within itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// Text within a page, which is no markup whatever it says.
pub struct Text<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

/// A page that nobody keeps; `body` is markup.
pub fn page(status: StatusCode, title: &str, body: &str) -> HttpResponse {
    document(status, title, "", body)
}

/// A page that goes on by itself, so that the next request comes from this site and no other. Browsers then send the cookies of a
/// log-in, which they keep from requests that another site began.
pub fn going_on(to: &str) -> HttpResponse {
    let head = format!(r#"<meta http-equiv="refresh" content="0;url={}">"#, Text(to));
    let body = format!(r#"<p><a href="{}">Go on</a></p>"#, Text(to));
    document(StatusCode::OK, "One moment", &head, &body)
}

/// Whether another site began the request, as browsers say.
pub fn comes_from_elsewhere(request: &HttpRequest) -> bool {
    request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

fn document(status: StatusCode, title: &str, head: &str, body: &str) -> HttpResponse {
    let title = Text(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{head}<title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    );
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Forms then say where they come from, and links elsewhere do not.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        assert_eq!(Text(r#"<a href="x">'&"#).to_string(), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }
}
