//! `/v1/projects/{project}/sessions` and `/v1/sessions/{session}`

use actix_web::{HttpResponse, web};
use bennu_access::Write;
use bennu_domain::filter::Flavour;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::SessionRowId;
use bennu_domain::page::Order;
use bennu_kit::http::{ApiError, JsonBody, QueryString};
use bennu_store::{Session, SessionTrace};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::conditions::read_condition;
use crate::identifiers::{find_project, find_session, not_found};
use crate::responses::{
    CostBody, DataBody, LARGEST_PAGE, PageBody, invalid_cursor, no_content, store_failed,
};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list_sessions, get_session, delete_session, delete_sessions))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/projects/{project_identifier}/sessions").get(list_sessions))
        // Before the resource below, which would take `delete` for an identifier.
        .service(web::resource("/v1/sessions/delete").post(delete_sessions))
        .service(web::resource("/v1/sessions/{session_identifier}").get(get_session).delete(delete_session));
}

#[derive(Deserialize, ToSchema)]
struct DeleteSessionsRequestBody {
    /// GlobalIds or session ids, not both
    session_identifiers: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SessionData)]
struct SessionBody {
    /// GlobalId
    id: String,
    session_id: String,
    /// GlobalId
    project_id: String,
    #[schema(format = DateTime)]
    start_time: String,
    #[schema(format = DateTime)]
    end_time: String,
    traces: Vec<SessionTraceBody>,
    token_count_prompt: i64,
    token_count_completion: i64,
    token_count_total: i64,
    /// Only with `include_cost`
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SessionTraceData)]
struct SessionTraceBody {
    /// GlobalId
    id: String,
    trace_id: String,
    #[schema(format = DateTime)]
    start_time: String,
    #[schema(format = DateTime)]
    end_time: String,
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.global_id(),
            session_id: session.session_id,
            project_id: session.project.global_id(),
            start_time: session.start.to_string(),
            end_time: session.end.to_string(),
            traces: session.traces.into_iter().map(SessionTraceBody::from).collect(),
            token_count_prompt: session.tokens.prompt,
            token_count_completion: session.tokens.completion,
            token_count_total: session.tokens.prompt.saturating_add(session.tokens.completion),
            cost: None,
        }
    }
}

impl From<SessionTrace> for SessionTraceBody {
    fn from(trace: SessionTrace) -> Self {
        Self {
            id: trace.id.global_id(),
            trace_id: trace.trace_text.unwrap_or_else(|| trace.trace_id.to_string()),
            start_time: trace.start.to_string(),
            end_time: trace.end.to_string(),
        }
    }
}

/// Lists sessions of a project in order of arrival.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/sessions", operation_id = "listProjectSessions", tag = "sessions",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 100 if not given"),
        ("order" = Option<String>, Query, description = "`asc` or `desc`"),
        ("include_cost" = Option<bool>, Query, description = "Whether to tell what each session cost"),
        ("filter" = Option<String>, Query, description = "Condition on sessions, such as `num_traces > 1 and 'refund' in first_input`"),
    ),
    responses(
        (status = 200, body = PageBody<SessionBody>),
        (status = 400, description = "The filter cannot be read", body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn list_sessions(
    caller: Caller,
    project: web::Path<String>,
    mut query: QueryString,
) -> Result<web::Json<PageBody<SessionBody>>, ApiError> {
    let limit = query.capped_limit(100, LARGEST_PAGE);
    let cursor = query.cursor();
    let order = query.choice("order", &[("asc", Order::Ascending), ("desc", Order::Descending)]);
    let include_cost = query.boolean("include_cost").unwrap_or(false);
    let filter = query.text("filter");
    query.finish()?;
    let condition = read_condition(Flavour::Session, filter)?;
    let project = find_project(caller.store(), &project).await?.id;
    let read_cursor =
        |cursor: String| SessionRowId::from_global_id(&cursor).ok_or_else(|| invalid_cursor(&cursor));
    let from = cursor.map(read_cursor).transpose()?;
    let order = order.unwrap_or(Order::Ascending);
    let page = caller.store().list_sessions(project, condition.as_ref(), order, from, limit).await;
    let page = page.map_err(store_failed)?;
    let with_cost = |session: Session| {
        let cost = include_cost.then(|| session.cost.into());
        SessionBody { cost, ..session.into() }
    };
    let data = page.items.into_iter().map(with_cost).collect();
    Ok(web::Json(PageBody { data, next_cursor: page.next.map(SessionRowId::global_id) }))
}

/// Gets a session by GlobalId or session id.
#[utoipa::path(
    get, path = "/v1/sessions/{session_identifier}", operation_id = "getSession", tag = "sessions",
    params(("session_identifier" = String, Path, description = "GlobalId or session id")),
    responses((status = 200, body = DataBody<SessionBody>), (status = 404, body = String, content_type = "text/plain"))
)]
async fn get_session(
    caller: Caller,
    identifier: web::Path<String>,
) -> Result<web::Json<DataBody<SessionBody>>, ApiError> {
    let row = find_session(caller.store(), &identifier).await?;
    let found = caller.store().session(row).await.map_err(store_failed)?;
    Ok(web::Json(DataBody { data: found.ok_or_else(|| not_found("session", &identifier))?.into() }))
}

/// Deletes a session with its traces.
#[utoipa::path(
    delete, path = "/v1/sessions/{session_identifier}", operation_id = "deleteSession", tag = "sessions",
    params(("session_identifier" = String, Path, description = "GlobalId or session id")),
    responses((status = 204), (status = 404, body = String, content_type = "text/plain"))
)]
async fn delete_session(
    caller: Caller<Write>,
    identifier: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let row = find_session(caller.store(), &identifier).await?;
    let deleted = caller.store().delete_session(row).await.map_err(store_failed)?;
    if deleted { Ok(no_content()) } else { Err(not_found("session", &identifier)) }
}

/// Deletes sessions with their traces. Unknown ones are skipped.
#[utoipa::path(
    post, path = "/v1/sessions/delete", operation_id = "deleteSessions", tag = "sessions",
    request_body = DeleteSessionsRequestBody,
    responses(
        (status = 204),
        (status = 422, description = "No identifier, or identifiers of both sorts", body = String, content_type = "text/plain"),
    )
)]
async fn delete_sessions(
    caller: Caller<Write>,
    body: JsonBody<DeleteSessionsRequestBody>,
) -> Result<HttpResponse, ApiError> {
    let identifiers = body.0.session_identifiers;
    let refuse = |rule: &str| Err(ApiError::Unprocessable(format!("session_identifiers {rule}")));
    let mut rows: Vec<SessionRowId> =
        identifiers.iter().filter_map(|text| SessionRowId::from_global_id(text)).collect();
    match rows.len() {
        _ if identifiers.is_empty() => return refuse("is empty."),
        0 => rows = caller.store().session_rows(&identifiers).await.map_err(store_failed)?,
        all if all == identifiers.len() => {}
        _ => return refuse("must be all GlobalIds or all session ids."),
    }
    for row in rows {
        caller.store().delete_session(row).await.map_err(store_failed)?;
    }
    Ok(no_content())
}
