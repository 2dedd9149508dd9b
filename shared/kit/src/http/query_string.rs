//! Query parameters, read one by one; all that is wrong with them is answered at once.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::ops::RangeInclusive;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde_json::{Value, json};

use super::query_values as values;
use super::{ApiError, FieldError, parse_date_time};

/// The parameters of a request. Each reader returns the value, or none if it is absent or wrong; what was wrong comes
/// out of [`QueryString::finish`]. Of a scalar given twice the last one counts; unknown names are ignored.
///
/// ```
/// # use bennu_kit::http::{ApiError, QueryString};
/// # fn read(mut query: QueryString) -> Result<(), ApiError> {
/// let limit = query.limit(100, 1000);
/// let newest_first = query.choice("order", &[("asc", false), ("desc", true)]).unwrap_or(true);
/// let since = query.date_time("start_time");
/// query.finish()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct QueryString {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl FromRequest for QueryString {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::parse(request.query_string())))
    }
}

impl QueryString {
    /// Reads `name=value&…`, percent-encoded. Bytes that are not UTF-8 become U+FFFD.
    pub fn parse(raw: &str) -> Self {
        Self { pairs: form_urlencoded::parse(raw.as_bytes()).into_owned().collect(), errors: Vec::new() }
    }

    /// `limit`, from 1 to `max`; a larger one is an error.
    pub fn limit(&mut self, default: usize, max: usize) -> usize {
        self.limit_within(default, i64::try_from(max).unwrap_or(i64::MAX))
    }

    /// `limit` of a list without a documented maximum: a larger one than `cap` gives pages of `cap`.
    pub fn capped_limit(&mut self, default: usize, cap: usize) -> usize {
        self.limit_within(default, i64::MAX).min(cap)
    }

    fn limit_within(&mut self, default: usize, max: i64) -> usize {
        self.integer("limit", 1..=max).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default)
    }

    /// A whole number in a range.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let text = self.last(name)?;
        let (low, high) = (*range.start(), *range.end());
        let Some(number) = values::integer(&text) else {
            return self.wrong(FieldError::query(name, "int_parsing", "must be a whole number", &text));
        };
        if number < low {
            let above = low - 1;
            let error =
                FieldError::query(name, "greater_than", format!("must be greater than {above}"), &text);
            return self.wrong(error.with(json!({ "gt": above })));
        }
        if number > high {
            let error = FieldError::query(name, "less_than_equal", format!("must be at most {high}"), &text);
            return self.wrong(error.with(json!({ "le": high })));
        }
        Some(number)
    }

    /// One of these words, each with what it stands for.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.last(name)?;
        if let Some((_, meaning)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let expected = either(choices.iter().map(|(word, _)| *word));
        let error = FieldError::query(name, "literal_error", format!("must be {expected}"), &text);
        self.wrong(error.with(json!({ "expected": expected })))
    }

    /// `true`, `1`, `yes`, `on` … or their opposites, in any case.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        let text = self.last(name)?;
        values::boolean(&text)
            .or_else(|| self.wrong(FieldError::query(name, "bool_parsing", "must be true or false", &text)))
    }

    /// A number of at least `min`, which `inf` is and `NaN` is not.
    pub fn number(&mut self, name: &str, min: f64) -> Option<f64> {
        let text = self.last(name)?;
        let Some(number) = values::number(&text) else {
            return self.wrong(FieldError::query(name, "float_parsing", "must be a number", &text));
        };
        if number.is_nan() || number < min {
            let error =
                FieldError::query(name, "greater_than_equal", format!("must be at least {min}"), &text);
            return self.wrong(error.with(json!({ "ge": min })));
        }
        Some(number)
    }

    /// Microseconds since 1970, from any form that [`parse_date_time`] takes.
    pub fn date_time(&mut self, name: &str) -> Option<i64> {
        let text = self.last(name)?;
        match parse_date_time(&text) {
            Ok(micros) => Some(micros),
            Err(reason) => {
                let message = format!("must be a date-time: {reason}");
                let error = FieldError::query(name, "datetime_from_date_parsing", message, &text);
                self.wrong(error.with(json!({ "error": reason })))
            }
        }
    }

    /// Like [`Self::date_time`]; it is a mistake to leave it out.
    pub fn required_date_time(&mut self, name: &str) -> Option<i64> {
        if self.last(name).is_some() {
            return self.date_time(name);
        }
        let error = FieldError::query(name, "missing", "is required", "");
        self.wrong(FieldError { input: Value::Null, ..error })
    }

    /// `cursor`; an empty one is the first page.
    pub fn cursor(&mut self) -> Option<String> {
        self.last("cursor").filter(|cursor| !cursor.is_empty())
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        self.last(name)
    }

    /// A text that must have a character, if it is there at all.
    pub fn filled_text(&mut self, name: &str) -> Option<String> {
        let text = self.last(name)?;
        if text.is_empty() { self.wrong(too_short(name)) } else { Some(text) }
    }

    /// As [`Self::texts`], each of at least one character.
    pub fn filled_texts(&mut self, name: &str) -> Vec<String> {
        let texts = self.texts(name);
        if let Some(index) = texts.iter().position(String::is_empty) {
            let mut error = too_short(name);
            error.loc.push(index.into());
            self.wrong::<()>(error);
        }
        texts
    }

    /// All values of a repeatable parameter, in order.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// Answers 422 with everything the readers found wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Validation(self.errors)) }
    }

    fn last(&self, name: &str) -> Option<String> {
        self.pairs.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    fn wrong<T>(&mut self, error: FieldError) -> Option<T> {
        self.errors.push(error);
        None
    }
}

fn too_short(name: &str) -> FieldError {
    FieldError::query(name, "string_too_short", "must not be empty", "").with(json!({ "min_length": 1 }))
}

/// `'a', 'b' or 'c'`
pub(super) fn either<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(query: QueryString) -> Value {
        match query.finish() {
            Err(ApiError::Validation(errors)) => serde_json::to_value(errors).unwrap(),
            other => panic!("expected validation errors, got {other:?}"),
        }
    }

    #[test]
    fn values_of_every_type_are_read() {
        let mut query = QueryString::parse(
            "limit=50&order=asc&deep=on&ms=1.5&at=1970-01-01T00:00:01Z&name=a+b&name=%C3%BC&x=1",
        );
        assert_eq!(query.limit(100, 1000), 50);
        assert_eq!(query.choice("order", &[("asc", 'a'), ("desc", 'd')]), Some('a'));
        assert_eq!(query.boolean("deep"), Some(true));
        assert_eq!(query.number("ms", 0.0), Some(1.5));
        assert_eq!(query.date_time("at"), Some(1_000_000));
        assert_eq!(query.text("name"), Some("ü".to_owned()));
        assert_eq!(query.texts("name"), ["a b", "ü"]);
        query.finish().unwrap();
    }

    #[test]
    fn absent_parameters_are_no_error() {
        let mut query = QueryString::parse("");
        assert_eq!(query.limit(100, 1000), 100);
        assert_eq!((query.boolean("a"), query.date_time("b"), query.text("c")), (None, None, None));
        assert!(query.texts("d").is_empty());
        query.finish().unwrap();
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let mut query = QueryString::parse("limit=0&sort=foo&start_time=x&deep=maybe&ms=NaN&n=1e2");
        query.limit(100, 1000);
        query.choice("sort", &[("id", 0), ("start_time", 1)]);
        query.date_time("start_time");
        query.boolean("deep");
        query.number("ms", 0.0);
        query.integer("n", 0..=9);
        let errors = errors(query);
        let found: Vec<_> =
            errors.as_array().unwrap().iter().map(|e| (&e["type"], &e["loc"], &e["input"])).collect();
        assert_eq!(
            found,
            [
                (&json!("greater_than"), &json!(["query", "limit"]), &json!("0")),
                (&json!("literal_error"), &json!(["query", "sort"]), &json!("foo")),
                (&json!("datetime_from_date_parsing"), &json!(["query", "start_time"]), &json!("x")),
                (&json!("bool_parsing"), &json!(["query", "deep"]), &json!("maybe")),
                (&json!("greater_than_equal"), &json!(["query", "ms"]), &json!("NaN")),
                (&json!("int_parsing"), &json!(["query", "n"]), &json!("1e2")),
            ]
        );
        assert_eq!(errors[0]["ctx"], json!({"gt": 0}));
        assert_eq!(errors[1]["ctx"], json!({"expected": "'id' or 'start_time'"}));
    }

    #[test]
    fn the_last_of_a_repeated_scalar_counts() {
        let mut query = QueryString::parse("limit=abc&limit=5");
        assert_eq!(query.limit(100, 1000), 5);
        query.finish().unwrap();
        let mut query = QueryString::parse("limit=5&limit=99999999999999999999");
        assert_eq!(query.limit(100, 1000), 100);
        assert_eq!(errors(query)[0]["ctx"], json!({"le": 1000}));
    }

    #[test]
    fn a_list_without_maximum_is_capped_in_silence() {
        let mut query = QueryString::parse("limit=99999999999999999999");
        assert_eq!(query.capped_limit(100, 1000), 1000);
        query.finish().unwrap();
    }

    #[test]
    fn texts_that_must_be_filled_are() {
        let mut query = QueryString::parse("a=x&b=&c=x&c=");
        assert_eq!((query.filled_text("a"), query.filled_text("missing")), (Some("x".to_owned()), None));
        assert_eq!(query.filled_text("b"), None);
        query.filled_texts("c");
        let errors = errors(query);
        assert_eq!(
            (&errors[0]["type"], &errors[0]["loc"]),
            (&json!("string_too_short"), &json!(["query", "b"]))
        );
        assert_eq!(errors[1]["loc"], json!(["query", "c", 1]));
    }

    #[test]
    fn broken_encoding_is_read_as_far_as_possible() {
        let mut query = QueryString::parse("name=%ff&name=%zz&name=%00&limit&=&&");
        assert_eq!(query.texts("name"), ["\u{fffd}", "%zz", "\0"]);
        query.limit(100, 1000);
        assert_eq!(errors(query)[0]["type"], json!("int_parsing"));
    }
}
