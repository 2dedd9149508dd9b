//! A Bennu that asks for API keys, with tenants to send as.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::otlp_client::{Endpoint, plain_agent};
use crate::server_process::{ServerKind, ServerProcess};

const ADMIN_SECRET: &str = "bench-secret-of-administration-0123456789";
/// Of the first administrator.
pub const PASSWORD: &str = "correct-horse-battery-1";
const SETTINGS: [(&str, &str); 5] = [
    ("ENABLE_AUTH", "true"),
    ("SECRET", "bench-secret-of-the-deployment-0123456789"),
    ("ADMIN_SECRET", ADMIN_SECRET),
    ("DEFAULT_ADMIN_INITIAL_PASSWORD", PASSWORD),
    ("DISABLE_RATE_LIMIT", "true"),
];

pub struct AuthenticatedServer {
    pub process: ServerProcess,
}

impl AuthenticatedServer {
    /// Starts on a directory that it makes.
    pub fn start(program: &Path, home: &Path) -> Result<Self> {
        fs::create_dir(home).with_context(|| home.display().to_string())?;
        let process = ServerProcess::start_with(ServerKind::Bennu, program, home, &SETTINGS)?;
        Ok(Self { process })
    }

    pub fn create_tenant(&self, slug: &str) -> Result<()> {
        let admin = json!({"email": format!("{slug}@example.com"), "username": slug, "password": PASSWORD});
        self.administer("POST", "/platform/v1/tenants", &json!({"slug": slug, "admin": admin}))?;
        Ok(())
    }

    pub fn limit_tenant(&self, slug: &str, spans_per_second: u64) -> Result<()> {
        let limits = json!({"limits": {"spans_per_second": spans_per_second}});
        self.administer("PATCH", &format!("/platform/v1/tenants/{slug}"), &limits)?;
        Ok(())
    }

    /// Where to send as a tenant, or as the first one, with a new key.
    pub fn endpoint(&self, tenant: Option<&str>) -> Result<Endpoint> {
        let prefix = tenant.map(|slug| format!("/s/{slug}")).unwrap_or_default();
        let key = json!({"data": {"name": "bench"}});
        let answer = self.administer("POST", &format!("{prefix}/v1/system/api_keys"), &key)?;
        let key = answer["data"]["key"].as_str().with_context(|| format!("no key: {answer}"))?;
        Ok(Endpoint { api_key: Some(key.to_owned()), ..self.process.endpoint() })
    }

    fn administer(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.process.endpoint().base_url))
            .header("authorization", format!("Bearer {ADMIN_SECRET}"))
            .header("content-type", "application/json")
            .body(body.to_string())?;
        let mut response = plain_agent().run(request)?;
        let (status, answer) = (response.status(), response.body_mut().read_to_string()?);
        ensure!(status.is_success(), "{method} {path} was answered with {status}: {answer}");
        serde_json::from_str(&answer).with_context(|| answer)
    }
}
