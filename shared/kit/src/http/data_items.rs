//! Bodies that are a list of items, all of which must be right.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::json_body::{json_text, read_body};
use super::{ApiError, JsonList, has_json_type, strict_json};

/// Mistakes told of one list; a larger answer would help nobody.
const MOST_MISTAKES: usize = 100;

/// The items of the body `{"data": […]}`, each a `T`. Errors are those of [`super::JsonBody`], but the list tells what is wrong
/// with every one of its items, up to a hundred.
#[derive(Debug)]
pub struct DataItems<T>(pub Vec<T>);

impl<T: DeserializeOwned + 'static> FromRequest for DataItems<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = has_json_type(request);
        let body = read_body(request, payload);
        Box::pin(async move { read(&body.await?, is_json).map(Self) })
    }
}

/// What a body is that has no mistakes.
#[derive(Deserialize)]
struct GoodBody<T> {
    data: Vec<T>,
}

fn read<T: DeserializeOwned>(body: &[u8], is_json: bool) -> Result<Vec<T>, ApiError> {
    if let Some(GoodBody { data }) = strict_json::read(json_text(body, is_json)?) {
        return Ok(data);
    }
    let list = JsonList::parse(body, is_json)?;
    let (mut items, mut mistakes) = (Vec::with_capacity(list.len()), Vec::new());
    for item in list.items() {
        match item {
            Ok(item) => items.push(item),
            Err(ApiError::Validation(found)) => mistakes.extend(found),
            Err(error) => return Err(error),
        }
        if mistakes.len() >= MOST_MISTAKES {
            break;
        }
    }
    if mistakes.is_empty() { Ok(items) } else { Err(ApiError::Validation(mistakes)) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_item_tells_its_mistake() {
        let body = json!({"data": ["a", 1, "b", null]}).to_string();
        let Err(ApiError::Validation(errors)) = read::<String>(body.as_bytes(), true) else {
            panic!("taken")
        };
        let places: Vec<Value> =
            errors.iter().map(|error| serde_json::to_value(&error.loc).unwrap()).collect();
        assert_eq!(places, [json!(["body", "data", 1]), json!(["body", "data", 3])]);
        let many = json!({ "data": vec![1; 1_000] }).to_string();
        let Err(ApiError::Validation(errors)) = read::<String>(many.as_bytes(), true) else {
            panic!("taken")
        };
        assert_eq!(errors.len(), MOST_MISTAKES);
    }

    #[test]
    fn good_items_come_in_order() {
        assert_eq!(read::<u8>(br#"{"data": [3, 1, 2], "more": 1}"#, true).unwrap(), [3, 1, 2]);
        assert!(matches!(read::<u8>(b"[]", true), Err(ApiError::Validation(_))));
    }
}
