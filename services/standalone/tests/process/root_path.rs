//! Published by a proxy under a prefix.
//!
//! The reference serves its API without the prefix only: a proxy has to take it off. Bennu serves both, so that a proxy may
//! also pass it on.

use bennu_testkit::otlp::{request, span};

use crate::bennu::Bennu;
use crate::http::{ask, get, get_json, send_one, span_names};

const ROOT: &[(&str, &str)] = &[("BENNU_HOST_ROOT_PATH", "/bennu")];

#[test]
fn the_api_is_there_with_the_prefix_and_without() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), ROOT);
    assert!(bennu.url.ends_with("/bennu"), "it announces {}", bennu.url);
    let plain = bennu.url.strip_suffix("/bennu").unwrap();

    send_one(&bennu.url, &request().project("rooted").span(span(1, 1).named("with")).build());
    send_one(plain, &request().project("rooted").span(span(2, 2).named("without")).build());
    for url in [bennu.url.as_str(), plain] {
        assert_eq!(span_names(url, "rooted"), ["with", "without"]);
        for path in ["/healthz", "/readyz", "/metrics", "/arize_phoenix_version", "/openapi.json", "/"] {
            assert_eq!(get(&format!("{url}{path}")).status, 200, "{url}{path}");
        }
        assert_eq!(ask("DELETE", &format!("{url}/v1/projects/nobody")).status, 404);
    }
    assert_eq!(
        get_json(&bennu.at("/v1/projects/rooted/traces?limit=1"))["data"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn only_whole_segments_are_the_prefix_and_only_once() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), ROOT);
    let plain = bennu.url.strip_suffix("/bennu").unwrap();
    assert_eq!(get(&bennu.url).status, 200, "the prefix alone is the home page");
    for path in ["/bennus/healthz", "/bennu/bennu/healthz", "/other/healthz", "/v1/bennu/projects"] {
        assert_eq!(get(&format!("{plain}{path}")).status, 404, "{path}");
    }
}

#[test]
fn the_home_page_links_below_the_prefix() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), ROOT);
    // Also for a visitor whose proxy took the prefix off.
    for url in [bennu.at("/"), bennu.url.replace("/bennu", "/")] {
        let page = get(&url);
        for link in ["href=\"/bennu/openapi.json\"", "href=\"/bennu/v1/projects\"", "href=\"/bennu/metrics\""]
        {
            assert!(page.text().contains(link), "{link} on {url}");
        }
        assert!(page.text().contains(&format!("{}/v1/traces", bennu.url)), "{url}");
    }
}
