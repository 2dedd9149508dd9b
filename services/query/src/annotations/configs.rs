//! `/v1/annotation_configs`

use actix_web::web;
use bennu_access::Write;
use bennu_domain::annotation_config::{
    AnnotationConfig, CategoricalValue, ConfigError, ConfigKind, OptimizationDirection, TYPE_NAMES,
};
use bennu_domain::global_id;
use bennu_domain::ids::AnnotationConfigId;
use bennu_kit::http::{ApiError, JsonBody, LaxNumber, QueryString};
use bennu_store::{ConfigChange, ScopedStore, StoredAnnotationConfig};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::responses::{DataBody, LARGEST_PAGE, PageBody, store_failed};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list_configs, create_config, get_config, update_config, delete_config))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/v1/annotation_configs").get(list_configs).post(create_config)).service(
        web::resource("/v1/annotation_configs/{config_identifier}")
            .get(get_config)
            .put(update_config)
            .delete(delete_config),
    );
}

/// What annotators are asked for under a name; which fields there are depends on `type`.
#[derive(Serialize, ToSchema)]
#[schema(as = AnnotationConfig)]
pub struct ConfigBody {
    name: String,
    description: Option<String>,
    /// `type`, and what belongs to it
    #[serde(flatten)]
    #[schema(value_type = Object)]
    kind: ConfigKind,
    /// GlobalId
    id: String,
}

impl From<StoredAnnotationConfig> for ConfigBody {
    fn from(StoredAnnotationConfig { id, config }: StoredAnnotationConfig) -> Self {
        let id = global_id::write(config.kind.type_name(), id.0);
        Self { name: config.name, description: config.description, kind: config.kind, id }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ConfigType {
    Categorical,
    Continuous,
    Freeform,
}

/// A config as it is sent. `values` belong to `CATEGORICAL` ones, the bounds to the others, the threshold to `FREEFORM`;
/// the direction is required but for `FREEFORM`.
#[derive(Deserialize, ToSchema)]
struct ConfigData {
    name: String,
    #[schema(value_type = String)]
    r#type: ConfigType,
    description: Option<String>,
    #[schema(value_type = Option<String>)]
    optimization_direction: Option<OptimizationDirection>,
    #[schema(value_type = Option<Vec<Object>>)]
    values: Option<Vec<ValueData>>,
    #[schema(value_type = Option<f64>)]
    threshold: Option<LaxNumber>,
    #[schema(value_type = Option<f64>)]
    lower_bound: Option<LaxNumber>,
    #[schema(value_type = Option<f64>)]
    upper_bound: Option<LaxNumber>,
}

#[derive(Deserialize)]
struct ValueData {
    label: String,
    score: Option<LaxNumber>,
}

fn finite(number: Option<LaxNumber>) -> Option<f64> {
    number.map(|number| number.0).filter(|number| number.is_finite())
}

impl ConfigData {
    fn into_config(self) -> Result<AnnotationConfig, ApiError> {
        let required = |field: &'static str| {
            let loc = vec!["body".into(), field.into()];
            let error =
                bennu_kit::http::FieldError::body(loc, "missing", "is required", &serde_json::Value::Null);
            ApiError::Validation(vec![error])
        };
        let direction = self.optimization_direction;
        let (lower_bound, upper_bound) = (finite(self.lower_bound), finite(self.upper_bound));
        let kind = match self.r#type {
            ConfigType::Categorical => {
                let value =
                    |value: ValueData| CategoricalValue { label: value.label, score: finite(value.score) };
                ConfigKind::Categorical {
                    optimization_direction: direction.ok_or_else(|| required("optimization_direction"))?,
                    values: self.values.ok_or_else(|| required("values"))?.into_iter().map(value).collect(),
                }
            }
            ConfigType::Continuous => ConfigKind::Continuous {
                optimization_direction: direction.ok_or_else(|| required("optimization_direction"))?,
                lower_bound,
                upper_bound,
            },
            ConfigType::Freeform => ConfigKind::Freeform {
                optimization_direction: direction,
                threshold: finite(self.threshold),
                lower_bound,
                upper_bound,
            },
        };
        let config = AnnotationConfig { name: self.name, description: self.description, kind };
        match config.check() {
            Ok(()) => Ok(config),
            Err(error @ ConfigError::ReservedName) => Err(ApiError::Conflict(error.to_string())),
            Err(error) => Err(ApiError::BadRequest(error.to_string())),
        }
    }
}

/// The row of a config, by a GlobalId of any of its kinds.
pub fn config_id(text: &str) -> Option<AnnotationConfigId> {
    global_id::read(text, &TYPE_NAMES).map(AnnotationConfigId)
}

/// By GlobalId or name.
pub async fn find_config(
    store: ScopedStore<'_>,
    identifier: &str,
) -> Result<StoredAnnotationConfig, ApiError> {
    let found = match config_id(identifier) {
        Some(id) => store.annotation_config(id).await,
        None => store.annotation_config_named(identifier).await,
    };
    found.map_err(store_failed)?.ok_or_else(|| no_config(identifier))
}

pub fn no_config(identifier: &str) -> ApiError {
    crate::identifiers::not_found("annotation config", identifier)
}

/// One page of configs, of a project or of all.
pub async fn page(
    store: ScopedStore<'_>,
    project: Option<bennu_domain::ids::ProjectId>,
    (cursor, limit): (Option<String>, usize),
) -> Result<web::Json<PageBody<ConfigBody>>, ApiError> {
    // Other lists answer 422; the reference server answers 400 here.
    let invalid =
        |cursor: &str| ApiError::BadRequest(format!("cursor {cursor:?} does not belong to this list."));
    let from = cursor.map(|cursor| config_id(&cursor).ok_or_else(|| invalid(&cursor))).transpose()?;
    let page = store.list_annotation_configs(project, from, limit).await.map_err(store_failed)?;
    let kind_of_next = TYPE_NAMES[0]; // cursors are read whatever the kind
    let next_cursor = page.next.map(|next| global_id::write(kind_of_next, next.0));
    Ok(web::Json(PageBody { data: page.items.into_iter().map(ConfigBody::from).collect(), next_cursor }))
}

/// Lists annotation configs, newest first.
#[utoipa::path(
    get, path = "/v1/annotation_configs", operation_id = "listAnnotationConfigs", tag = "annotation_configs",
    params(
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 100 if not given"),
    ),
    responses(
        (status = 200, body = PageBody<ConfigBody>),
        (status = 400, description = "A cursor of another list", body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn list_configs(
    caller: Caller,
    mut query: QueryString,
) -> Result<web::Json<PageBody<ConfigBody>>, ApiError> {
    let which = (query.cursor(), query.capped_limit(100, LARGEST_PAGE));
    query.finish()?;
    page(caller.store(), None, which).await
}

/// Creates an annotation config.
#[utoipa::path(
    post, path = "/v1/annotation_configs", operation_id = "createAnnotationConfig", tag = "annotation_configs",
    request_body = ConfigData,
    responses(
        (status = 200, body = DataBody<ConfigBody>),
        (status = 400, description = "The config makes no sense", body = String, content_type = "text/plain"),
        (status = 409, description = "The name is taken", body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn create_config(
    caller: Caller<Write>,
    body: JsonBody<ConfigData>,
) -> Result<web::Json<DataBody<ConfigBody>>, ApiError> {
    let config = body.0.into_config()?;
    let change = caller.store().create_annotation_config(&config).await.map_err(store_failed)?;
    changed(change, &config, &config.name)
}

/// Gets an annotation config by GlobalId or name.
#[utoipa::path(
    get, path = "/v1/annotation_configs/{config_identifier}", operation_id = "getAnnotationConfig",
    tag = "annotation_configs",
    params(("config_identifier" = String, Path, description = "GlobalId or name")),
    responses((status = 200, body = DataBody<ConfigBody>), (status = 404, body = String, content_type = "text/plain"))
)]
async fn get_config(
    caller: Caller,
    identifier: web::Path<String>,
) -> Result<web::Json<DataBody<ConfigBody>>, ApiError> {
    Ok(web::Json(DataBody { data: find_config(caller.store(), &identifier).await?.into() }))
}

/// Replaces an annotation config.
#[utoipa::path(
    put, path = "/v1/annotation_configs/{config_identifier}", operation_id = "updateAnnotationConfig",
    tag = "annotation_configs",
    params(("config_identifier" = String, Path, description = "GlobalId")),
    request_body = ConfigData,
    responses(
        (status = 200, body = DataBody<ConfigBody>),
        (status = 400, description = "The config makes no sense", body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 409, description = "The name is taken", body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn update_config(
    caller: Caller<Write>,
    identifier: web::Path<String>,
    body: JsonBody<ConfigData>,
) -> Result<web::Json<DataBody<ConfigBody>>, ApiError> {
    let id = required_id(&identifier)?;
    let config = body.0.into_config()?;
    let change = caller.store().update_annotation_config(id, &config).await.map_err(store_failed)?;
    changed(change, &config, &identifier)
}

/// Deletes an annotation config; annotations of its name stay. Answers what it was.
#[utoipa::path(
    delete, path = "/v1/annotation_configs/{config_identifier}", operation_id = "deleteAnnotationConfig",
    tag = "annotation_configs",
    params(("config_identifier" = String, Path, description = "GlobalId")),
    responses(
        (status = 200, body = DataBody<ConfigBody>),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn delete_config(
    caller: Caller<Write>,
    identifier: web::Path<String>,
) -> Result<web::Json<DataBody<ConfigBody>>, ApiError> {
    let id = required_id(&identifier)?;
    let deleted = caller.store().delete_annotation_config(id).await.map_err(store_failed)?;
    Ok(web::Json(DataBody { data: deleted.ok_or_else(|| no_config(&identifier))?.into() }))
}

fn required_id(identifier: &str) -> Result<AnnotationConfigId, ApiError> {
    let rule =
        || ApiError::Unprocessable(format!("{identifier:?} is not the GlobalId of an annotation config."));
    config_id(identifier).ok_or_else(rule)
}

fn changed(
    change: ConfigChange,
    config: &AnnotationConfig,
    identifier: &str,
) -> Result<web::Json<DataBody<ConfigBody>>, ApiError> {
    match change {
        ConfigChange::Done(stored) => Ok(web::Json(DataBody { data: stored.into() })),
        ConfigChange::NameTaken => {
            Err(ApiError::Conflict(format!("There is an annotation config {:?} already.", config.name)))
        }
        ConfigChange::NoSuchConfig => Err(no_config(identifier)),
    }
}
