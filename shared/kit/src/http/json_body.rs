//! JSON bodies of modest size, with errors per field.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{ApiError, FieldError, json_reader};

/// 4 MiB: management requests are small, and parsing takes several times the size in memory.
const LARGEST_BODY: usize = 4 << 20;

/// The body as a `T`. Unknown fields are ignored. Errors: 413 if too large, 400 if not UTF-8, 422 with a list of
/// [`FieldError`] if it is not sent as JSON, is not JSON, or is not a `T`.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = has_json_type(request);
        let body = read_body(request, payload);
        Box::pin(async move { parse(&body.await?, is_json).map(Self) })
    }
}

/// The bytes of a body of modest size.
pub(super) fn read_body(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<web::Bytes, ApiError>> + use<> {
    let body = web::Payload::from_request(request, payload).into_inner();
    async move {
        let bytes = body.map_err(|_| unreadable())?.to_bytes_limited(LARGEST_BODY).await;
        bytes.map_err(|_| too_large())?.map_err(|_| unreadable())
    }
}

/// Whether the request says that its body is JSON.
pub fn has_json_type(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = media_type.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8], is_json: bool) -> Result<T, ApiError> {
    let text = json_text(bytes, is_json)?;
    let value = serde_json::from_str(text).map_err(|error| invalid(not_json(text, &error)))?;
    json_reader::read(&value)
}

/// The text of a body that is sent as JSON, or what is wrong with it.
pub(super) fn json_text(bytes: &[u8], is_json: bool) -> Result<&str, ApiError> {
    if bytes.is_empty() {
        return Err(invalid(FieldError::body(
            vec!["body".into()],
            "missing",
            "a body is required",
            &Value::Null,
        )));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| ApiError::BadRequest("the body is not UTF-8".to_owned()))?;
    if !is_json {
        let message = "must be JSON, sent with content-type application/json";
        let error =
            FieldError::body(vec!["body".into()], "model_attributes_type", message, &Value::from(text));
        return Err(invalid(error));
    }
    Ok(text)
}

/// The position is part of the location, in characters from the start, as clients of the reference know it.
pub(super) fn not_json(text: &str, error: &serde_json::Error) -> FieldError {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let offset = if error.is_eof() { text.len() } else { before + error.column().saturating_sub(1) };
    let position = text.char_indices().take_while(|(at, _)| *at < offset).count();
    // The parser appends the position, which the location tells already.
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    let loc = vec!["body".into(), position.into()];
    FieldError::body(loc, "json_invalid", "is not JSON", &json!({})).with(json!({ "error": reason }))
}

pub(super) fn invalid(error: FieldError) -> ApiError {
    ApiError::Validation(vec![error])
}

fn too_large() -> ApiError {
    ApiError::TooLarge(format!("the body is larger than {} MiB", LARGEST_BODY >> 20))
}

fn unreadable() -> ApiError {
    ApiError::BadRequest("the body could not be read to its end".to_owned())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Project {
        name: String,
        description: Option<String>,
    }

    fn project(body: &str) -> Result<Project, Value> {
        parse(body.as_bytes(), true).map_err(|error| match error {
            ApiError::Validation(errors) => serde_json::to_value(&errors[0]).unwrap(),
            other => panic!("expected validation errors, got {other:?}"),
        })
    }

    #[test]
    fn unknown_fields_are_ignored_and_options_may_be_absent() {
        let named = Project { name: "a".to_owned(), description: None };
        assert_eq!(project(r#"{"name":"a","colour":1}"#), Ok(named));
        let described = Project { name: "a".to_owned(), description: Some("b".to_owned()) };
        assert_eq!(project(r#"{"name":"a","description":"b"}"#), Ok(described));
    }

    #[test]
    fn text_that_is_not_json_is_located() {
        for (body, position) in
            [(r#"{"name":"#, 8), (r#"{"name":"a"} x"#, 13), ("{'name':1}", 1), ("{\"é\":\n é}", 7)]
        {
            let error = project(body).unwrap_err();
            assert_eq!(
                (&error["type"], &error["loc"]),
                (&json!("json_invalid"), &json!(["body", position])),
                "{body}"
            );
        }
    }

    #[test]
    fn what_other_parsers_let_pass_is_refused() {
        let deep = "[".repeat(100_000);
        for body in [r#"{"name":NaN}"#, r#"{"name":"a\ud800"}"#, deep.as_str()] {
            assert_eq!(project(body).unwrap_err()["type"], "json_invalid");
        }
        assert!(matches!(parse::<Project>(b"\"\xff\"", true), Err(ApiError::BadRequest(_))));
    }

    #[test]
    fn a_body_of_another_type_is_refused_even_if_it_is_json() {
        let Err(ApiError::Validation(errors)) = parse::<Project>(br#"{"name":"a"}"#, false) else {
            panic!("taken")
        };
        assert_eq!((errors[0].kind, &errors[0].input), ("model_attributes_type", &json!(r#"{"name":"a"}"#)));
        assert_eq!(project("").unwrap_err()["type"], "missing");
    }
}
