//! A data frame: columns of equal length, the first ones its index.

use std::collections::HashMap;

use bennu_domain::time::Timestamp;
use serde_json::{Number, Value};

/// One value. Null JSON never stands here.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Time(Timestamp),
    Json(Value),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub cells: Vec<Cell>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    pub index: Vec<Column>,
    pub columns: Vec<Column>,
    pub rows: usize,
    places: HashMap<String, usize>,
}

/// What the cells of a column have in common, as pandas sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Integer,
    /// Also whole numbers, where some are missing.
    Number,
    Boolean,
    Text,
    Time,
    /// Anything else: nothing at all, lists, objects, values of several types.
    Object,
}

impl Frame {
    pub fn new(index: impl IntoIterator<Item = String>) -> Self {
        let index = index.into_iter().map(|name| Column { name, cells: Vec::new() }).collect();
        Self { index, ..Self::default() }
    }

    /// Begins a row with the values of the index.
    pub fn begin_row(&mut self, index: impl IntoIterator<Item = Cell>) {
        self.rows += 1;
        for (column, cell) in self.index.iter_mut().zip(index) {
            column.cells.push(cell);
        }
    }

    /// A value of the row last begun; a column that it is the first of comes into being. The first of two values counts.
    pub fn set(&mut self, name: &str, cell: Cell) {
        let place = self.place_of(name);
        let cells = &mut self.columns[place].cells;
        if cells.len() < self.rows {
            cells.resize(self.rows - 1, Cell::Null);
            cells.push(cell);
        }
    }

    /// A column, be it without a value.
    pub fn place_of(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        self.columns.push(Column { name: name.to_owned(), cells: Vec::new() });
        self.places.insert(name.to_owned(), self.columns.len() - 1);
        self.columns.len() - 1
    }

    /// Gives every column all rows.
    pub fn finish(&mut self) {
        for column in &mut self.columns {
            column.cells.resize(self.rows, Cell::Null);
        }
    }

    pub fn rename(&mut self, old: &str, new: &str) {
        for column in self.columns.iter_mut().filter(|column| column.name == old) {
            new.clone_into(&mut column.name);
        }
    }
}

impl Cell {
    fn type_of(&self) -> Option<ColumnType> {
        Some(match self {
            Self::Null => return None,
            Self::Time(_) => ColumnType::Time,
            Self::Json(Value::Bool(_)) => ColumnType::Boolean,
            Self::Json(Value::Number(number)) if is_integer(number) => ColumnType::Integer,
            Self::Json(Value::Number(_)) => ColumnType::Number,
            Self::Json(Value::String(_)) => ColumnType::Text,
            Self::Json(Value::Null | Value::Array(_) | Value::Object(_)) => ColumnType::Object,
        })
    }
}

fn is_integer(number: &Number) -> bool {
    number.is_i64()
}

impl Column {
    pub fn type_of(&self) -> ColumnType {
        let mut types = self.cells.iter().filter_map(Cell::type_of);
        let Some(first) = types.next() else { return ColumnType::Object };
        let common = types.try_fold(first, |common, next| match (common, next) {
            (common, next) if common == next => Some(common),
            (ColumnType::Integer | ColumnType::Number, ColumnType::Integer | ColumnType::Number) => {
                Some(ColumnType::Number)
            }
            _ => None,
        });
        let has_gaps = self.cells.contains(&Cell::Null);
        match common.unwrap_or(ColumnType::Object) {
            ColumnType::Integer if has_gaps => ColumnType::Number,
            ColumnType::Boolean if has_gaps => ColumnType::Object,
            common => common,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn type_of(values: Value) -> ColumnType {
        let Value::Array(values) = values else { panic!("a list") };
        let cells =
            values.into_iter().map(|value| if value.is_null() { Cell::Null } else { Cell::Json(value) });
        Column { name: "c".to_owned(), cells: cells.collect() }.type_of()
    }

    #[test]
    fn types_are_those_that_pandas_infers() {
        assert_eq!(type_of(json!([1, 2])), ColumnType::Integer);
        assert_eq!(type_of(json!([1, null])), ColumnType::Number);
        assert_eq!(type_of(json!([1, 2.5])), ColumnType::Number);
        assert_eq!(type_of(json!([true, false])), ColumnType::Boolean);
        assert_eq!(type_of(json!([true, null])), ColumnType::Object);
        assert_eq!(type_of(json!(["a", null])), ColumnType::Text);
        assert_eq!(type_of(json!(["a", 1])), ColumnType::Object);
        assert_eq!(type_of(json!([true, 1])), ColumnType::Object);
        assert_eq!(type_of(json!([[1], [2]])), ColumnType::Object);
        assert_eq!((type_of(json!([])), type_of(json!([null]))), (ColumnType::Object, ColumnType::Object));
    }

    #[test]
    fn columns_come_into_being_with_their_first_value() {
        let mut frame = Frame::new(["id".to_owned()]);
        let text = |text: &str| Cell::Json(json!(text));
        frame.begin_row([text("1")]);
        frame.set("a", text("x"));
        frame.begin_row([text("2")]);
        frame.set("b", text("y"));
        frame.set("b", text("ignored"));
        frame.finish();
        assert_eq!(frame.columns[0].cells, [text("x"), Cell::Null]);
        assert_eq!(frame.columns[1].cells, [Cell::Null, text("y")]);
    }
}
