//! `/v1/projects/{project}/annotation_configs`

use actix_web::{HttpResponse, web};
use bennu_access::Write;
use bennu_kit::http::{ApiError, JsonBody, QueryString};
use bennu_store::Assignment;
use serde::Deserialize;
use utoipa::ToSchema;

use super::configs::{ConfigBody, config_id, find_config, no_config, page};
use crate::caller::Caller;
use crate::identifiers::{find_project, not_found};
use crate::responses::{DataBody, LARGEST_PAGE, PageBody, no_content, store_failed};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list_project_configs, set_project_configs, assign_config, unassign_config))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/v1/projects/{project_identifier}/annotation_configs")
                .get(list_project_configs)
                .put(set_project_configs),
        )
        .service(
            web::resource("/v1/projects/{project_identifier}/annotation_configs/{config_identifier}")
                .put(assign_config)
                .delete(unassign_config),
        );
}

#[derive(Deserialize, ToSchema)]
struct SetProjectAnnotationConfigsRequestBody {
    /// GlobalIds
    annotation_config_ids: Vec<String>,
}

/// Lists the annotation configs that a project uses, newest first.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/annotation_configs", operation_id = "getProjectAnnotationConfigs",
    tag = "annotation_configs",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 100 if not given"),
    ),
    responses(
        (status = 200, body = PageBody<ConfigBody>),
        (status = 400, description = "A cursor of another list", body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn list_project_configs(
    caller: Caller,
    project: web::Path<String>,
    mut query: QueryString,
) -> Result<web::Json<PageBody<ConfigBody>>, ApiError> {
    let which = (query.cursor(), query.capped_limit(100, LARGEST_PAGE));
    query.finish()?;
    let project = find_project(caller.store(), &project).await?.id;
    page(caller.store(), Some(project), which).await
}

/// Sets the annotation configs that a project uses, whatever it used before.
#[utoipa::path(
    put, path = "/v1/projects/{project_identifier}/annotation_configs", operation_id = "setProjectAnnotationConfigs",
    tag = "annotation_configs",
    params(("project_identifier" = String, Path, description = "GlobalId or name")),
    request_body = SetProjectAnnotationConfigsRequestBody,
    responses(
        (status = 200, body = PageBody<ConfigBody>),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, description = "An id that is none, or of no config", body = String, content_type = "text/plain"),
    )
)]
async fn set_project_configs(
    caller: Caller<Write>,
    project: web::Path<String>,
    body: JsonBody<SetProjectAnnotationConfigsRequestBody>,
) -> Result<web::Json<PageBody<ConfigBody>>, ApiError> {
    let found = find_project(caller.store(), &project).await?.id;
    let invalid = |text: &str| {
        ApiError::Unprocessable(format!(
            "annotation_config_ids: {text:?} is not the GlobalId of an annotation config."
        ))
    };
    let read = |text: &String| config_id(text).ok_or_else(|| invalid(text));
    let configs: Vec<_> = body.0.annotation_config_ids.iter().map(read).collect::<Result<_, _>>()?;
    match caller.store().set_annotation_configs(found, &configs).await.map_err(store_failed)? {
        Assignment::Done => page(caller.store(), Some(found), (None, LARGEST_PAGE)).await,
        Assignment::NoSuchProject => Err(not_found("project", &project)),
        Assignment::NoSuchConfig => Err(ApiError::Unprocessable(
            "annotation_config_ids: some of the annotation configs do not exist.".to_owned(),
        )),
    }
}

/// Lets a project use an annotation config; it may already.
#[utoipa::path(
    put, path = "/v1/projects/{project_identifier}/annotation_configs/{config_identifier}",
    operation_id = "assignAnnotationConfigToProject", tag = "annotation_configs",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("config_identifier" = String, Path, description = "GlobalId or name"),
    ),
    responses((status = 200, body = DataBody<ConfigBody>), (status = 404, body = String, content_type = "text/plain"))
)]
async fn assign_config(
    caller: Caller<Write>,
    path: web::Path<(String, String)>,
) -> Result<web::Json<DataBody<ConfigBody>>, ApiError> {
    let (project, config) = path.into_inner();
    let found = find_project(caller.store(), &project).await?.id;
    let stored = find_config(caller.store(), &config).await?;
    match caller.store().assign_annotation_config(found, stored.id).await.map_err(store_failed)? {
        Assignment::Done => Ok(web::Json(DataBody { data: stored.into() })),
        Assignment::NoSuchProject => Err(not_found("project", &project)),
        Assignment::NoSuchConfig => Err(no_config(&config)),
    }
}

/// Lets a project no longer use an annotation config; it may not have used it.
#[utoipa::path(
    delete, path = "/v1/projects/{project_identifier}/annotation_configs/{config_identifier}",
    operation_id = "unassignAnnotationConfigFromProject", tag = "annotation_configs",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("config_identifier" = String, Path, description = "GlobalId or name"),
    ),
    responses((status = 204), (status = 404, body = String, content_type = "text/plain"))
)]
async fn unassign_config(
    caller: Caller<Write>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (project, config) = path.into_inner();
    let project = find_project(caller.store(), &project).await?.id;
    let stored = find_config(caller.store(), &config).await?;
    caller.store().unassign_annotation_config(project, stored.id).await.map_err(store_failed)?;
    Ok(no_content())
}
