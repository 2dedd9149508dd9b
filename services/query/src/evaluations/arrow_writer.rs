//! Evaluations as pandas data frames: one Arrow stream for the evaluations of one name, written batch by batch.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use bennu_domain::annotation::Target;
use bennu_store::StoredAnnotation;
use serde_json::{Value, json};

use super::frame::{EXPLANATION, EvaluationType, FrameMetadata, LABEL, METADATA_KEY, SCORE};

/// A stream under way; what is written is taken in pieces.
pub struct FrameWriter {
    writer: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
    kind: EvaluationType,
}

impl FrameWriter {
    pub fn new(kind: EvaluationType, name: &str) -> Result<Self, ArrowError> {
        let schema = Arc::new(schema(kind, name));
        Ok(Self { writer: StreamWriter::try_new(Vec::new(), &schema)?, schema, kind })
    }

    /// Writes a batch; answers the bytes since the last one.
    pub fn write(&mut self, annotations: &[StoredAnnotation]) -> Result<Vec<u8>, ArrowError> {
        let annotation = || annotations.iter().map(|stored| &stored.annotation);
        let verdict = || annotation().map(|annotation| &annotation.verdict);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(verdict().map(|verdict| verdict.score).collect::<Float64Array>()),
            Arc::new(verdict().map(|verdict| verdict.label.as_deref()).collect::<StringArray>()),
            Arc::new(verdict().map(|verdict| verdict.explanation.as_deref()).collect::<StringArray>()),
            Arc::new(annotation().map(|annotation| Some(annotation.target.id())).collect::<StringArray>()),
        ];
        if self.kind.position_columns().is_some() {
            let position = |target: &Target| match target {
                Target::Document(_, position) => *position,
                Target::Span(_) | Target::Trace(_) | Target::Session(_) => 0,
            };
            let positions = annotation().map(|annotation| Some(position(&annotation.target)));
            columns.push(Arc::new(positions.collect::<Int64Array>()));
        }
        self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    /// Answers the end of the stream.
    pub fn finish(mut self) -> Result<Vec<u8>, ArrowError> {
        self.writer.finish()?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}

fn schema(kind: EvaluationType, name: &str) -> Schema {
    let id = kind.id_columns()[0];
    let mut fields = vec![
        Field::new(SCORE, DataType::Float64, true),
        Field::new(LABEL, DataType::Utf8, true),
        Field::new(EXPLANATION, DataType::Utf8, true),
        Field::new(id, DataType::Utf8, true),
    ];
    let mut index = vec![id];
    if let Some([position, _]) = kind.position_columns() {
        fields.push(Field::new(position, DataType::Int64, true));
        index.push(position);
    }
    let own = serde_json::to_string(&FrameMetadata::new(kind, name)).unwrap_or_default();
    let metadata = HashMap::from([
        (METADATA_KEY.to_owned(), own),
        ("pandas".to_owned(), pandas(&fields, &index).to_string()),
    ]);
    Schema::new(fields).with_metadata(metadata)
}

/// From this pandas knows which columns are the index.
fn pandas(fields: &[Field], index: &[&str]) -> Value {
    let column = |field: &Field| {
        let (pandas, numpy) = match field.data_type() {
            DataType::Float64 => ("float64", "float64"),
            DataType::Int64 => ("int64", "int64"),
            _ => ("unicode", "object"),
        };
        let name = field.name();
        json!({"name": name, "field_name": name, "pandas_type": pandas, "numpy_type": numpy, "metadata": null})
    };
    json!({
        "index_columns": index,
        "column_indexes": [{
            "name": null, "field_name": null, "pandas_type": "unicode", "numpy_type": "object",
            "metadata": {"encoding": "UTF-8"},
        }],
        "columns": fields.iter().map(column).collect::<Vec<_>>(),
        "creator": {"library": "bennu", "version": env!("CARGO_PKG_VERSION")},
        "pandas_version": "1.4.0",
    })
}
