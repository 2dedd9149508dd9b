//! `GET /v1/evaluations`

use std::collections::VecDeque;

use actix_web::{HttpRequest, HttpResponse, web};
use arrow_schema::ArrowError;
use bennu_domain::annotation::{AnnotatorKind, TargetKind};
use bennu_domain::ids::{AnnotationId, ProjectId};
use bennu_domain::project::ProjectName;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::{AnnotationList, StoreError};
use futures::stream::try_unfold;

use super::arrow_writer::FrameWriter;
use super::frame::EvaluationType;
use super::intake::ARROW;
use crate::caller::Caller;
use crate::responses::store_failed;

/// Evaluations a batch; bounds the memory of an answer, whatever its length.
const A_BATCH: usize = 1_000;

/// Gets the evaluations of a project that models made, as pandas data frames: one Arrow stream after the other.
#[utoipa::path(
    get, path = "/v1/evaluations", operation_id = "getEvaluations", tag = "annotations",
    params(("project_name" = Option<String>, Query, description = "`default` if not given")),
    responses(
        (status = 200, content_type = "application/x-pandas-arrow"),
        (status = 404, description = "The project has none; the answer has no body"),
    )
)]
pub async fn get_evaluations(
    caller: Caller,
    request: HttpRequest,
    mut query: QueryString,
) -> Result<HttpResponse, ApiError> {
    let in_header =
        request.headers().get("project-name").and_then(|name| name.to_str().ok()).map(str::to_owned);
    let named = query.text("project_name").or_else(|| query.text("project-name")).or(in_header);
    query.finish()?;
    let name = named.unwrap_or_else(|| ProjectName::DEFAULT.to_owned());
    let nothing = || Ok(HttpResponse::NotFound().finish());
    let Some(project) = caller.store().project_named(&name).await.map_err(store_failed)? else {
        return nothing();
    };
    let names =
        caller.store().annotation_names(project.id, AnnotatorKind::Llm).await.map_err(store_failed)?;
    let frames = in_order(names);
    if frames.is_empty() {
        return nothing();
    }
    let export = Export { caller, project: project.id, frames, current: None };
    let body = try_unfold(export, |mut export| async move {
        Ok::<_, ExportError>(export.next().await?.map(|bytes| (web::Bytes::from(bytes), export)))
    });
    Ok(HttpResponse::Ok().content_type(ARROW).streaming(Box::pin(body)))
}

/// Traces first, then spans, then documents.
fn in_order(names: Vec<(TargetKind, String)>) -> VecDeque<(TargetKind, String)> {
    let place = |kind: TargetKind| match kind {
        TargetKind::Trace => 0,
        TargetKind::Span => 1,
        TargetKind::Document | TargetKind::Session => 2,
    };
    let mut names: Vec<_> =
        names.into_iter().filter(|(kind, _)| EvaluationType::of(*kind).is_some()).collect();
    names.sort_by_key(|(kind, _)| place(*kind));
    names.into()
}

/// What is left to write.
struct Export {
    caller: Caller,
    project: ProjectId,
    frames: VecDeque<(TargetKind, String)>,
    current: Option<CurrentFrame>,
}

struct CurrentFrame {
    writer: FrameWriter,
    kind: TargetKind,
    name: String,
    from: Option<AnnotationId>,
}

#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl Export {
    /// The next piece of the answer.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, ExportError> {
        let mut frame = match self.current.take() {
            Some(frame) => frame,
            None => match self.frames.pop_front() {
                None => return Ok(None),
                Some((kind, name)) => {
                    let Some(evaluation) = EvaluationType::of(kind) else { return Ok(Some(Vec::new())) };
                    CurrentFrame { writer: FrameWriter::new(evaluation, &name)?, kind, name, from: None }
                }
            },
        };
        let list = AnnotationList {
            project: self.project,
            kind: frame.kind,
            targets: None,
            identifiers: None,
            include_names: Some(vec![frame.name.clone()]),
            exclude_names: Vec::new(),
            annotator: Some(AnnotatorKind::Llm),
            from: frame.from,
            limit: A_BATCH,
        };
        let page = self.caller.store().list_annotations(&list).await?;
        let (items, next) = page.map_or((Vec::new(), None), |page| (page.items, page.next));
        let mut bytes = frame.writer.write(&items)?;
        frame.from = next;
        if frame.from.is_some() {
            self.current = Some(frame);
        } else {
            bytes.extend(frame.writer.finish()?);
        }
        Ok(Some(bytes))
    }
}
