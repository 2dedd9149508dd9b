//! Guesses of passwords, made at several processes at once.

use std::time::{Duration, Instant};

use bennu_loadtests::otlp_client::plain_agent;
use bennu_testkit::servers::redis;
use serde_json::json;
use ureq::http::Request;

use crate::bennu::Bennu;

const SETTINGS: [(&str, &str); 5] = [
    ("BENNU_ENABLE_AUTH", "true"),
    ("BENNU_SECRET", "the-secret-of-the-tests-0123456789-abcdef"),
    ("BENNU_ADMIN_SECRET", ADMIN_SECRET),
    ("BENNU_PASSWORD_MEMORY_KIB", "64"),
    ("BENNU_PASSWORD_PASSES", "1"),
];
const ADMIN_SECRET: &str = "the-admin-secret-of-the-tests-0123456789";

struct Answer {
    status: u16,
    cookies: String,
    retry_after: Option<String>,
}

fn post(bennu: &Bennu, path: &str, cookies: &str, body: &serde_json::Value) -> Answer {
    let request = Request::builder()
        .method("POST")
        .uri(bennu.at(path))
        .header("content-type", "application/json")
        .header("cookie", cookies)
        .body(body.to_string())
        .unwrap();
    let response = plain_agent().run(request).unwrap();
    let headers = response.headers();
    let pairs =
        headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().unwrap().split(';').next());
    Answer {
        status: response.status().as_u16(),
        cookies: pairs.collect::<Vec<_>>().join("; "),
        retry_after: headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned()),
    }
}

fn log_in(bennu: &Bennu, email: &str, password: &str) -> Answer {
    post(bennu, "/auth/login", "", &json!({ "email": email, "password": password }))
}

fn get(bennu: &Bennu, token: &str) -> u16 {
    let request = Request::builder()
        .uri(bennu.at("/v1/user"))
        .header("authorization", format!("Bearer {token}"))
        .body(String::new())
        .unwrap();
    plain_agent().run(request).unwrap().status().as_u16()
}

#[test]
fn two_processes_count_guesses_together_and_take_none_while_they_cannot() {
    let mut server = redis::start().unwrap();
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut settings = SETTINGS.to_vec();
    settings.push(("BENNU_QUOTA_URL", server.variables[0].1.as_str()));
    let (one, other) = (Bennu::start(one.path(), &settings), Bennu::start(other.path(), &settings));
    let logged_in = log_in(&one, "admin@localhost", "admin");
    assert_eq!(logged_in.status, 204);
    for number in 0..5 {
        let asked = if number % 2 == 0 { &one } else { &other };
        assert_eq!(log_in(asked, "ada@example.com", "guess").status, 401);
    }
    for bennu in [&one, &other] {
        assert_eq!(log_in(bennu, "ada@example.com", "guess").status, 429, "the account is locked");
    }
    // The address has few of its twelve attempts left, and gets one back every five seconds.
    let refused = (0..40).find_map(|number| {
        let asked = if number % 2 == 0 { &one } else { &other };
        let answer = log_in(asked, &format!("{number}@example.com"), "guess");
        (answer.status == 429).then_some(answer)
    });
    assert!(refused.unwrap().retry_after.is_some());

    server.stop();
    let begin = Instant::now();
    let refused = log_in(&one, "admin@localhost", "admin");
    assert_eq!((refused.status, refused.retry_after.as_deref()), (503, Some("1")));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(get(&one, ADMIN_SECRET), 200);
    let renewed = post(&one, "/auth/refresh", &logged_in.cookies, &json!({}));
    assert_eq!(renewed.status, 204, "who is logged in stays so");
    let token = renewed.cookies.split("; ").find_map(|cookie| cookie.strip_prefix("phoenix-access-token="));
    assert_eq!(get(&one, token.unwrap()), 200);
}
