//! `/v1/projects`

use actix_web::{HttpResponse, web};
use bennu_access::{Administer, Write};
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::ProjectId;
use bennu_domain::project::ProjectName;
use bennu_kit::http::{ApiError, FieldError, JsonBody, QueryString};
use bennu_store::{Project, ProjectList};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::identifiers::{find_project, not_found};
use crate::responses::{DataBody, LARGEST_PAGE, PageBody, invalid_cursor, no_content, store_failed};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list_projects, create_project, get_project, update_project, delete_project))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/v1/projects").get(list_projects).post(create_project)).service(
        web::resource("/v1/projects/{project_identifier}")
            .get(get_project)
            .put(update_project)
            .delete(delete_project),
    );
}

#[derive(Serialize, ToSchema)]
#[schema(as = Project)]
struct ProjectBody {
    name: String,
    description: Option<String>,
    /// GlobalId
    id: String,
}

impl From<Project> for ProjectBody {
    fn from(project: Project) -> Self {
        Self { name: project.name, description: project.description, id: project.id.global_id() }
    }
}

#[derive(Deserialize, ToSchema)]
struct CreateProjectRequestBody {
    #[schema(min_length = 1, max_length = 1024)]
    name: String,
    description: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct UpdateProjectRequestBody {
    description: Option<String>,
}

/// Lists projects, newest first.
#[utoipa::path(
    get, path = "/v1/projects", operation_id = "getProjects", tag = "projects",
    params(
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 100 if not given"),
        ("name_contains" = Option<String>, Query, description = "Part of the name, in any case"),
        ("include_experiment_projects" = Option<bool>, Query),
        ("include_dataset_evaluator_projects" = Option<bool>, Query),
    ),
    responses((status = 200, body = PageBody<ProjectBody>), (status = 422, body = String, content_type = "text/plain"))
)]
async fn list_projects(
    caller: Caller,
    mut query: QueryString,
) -> Result<web::Json<PageBody<ProjectBody>>, ApiError> {
    let limit = query.capped_limit(100, LARGEST_PAGE);
    let (cursor, name_contains) = (query.cursor(), query.text("name_contains"));
    query.boolean("include_experiment_projects");
    query.boolean("include_dataset_evaluator_projects");
    query.finish()?;
    let read_cursor =
        |cursor: String| ProjectId::from_global_id(&cursor).ok_or_else(|| invalid_cursor(&cursor));
    let from = cursor.map(read_cursor).transpose()?;
    let list = ProjectList { limit, from, name_contains };
    let page = caller.store().list_projects(&list).await.map_err(store_failed)?;
    let data = page.items.into_iter().map(ProjectBody::from).collect();
    Ok(web::Json(PageBody { data, next_cursor: page.next.map(ProjectId::global_id) }))
}

/// Creates a project.
#[utoipa::path(
    post, path = "/v1/projects", operation_id = "createProject", tag = "projects",
    request_body = CreateProjectRequestBody,
    responses(
        (status = 200, body = DataBody<ProjectBody>),
        (status = 409, description = "The name is taken", body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn create_project(
    caller: Caller<Write>,
    body: JsonBody<CreateProjectRequestBody>,
) -> Result<web::Json<DataBody<ProjectBody>>, ApiError> {
    let CreateProjectRequestBody { name, description } = body.0;
    let project_name = project_name(&name)?;
    let created = caller.store().create_project(&project_name, description).await.map_err(store_failed)?;
    let taken = || ApiError::Conflict(format!("There is a project {name:?} already."));
    Ok(web::Json(DataBody { data: created.ok_or_else(taken)?.into() }))
}

/// The name exactly as given; a name in a span is cut to fit instead.
fn project_name(text: &str) -> Result<ProjectName, ApiError> {
    let longest = ProjectName::MAX_BYTES;
    let (kind, rule, context) = match ProjectName::new(text) {
        Some(name) if name.as_str() == text => return Ok(name),
        None => ("string_too_short", "must not be empty".to_owned(), json!({ "min_length": 1 })),
        Some(_) if text.len() > longest => (
            "string_too_long",
            format!("must have at most {longest} bytes"),
            json!({ "max_length": longest }),
        ),
        Some(_) => ("value_error", "must have no NUL character".to_owned(), json!({})),
    };
    let error = FieldError::body(vec!["body".into(), "name".into()], kind, rule, &Value::from(text));
    Err(ApiError::Validation(vec![error.with(context)]))
}

/// Gets a project by GlobalId or name.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}", operation_id = "getProject", tag = "projects",
    params(("project_identifier" = String, Path, description = "GlobalId or name")),
    responses((status = 200, body = DataBody<ProjectBody>), (status = 404, body = String, content_type = "text/plain"))
)]
async fn get_project(
    caller: Caller,
    project: web::Path<String>,
) -> Result<web::Json<DataBody<ProjectBody>>, ApiError> {
    Ok(web::Json(DataBody { data: find_project(caller.store(), &project).await?.into() }))
}

/// Changes the description of a project; without one, or with null, it stays as it is.
#[utoipa::path(
    put, path = "/v1/projects/{project_identifier}", operation_id = "updateProject", tag = "projects",
    params(("project_identifier" = String, Path, description = "GlobalId or name")),
    request_body = UpdateProjectRequestBody,
    responses(
        (status = 200, body = DataBody<ProjectBody>),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn update_project(
    caller: Caller<Administer>,
    project: web::Path<String>,
    body: JsonBody<UpdateProjectRequestBody>,
) -> Result<web::Json<DataBody<ProjectBody>>, ApiError> {
    let found = find_project(caller.store(), &project).await?;
    let updated = match body.0.description {
        None => Some(found),
        given => caller.store().describe_project(found.id, given).await.map_err(store_failed)?,
    };
    let gone = || not_found("project", &project);
    Ok(web::Json(DataBody { data: updated.ok_or_else(gone)?.into() }))
}

/// Deletes a project with its traces and sessions. The project `default` cannot be deleted.
#[utoipa::path(
    delete, path = "/v1/projects/{project_identifier}", operation_id = "deleteProject", tag = "projects",
    params(("project_identifier" = String, Path, description = "GlobalId or name")),
    responses(
        (status = 204),
        (status = 403, description = "The default project", body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
    )
)]
async fn delete_project(
    caller: Caller<Administer>,
    project: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let found = find_project(caller.store(), &project).await?;
    if found.name == ProjectName::DEFAULT {
        return Err(ApiError::Forbidden("The default project cannot be deleted.".to_owned()));
    }
    caller.store().delete_project(found.id).await.map_err(store_failed)?;
    Ok(no_content())
}
