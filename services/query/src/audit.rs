//! `/v1/audit`: who did what, when, from where.

use actix_web::web;
use bennu_access::Administer;
use bennu_domain::audit::AuditAction;
use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::{AuditPage, StoredAuditRecord};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::responses::{PageBody, invalid_cursor, store_failed};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list_audit_log))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/v1/audit").get(list_audit_log));
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct AuditBody {
    /// From 1 on, without gaps
    sequence: i64,
    #[schema(format = DateTime)]
    time: String,
    actor: ActorBody,
    action: String,
    /// What it was done to: a GlobalId where there is one
    target: String,
    #[schema(value_type = Object)]
    details: Map<String, Value>,
    /// SHA-256 over the entry and the hash of the one before, hexadecimal
    hash: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditActor)]
struct ActorBody {
    /// `anonymous`, `user`, `api_key`, `admin_secret` or `system`
    kind: String,
    name: String,
    /// IP address; null for work of the system's own
    address: Option<String>,
}

impl From<StoredAuditRecord> for AuditBody {
    fn from(StoredAuditRecord { record, hash }: StoredAuditRecord) -> Self {
        let address = Some(record.address).filter(|address| !address.is_empty());
        Self {
            sequence: record.sequence,
            time: record.time.to_string(),
            actor: ActorBody { kind: record.actor_kind, name: record.actor, address },
            action: record.action,
            target: record.target,
            details: serde_json::from_str(&record.details).unwrap_or_default(),
            hash: hash.to_string(),
        }
    }
}

/// Lists the audit log, newest first. Nobody can change or remove its entries: `bennu audit verify` shows it.
#[utoipa::path(
    get, path = "/v1/audit", operation_id = "listAuditLog", tag = "audit",
    params(
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 100 if not given, at most 1000"),
        ("actor" = Option<String>, Query, description = "Name of who did it"),
        ("action" = Option<String>, Query, description = "What was done, such as `project.delete`"),
        ("start_time" = Option<String>, Query, description = "What was done at or after it"),
        ("end_time" = Option<String>, Query, description = "What was done before it"),
    ),
    responses(
        (status = 200, body = PageBody<AuditBody>),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn list_audit_log(
    caller: Caller<Administer>,
    mut query: QueryString,
) -> Result<web::Json<PageBody<AuditBody>>, ApiError> {
    let limit = query.limit(100, 1_000);
    let cursor = query.cursor();
    let actor = query.filled_text("actor");
    let actions: Vec<_> = AuditAction::ALL.iter().map(|action| (action.as_str(), *action)).collect();
    let action = query.choice("action", &actions);
    let start = query.date_time("start_time").map(Timestamp);
    let end = query.date_time("end_time").map(Timestamp);
    query.finish()?;
    let from = cursor.map(|cursor| cursor.parse().map_err(|_| invalid_cursor(&cursor))).transpose()?;
    let page = AuditPage { from, limit, actor, action, start, end };
    let page = caller.store().audit_page(&page).await.map_err(store_failed)?;
    let data = page.items.into_iter().map(AuditBody::from).collect();
    Ok(web::Json(PageBody { data, next_cursor: page.next.map(|next| next.to_string()) }))
}
