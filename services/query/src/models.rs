//! `/v1/models`: what language models cost. A tenant's own prices come before the list prices.

use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bennu_access::Write;
use bennu_domain::cost::{
    ListPrice, ListPrices, ModelPrices, NamePattern, Override, Price, PriceBook, TokenPrices,
};
use bennu_kit::http::{ApiError, FieldError, JsonBody, Loc, QueryString};
use bennu_store::{MOST_OVERRIDES, PutPrice};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::identifiers::not_found;
use crate::responses::{DataBody, PageBody, invalid_cursor, no_content, store_failed};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list_models, get_model, put_model, delete_model))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/models").get(list_models))
        .service(web::resource("/v1/models/{model_name}").get(get_model).put(put_model).delete(delete_model));
}

/// Longest name and pattern: names are keys of an index.
const LONGEST_NAME: usize = 256;
/// Steps of price by length of the prompt; providers have one.
const MOST_TIERS: usize = 8;

#[derive(Serialize, ToSchema)]
#[schema(as = Model)]
struct ModelBody {
    /// Unique among the overrides, and among the list prices
    name: String,
    /// `override` for a price of the tenant's own, `list` for one that came with the server
    source: &'static str,
    /// Which models it is for; in overrides, `*` stands for any characters and `?` for one
    model: String,
    /// Which `llm.provider` it is for; null for all
    provider: Option<String>,
    usd_per_million_tokens: Map<String, Value>,
    /// Prices of requests with more prompt tokens than this; kinds left out cost as otherwise
    above_prompt_tokens: Vec<TierBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ModelPriceTier)]
struct TierBody {
    prompt_tokens: i64,
    usd_per_million_tokens: Map<String, Value>,
}

#[derive(Deserialize, ToSchema)]
struct PutModelRequestBody {
    /// Name of the model, in which `*` stands for any characters and `?` for one; the name in the path if not given
    model: Option<String>,
    /// Only for spans with this `llm.provider`, in any case
    provider: Option<String>,
    usd_per_million_tokens: PricesBody,
    #[serde(default)]
    above_prompt_tokens: Vec<NewTierBody>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewModelPriceTier)]
struct NewTierBody {
    #[schema(minimum = 1)]
    prompt_tokens: i64,
    usd_per_million_tokens: PricesBody,
}

/// US dollars per million tokens, from 0 to 1,000,000. Kinds that are left out cost what the tokens cost among which
/// they count: cache and audio as `prompt`, reasoning and audio as `completion`.
#[derive(Deserialize, ToSchema)]
#[schema(as = UsdPerMillionTokens)]
#[serde(deny_unknown_fields)]
struct PricesBody {
    prompt: Option<f64>,
    completion: Option<f64>,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
    prompt_audio: Option<f64>,
    completion_audio: Option<f64>,
    reasoning: Option<f64>,
}

impl From<&Override> for ModelBody {
    fn from(price: &Override) -> Self {
        Self {
            name: price.name.clone(),
            source: "override",
            model: price.model.as_str().to_owned(),
            provider: price.provider.clone(),
            usd_per_million_tokens: dollars(price.prices.base),
            above_prompt_tokens: tiers(&price.prices),
        }
    }
}

impl From<&ListPrice> for ModelBody {
    fn from(price: &ListPrice) -> Self {
        Self {
            name: price.model.clone(),
            source: "list",
            model: price.model.clone(),
            provider: Some(price.provider.clone()),
            usd_per_million_tokens: dollars(price.prices.base),
            above_prompt_tokens: tiers(&price.prices),
        }
    }
}

fn dollars(prices: TokenPrices) -> Map<String, Value> {
    let set = prices.named().into_iter().filter_map(|(kind, price)| Some((kind, price?)));
    set.map(|(kind, price)| (kind.to_owned(), json!(price.dollars_per_million()))).collect()
}

fn tiers(prices: &ModelPrices) -> Vec<TierBody> {
    let tier = |(prompt_tokens, prices): &(i64, TokenPrices)| TierBody {
        prompt_tokens: *prompt_tokens,
        usd_per_million_tokens: dollars(*prices),
    };
    prices.above.iter().map(tier).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Source {
    Override,
    List,
}

/// Lists prices: the tenant's own, then the list prices, each in the order of their names.
///
/// With `model`, the one price that spans of this model (and `provider`) have, if there is one.
#[utoipa::path(
    get, path = "/v1/models", operation_id = "listModels", tag = "models",
    params(
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 if not given"),
        ("source" = Option<String>, Query, description = "`override` or `list`"),
        ("name_contains" = Option<String>, Query, description = "Part of the name, in any case"),
        ("model" = Option<String>, Query, description = "An `llm.model_name`: the price that applies to it"),
        ("provider" = Option<String>, Query, description = "An `llm.provider`, beside `model`"),
    ),
    responses((status = 200, body = PageBody<ModelBody>), (status = 422, body = String, content_type = "text/plain"))
)]
async fn list_models(
    caller: Caller,
    mut query: QueryString,
) -> Result<web::Json<PageBody<ModelBody>>, ApiError> {
    let limit = query.limit(100, 1_000);
    let cursor = query.cursor();
    let source = query.choice("source", &[("override", Source::Override), ("list", Source::List)]);
    let part = query.text("name_contains").unwrap_or_default().to_lowercase();
    let (model, provider) = (query.text("model"), query.text("provider"));
    query.finish()?;
    let from = cursor.map(|cursor| read_cursor(&cursor)).transpose()?;
    let overrides = caller.store().price_overrides().await.map_err(store_failed)?;
    if let Some(model) = model {
        let data = applying(overrides, &model, provider.as_deref()).into_iter().collect();
        return Ok(web::Json(PageBody { data, next_cursor: None }));
    }
    let wanted = |which: Source| source.is_none_or(|source| source == which);
    let own = overrides.iter().filter(|_| wanted(Source::Override)).map(ModelBody::from);
    let list = ListPrices::built_in().entries().iter().filter(|_| wanted(Source::List)).map(ModelBody::from);
    let from = from.as_deref();
    let mut data: Vec<ModelBody> = own
        .chain(list)
        .skip_while(|model| from.is_some_and(|from| position(model).as_str() != from))
        .filter(|model| model.name.to_lowercase().contains(&part))
        .take(limit + 1)
        .collect();
    let next_cursor = data.get(limit).map(|next| URL_SAFE_NO_PAD.encode(position(next)));
    data.truncate(limit);
    Ok(web::Json(PageBody { data, next_cursor }))
}

/// Where a price stands in the list.
fn position(model: &ModelBody) -> String {
    format!("{}:{}", model.source, model.name)
}

fn read_cursor(cursor: &str) -> Result<String, ApiError> {
    let decoded = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.filter(|text| text.contains(':')).ok_or_else(|| invalid_cursor(cursor))
}

fn applying(overrides: Vec<Override>, model: &str, provider: Option<&str>) -> Option<ModelBody> {
    match PriceBook::new(overrides).overriding(model, provider) {
        Some(price) => Some(price.into()),
        None => ListPrices::built_in().find(model.trim(), provider).map(ModelBody::from),
    }
}

/// Gets a price by its name: the tenant's own, else the list price.
#[utoipa::path(
    get, path = "/v1/models/{model_name}", operation_id = "getModel", tag = "models",
    params(("model_name" = String, Path)),
    responses((status = 200, body = DataBody<ModelBody>), (status = 404, body = String, content_type = "text/plain"))
)]
async fn get_model(
    caller: Caller,
    name: web::Path<String>,
) -> Result<web::Json<DataBody<ModelBody>>, ApiError> {
    let overrides = caller.store().price_overrides().await.map_err(store_failed)?;
    let own = overrides.iter().find(|price| price.name == *name).map(ModelBody::from);
    let listed =
        || ListPrices::built_in().entries().iter().find(|price| price.model == *name).map(ModelBody::from);
    let data = own.or_else(listed).ok_or_else(|| not_found("model", &name))?;
    Ok(web::Json(DataBody { data }))
}

/// Sets a price of the tenant's own, in place of the one that had the name. It applies to spans that arrive afterwards; costs
/// that are stored stay. Other processes of the same deployment know it within five seconds.
#[utoipa::path(
    put, path = "/v1/models/{model_name}", operation_id = "putModel", tag = "models",
    params(("model_name" = String, Path, description = "Any name; the model that it is for, unless the body names one")),
    request_body = PutModelRequestBody,
    responses(
        (status = 200, body = DataBody<ModelBody>),
        (status = 409, description = "There are too many", body = String, content_type = "text/plain"),
        (status = 422, description = "A name or a price is not allowed"),
    )
)]
async fn put_model(
    caller: Caller<Write>,
    name: web::Path<String>,
    body: JsonBody<PutModelRequestBody>,
) -> Result<web::Json<DataBody<ModelBody>>, ApiError> {
    let price = read_override(name.into_inner(), body.0)?;
    match caller.store().put_price(&price).await.map_err(store_failed)? {
        PutPrice::Stored => Ok(web::Json(DataBody { data: ModelBody::from(&price) })),
        PutPrice::TooMany => {
            Err(ApiError::Conflict(format!("There are {MOST_OVERRIDES} prices already; delete one first.")))
        }
    }
}

/// Deletes a price of the tenant's own: from then on the list price applies.
#[utoipa::path(
    delete, path = "/v1/models/{model_name}", operation_id = "deleteModel", tag = "models",
    params(("model_name" = String, Path)),
    responses(
        (status = 204),
        (status = 404, description = "No price of the tenant's own has this name", body = String, content_type = "text/plain"),
    )
)]
async fn delete_model(caller: Caller<Write>, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let deleted = caller.store().delete_price(&name).await.map_err(store_failed)?;
    if deleted { Ok(no_content()) } else { Err(not_found("price of your own for model", &name)) }
}

fn read_override(name: String, body: PutModelRequestBody) -> Result<Override, ApiError> {
    check_text("model_name", &name)?;
    let model = body.model.unwrap_or_else(|| name.clone());
    check_text("model", &model)?;
    let provider = body.provider.map(|provider| provider.trim().to_owned()).filter(|text| !text.is_empty());
    if let Some(provider) = &provider {
        check_text("provider", provider)?;
    }
    let base = read_prices(&["usd_per_million_tokens".into()], &body.usd_per_million_tokens)?;
    if base.prompt.or(base.completion).is_none() {
        return Err(mistake(
            &["usd_per_million_tokens".into()],
            "must have a price for prompt or completion",
        ));
    }
    if body.above_prompt_tokens.len() > MOST_TIERS {
        return Err(mistake(
            &["above_prompt_tokens".into()],
            &format!("must have at most {MOST_TIERS} items"),
        ));
    }
    let mut above = Vec::with_capacity(body.above_prompt_tokens.len());
    for (index, tier) in body.above_prompt_tokens.iter().enumerate() {
        let place = |field: &str| vec![Loc::from("above_prompt_tokens"), index.into(), field.into()];
        if tier.prompt_tokens < 1 {
            return Err(mistake(&place("prompt_tokens"), "must be greater than 0"));
        }
        let prices = read_prices(&place("usd_per_million_tokens"), &tier.usd_per_million_tokens)?;
        above.push((tier.prompt_tokens, prices));
    }
    above.sort_unstable_by_key(|(tokens, _)| *tokens);
    Ok(Override { name, model: NamePattern::new(&model), provider, prices: ModelPrices { base, above } })
}

fn read_prices(place: &[Loc], body: &PricesBody) -> Result<TokenPrices, ApiError> {
    let mut wrong = None;
    let prices = TokenPrices::from_named(|kind| {
        let dollars = match kind {
            "prompt" => body.prompt,
            "completion" => body.completion,
            "cache_read" => body.cache_read,
            "cache_write" => body.cache_write,
            "prompt_audio" => body.prompt_audio,
            "completion_audio" => body.completion_audio,
            _ => body.reasoning,
        }?;
        let price = Price::per_million(dollars);
        if price.is_none() {
            wrong = Some(kind);
        }
        price
    });
    match wrong {
        None => Ok(prices),
        Some(kind) => Err(mistake(&[place, &[kind.into()]].concat(), "must be from 0 to 1000000")),
    }
}

fn check_text(field: &str, text: &str) -> Result<(), ApiError> {
    if text.trim().is_empty() || text.len() > LONGEST_NAME || text.contains('\0') {
        let rule = format!("must have 1 to {LONGEST_NAME} bytes, and no NUL");
        return Err(mistake(&[field.into()], &rule));
    }
    Ok(())
}

fn mistake(place: &[Loc], rule: &str) -> ApiError {
    let place = [&["body".into()], place].concat();
    ApiError::Validation(vec![FieldError::body(place, "value_error", rule, &Value::Null)])
}
