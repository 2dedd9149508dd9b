//! `GET /v1/projects/{project}/annotation_summaries`

use actix_web::web;
use bennu_domain::annotation::TargetKind;
use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::{AnnotationSummary, SummaryQuery};
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::identifiers::find_project;
use crate::responses::{DataBody, store_failed};

/// Names of one request.
const MOST_NAMES: usize = 1_000;

/// What the annotations of one name come to.
#[derive(Serialize, ToSchema)]
#[schema(as = AnnotationSummary)]
pub struct SummaryBody {
    /// `span`, `trace`, `session` or `document`
    target: &'static str,
    name: String,
    count: i64,
    /// Of the annotations that have a score
    mean_score: Option<f64>,
    score_count: i64,
    /// Most frequent first
    labels: Vec<LabelBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LabelFraction)]
struct LabelBody {
    /// Cut at 256 bytes
    label: String,
    count: i64,
    /// Of the labels shown, from 0 to 1
    fraction: f64,
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
impl From<AnnotationSummary> for SummaryBody {
    fn from(summary: AnnotationSummary) -> Self {
        let labelled: i64 = summary.labels.iter().map(|label| label.count).sum();
        let label = |label: bennu_store::LabelCount| LabelBody {
            fraction: label.count as f64 / labelled as f64,
            label: label.label,
            count: label.count,
        };
        Self {
            target: summary.kind.as_str(),
            name: summary.name,
            count: summary.count,
            mean_score: (summary.score_count > 0).then(|| summary.score_sum / summary.score_count as f64),
            score_count: summary.score_count,
            labels: summary.labels.into_iter().map(label).collect(),
        }
    }
}

/// Sums up the annotations of a project by target and name.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/annotation_summaries", operation_id = "getAnnotationSummaries",
    tag = "annotations",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("target" = Option<String>, Query, description = "`span`, `trace`, `session` or `document`; all if not given"),
        ("name" = Option<Vec<String>>, Query, description = "Names, all if not given"),
        ("start_time" = Option<String>, Query, description = "Created at this time or later"),
        ("end_time" = Option<String>, Query, description = "Created before this time"),
    ),
    responses(
        (status = 200, body = DataBody<Vec<SummaryBody>>),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn summarize_annotations(
    caller: Caller,
    project: web::Path<String>,
    mut query: QueryString,
) -> Result<web::Json<DataBody<Vec<SummaryBody>>>, ApiError> {
    let kind = query.choice("target", &TargetKind::ALL.map(|kind| (kind.as_str(), kind)));
    let names = query.texts("name");
    let start = query.date_time("start_time").map(Timestamp);
    let end = query.date_time("end_time").map(Timestamp);
    query.finish()?;
    if names.len() > MOST_NAMES {
        let rule = format!("name: {} values are too many, at most {MOST_NAMES} are taken.", names.len());
        return Err(ApiError::Unprocessable(rule));
    }
    let project = find_project(caller.store(), &project).await?.id;
    let query = SummaryQuery { project, kind, names, start, end };
    let summaries = caller.store().summarize_annotations(&query).await.map_err(store_failed)?;
    Ok(web::Json(DataBody { data: summaries.into_iter().map(SummaryBody::from).collect() }))
}
