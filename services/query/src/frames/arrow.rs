//! Frames as Arrow IPC streams, with the metadata from which pandas restores index and types.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, LargeStringArray, NullArray, RecordBatch,
    TimestampMicrosecondArray,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema};
use serde_json::{Value, json};

use super::arrow_shape::Shape;
use super::frame::{Cell, Column, ColumnType, Frame};

/// Appends the frame as one stream.
pub fn write(frame: &Frame, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let index_names: Vec<String> =
        frame.index.iter().enumerate().map(|(level, column)| index_name(frame, level, column)).collect();
    let named = frame.columns.iter().map(|column| (column.name.as_str(), column));
    let named = named.chain(index_names.iter().map(String::as_str).zip(&frame.index));
    let (mut fields, mut arrays, mut described) = (Vec::new(), Vec::new(), Vec::new());
    for (field_name, column) in named {
        let array = array(column);
        described.push(description(column, field_name, &array));
        fields.push(Field::new(field_name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let pandas = json!({
        "index_columns": index_names,
        "column_indexes": [{
            "name": null, "field_name": null, "pandas_type": "unicode", "numpy_type": "object",
            "metadata": {"encoding": "UTF-8"},
        }],
        "columns": described,
        "creator": {"library": "bennu", "version": env!("CARGO_PKG_VERSION")},
        "pandas_version": "1.4.0",
    });
    let metadata = HashMap::from([("pandas".to_owned(), pandas.to_string())]);
    let schema = Arc::new(Schema::new(fields).with_metadata(metadata));
    let mut writer = StreamWriter::try_new(out, &schema)?;
    if frame.rows > 0 {
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), arrays)?)?;
    }
    writer.finish()
}

/// Arrow wants names once: an index that is a column too stands under a name that pandas knows.
fn index_name(frame: &Frame, level: usize, index: &Column) -> String {
    let taken = frame.columns.iter().any(|column| column.name == index.name);
    if taken { format!("__index_level_{level}__") } else { index.name.clone() }
}

fn description(column: &Column, field_name: &str, array: &ArrayRef) -> Value {
    let (pandas, numpy) = match column.type_of() {
        ColumnType::Integer => ("int64", "int64"),
        ColumnType::Number => ("float64", "float64"),
        ColumnType::Boolean => ("bool", "bool"),
        ColumnType::Text => ("unicode", "object"),
        ColumnType::Time => ("datetimetz", "datetime64[us]"),
        ColumnType::Object if array.data_type().is_null() => ("empty", "object"),
        ColumnType::Object => ("object", "object"),
    };
    let metadata = (column.type_of() == ColumnType::Time).then(|| json!({"timezone": "UTC"}));
    json!({
        "name": column.name, "field_name": field_name, "pandas_type": pandas, "numpy_type": numpy, "metadata": metadata,
    })
}

fn array(column: &Column) -> ArrayRef {
    let values = || column.cells.iter().map(json_of);
    match column.type_of() {
        ColumnType::Integer => {
            Arc::new(values().map(|value| value.and_then(Value::as_i64)).collect::<Int64Array>())
        }
        ColumnType::Number => {
            Arc::new(values().map(|value| value.and_then(Value::as_f64)).collect::<Float64Array>())
        }
        ColumnType::Boolean => {
            Arc::new(values().map(|value| value.and_then(Value::as_bool)).collect::<BooleanArray>())
        }
        ColumnType::Text => {
            Arc::new(values().map(|value| value.and_then(Value::as_str)).collect::<LargeStringArray>())
        }
        ColumnType::Time => {
            let times = column.cells.iter().map(|cell| match cell {
                Cell::Time(time) => Some(time.0),
                Cell::Null | Cell::Json(_) => None,
            });
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        ColumnType::Object => object_array(&values().collect::<Vec<_>>()),
    }
}

fn json_of(cell: &Cell) -> Option<&Value> {
    match cell {
        Cell::Json(value) => Some(value),
        Cell::Null | Cell::Time(_) => None,
    }
}

/// Lists and objects of one shape keep it; what has no common shape becomes JSON text.
fn object_array(values: &[Option<&Value>]) -> ArrayRef {
    let shape = values.iter().flatten().try_fold(Shape::Null, |shape, value| shape.merged(Shape::of(value)?));
    match shape {
        Some(Shape::Null) => Arc::new(NullArray::new(values.len())),
        Some(shape) => shape.array(values),
        None => Arc::new(values.iter().map(|value| value.map(text_of)).collect::<LargeStringArray>()),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use arrow_ipc::reader::StreamReader;
    use arrow_schema::DataType;

    use super::*;

    fn read(frame: &Frame) -> (Schema, Vec<RecordBatch>) {
        let mut written = Vec::new();
        write(frame, &mut written).unwrap();
        let reader = StreamReader::try_new(written.as_slice(), None).unwrap();
        let schema = reader.schema().as_ref().clone();
        (schema, reader.map(Result::unwrap).collect())
    }

    #[test]
    fn columns_keep_their_types_and_the_index_its_name() {
        let mut frame = Frame::new(["id".to_owned()]);
        for (id, value) in [("a", json!({"k": [1, null]})), ("b", json!({"l": "x"}))] {
            frame.begin_row([Cell::Json(json!(id))]);
            frame.set("id", Cell::Json(json!(id)));
            frame.set("n", Cell::Json(json!(1)));
            frame.set("o", Cell::Json(value));
            frame.set("m", Cell::Json(if id == "a" { json!(true) } else { json!([1]) }));
        }
        frame.finish();
        let (schema, batches) = read(&frame);
        let types: Vec<(&str, &DataType)> =
            schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        assert_eq!(types[0], ("id", &DataType::LargeUtf8));
        assert_eq!(types[1], ("n", &DataType::Int64));
        assert!(matches!(types[2], ("o", DataType::Struct(fields)) if fields.len() == 2));
        assert_eq!(types[3], ("m", &DataType::LargeUtf8), "a column without a common shape");
        assert_eq!(types[4], ("__index_level_0__", &DataType::LargeUtf8));
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].num_rows(), 2);
    }

    #[test]
    fn an_empty_frame_has_its_columns() {
        let mut frame = Frame::new(["id".to_owned()]);
        frame.place_of("name");
        frame.finish();
        let (schema, batches) = read(&frame);
        assert!(schema.fields().iter().all(|field| field.data_type().is_null()));
        assert_eq!((schema.fields().len(), batches.len()), (2, 0));
    }
}
