//! Evaluations from a pandas data frame as an Arrow stream.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::{DataType, Schema};
use bennu_domain::annotation::{Annotation, Target, Verdict};

use super::frame::{EXPLANATION, EvaluationType, FrameMetadata, LABEL, METADATA_KEY, SCORE};
use super::intake::{InvalidEvaluation, annotation};

pub fn read(body: &[u8]) -> Result<Vec<Annotation>, InvalidEvaluation> {
    // The decoder takes what is there; a reader would first allocate whatever length the body claims.
    let (mut decoder, mut bytes) = (StreamDecoder::new(), Buffer::from(body));
    let mut annotations = Vec::new();
    while let Some(batch) = decoder.decode(&mut bytes).map_err(|_| InvalidEvaluation::Arrow)? {
        let metadata = metadata(&batch.schema())?;
        read_batch(&batch, &metadata, &mut annotations)?;
    }
    decoder.finish().map_err(|_| InvalidEvaluation::Arrow)?;
    match decoder.schema() {
        Some(schema) => metadata(&schema).map(|_| annotations),
        None => Err(InvalidEvaluation::Arrow),
    }
}

fn metadata(schema: &Schema) -> Result<FrameMetadata, InvalidEvaluation> {
    let text = schema.metadata().get(METADATA_KEY);
    let missing = InvalidEvaluation::Data("the schema metadata `arize` is missing or wrong");
    let metadata: FrameMetadata = text.and_then(|text| serde_json::from_str(text).ok()).ok_or(missing)?;
    if metadata.name.trim().is_empty() { Err(InvalidEvaluation::Name) } else { Ok(metadata) }
}

fn read_batch(
    batch: &RecordBatch,
    metadata: &FrameMetadata,
    annotations: &mut Vec<Annotation>,
) -> Result<(), InvalidEvaluation> {
    let column = |names: &[&str]| names.iter().find_map(|name| batch.column_by_name(name));
    let kind = metadata.kind;
    let ids = column(&kind.id_columns()).ok_or(InvalidEvaluation::Data("the ids are missing"))?;
    let positions = match kind.position_columns() {
        None => None,
        Some(names) => Some(column(&names).ok_or(InvalidEvaluation::Data("the positions are missing"))?),
    };
    let (scores, labels, explanations) = (column(&[SCORE]), column(&[LABEL]), column(&[EXPLANATION]));
    if scores.is_none() && labels.is_none() && explanations.is_none() {
        return Err(InvalidEvaluation::Data("one of score, label and explanation is required"));
    }
    annotations.reserve(batch.num_rows());
    for row in 0..batch.num_rows() {
        let id = text(ids, row)?.ok_or(InvalidEvaluation::Data("an id is missing"))?;
        let target = match (kind, positions) {
            (EvaluationType::TraceEvaluations, _) => Target::Trace(id),
            (EvaluationType::SpanEvaluations, _) | (_, None) => Target::Span(id),
            (EvaluationType::DocumentEvaluations, Some(positions)) => {
                Target::Document(id, position(positions, row)?)
            }
        };
        let optional =
            |column: Option<&arrow_array::ArrayRef>| column.map_or(Ok(None), |column| text(column, row));
        let verdict = Verdict {
            label: optional(labels)?,
            score: scores.map_or(Ok(None), |scores| number(scores, row))?,
            explanation: optional(explanations)?,
        };
        annotations.push(annotation(target, &metadata.name, verdict)?);
    }
    Ok(())
}

fn text(column: &dyn Array, row: usize) -> Result<Option<String>, InvalidEvaluation> {
    if column.is_null(row) {
        return Ok(None);
    }
    match column.data_type() {
        DataType::Null => Ok(None),
        DataType::Utf8 => Ok(Some(column.as_string::<i32>().value(row).to_owned())),
        DataType::LargeUtf8 => Ok(Some(column.as_string::<i64>().value(row).to_owned())),
        DataType::Utf8View => Ok(Some(column.as_string_view().value(row).to_owned())),
        // pandas' categories
        DataType::Dictionary(..) => {
            let categories = column.as_any_dictionary();
            let key = number(categories.keys(), row)?.unwrap_or(-1.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            // a key is a small whole number
            let key = key as usize;
            if key < categories.values().len() { text(categories.values(), key) } else { Ok(None) }
        }
        // pandas writes columns of missing values as numbers.
        DataType::Float64 if column.as_primitive::<Float64Type>().value(row).is_nan() => Ok(None),
        _ => Err(InvalidEvaluation::Data("ids, labels and explanations must be text")),
    }
}

#[allow(clippy::cast_precision_loss)] // scores are doubles
fn number(column: &dyn Array, row: usize) -> Result<Option<f64>, InvalidEvaluation> {
    if column.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match column.data_type() {
        DataType::Null => return Ok(None),
        DataType::Float16 => column.as_primitive::<Float16Type>().value(row).to_f64(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row) as f64,
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row) as f64,
        DataType::Boolean => f64::from(u8::from(column.as_boolean().value(row))),
        _ => return Err(InvalidEvaluation::Data("scores and positions must be numbers")),
    }))
}

fn position(column: &dyn Array, row: usize) -> Result<i64, InvalidEvaluation> {
    let position = number(column, row)?.filter(|position| position.fract() == 0.0);
    let wrong = InvalidEvaluation::Data("positions must be whole numbers");
    #[allow(clippy::cast_possible_truncation)] // saturates far outside of any document
    position.map(|position| position as i64).ok_or(wrong)
}
