//! What tenants pay for models in place of list prices: kept in the database, and at hand where spans are priced.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bennu_domain::audit::AuditAction;
use bennu_domain::cost::{ModelPrices, NamePattern, Override, Price, PriceBook, TokenPrices};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, Select, Set,
};
use serde_json::{Map, Value, json};

use crate::audit::AuditEntry;
use crate::entities::model_price;
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Overrides a tenant may have. Each span of a model that none of them names is held against all patterns.
pub const MOST_OVERRIDES: usize = 500;

/// How long a process prices spans by what it read, in microseconds. A change made in the same process counts at once.
const FRESH_US: i64 = 5_000_000;

/// Tenants whose prices are at hand; of more, all are read again.
const MOST_BOOKS: usize = 1_024;

/// Price books that were read lately.
#[derive(Default)]
pub(crate) struct PriceBooks {
    read: Mutex<HashMap<i64, (i64, Arc<PriceBook>)>>,
}

impl PriceBooks {
    fn fresh(&self, tenant: i64, now: i64) -> Option<Arc<PriceBook>> {
        let books = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, book) = books.get(&tenant)?;
        (now - read_at < FRESH_US).then(|| Arc::clone(book))
    }

    fn keep(&self, tenant: i64, now: i64, book: &Arc<PriceBook>) {
        let mut books = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if books.len() >= MOST_BOOKS {
            books.clear();
        }
        books.insert(tenant, (now, Arc::clone(book)));
    }

    fn forget(&self, tenant: i64) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }
}

/// What became of a price that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutPrice {
    Stored,
    /// The tenant has [`MOST_OVERRIDES`] already.
    TooMany,
}

impl ScopedStore<'_> {
    /// The prices by which spans of this tenant are priced as they arrive; at most a few seconds old.
    pub async fn price_book(self) -> Result<Arc<PriceBook>, StoreError> {
        let now = self.store.now();
        if let Some(book) = self.store.price_books.fresh(self.tenant, now) {
            return Ok(book);
        }
        let book = Arc::new(PriceBook::new(self.price_overrides().await?));
        self.store.price_books.keep(self.tenant, now, &book);
        Ok(book)
    }

    fn prices(self) -> Select<model_price::Entity> {
        model_price::Entity::find().filter(model_price::Column::TenantId.eq(self.tenant))
    }

    /// All of the tenant's own prices, by name.
    pub async fn price_overrides(self) -> Result<Vec<Override>, StoreError> {
        let rows = self.prices().order_by_asc(model_price::Column::Name).all(&self.reads()).await?;
        Ok(rows.into_iter().map(read_override).collect())
    }

    /// Stores a price under its name, in place of the one that had it. It applies to spans that arrive from now on.
    pub async fn put_price(self, price: &Override) -> Result<PutPrice, StoreError> {
        let stored = self.price_overrides().await?;
        if stored.len() >= MOST_OVERRIDES && !stored.iter().any(|other| other.name == price.name) {
            return Ok(PutPrice::TooMany);
        }
        let row = model_price::ActiveModel {
            tenant_id: Set(self.tenant),
            id: NotSet,
            name: Set(price.name.clone()),
            pattern: Set(price.model.as_str().to_owned()),
            provider: Set(price.provider.clone()),
            prices: Set(write_prices(&price.prices)),
            updated_at: Set(self.store.now()),
        };
        let replace = OnConflict::columns([model_price::Column::TenantId, model_price::Column::Name])
            .update_columns([
                model_price::Column::Pattern,
                model_price::Column::Provider,
                model_price::Column::Prices,
                model_price::Column::UpdatedAt,
            ])
            .to_owned();
        let transaction = self.begin().await?;
        model_price::Entity::insert(row).on_conflict(replace).exec_without_returning(&transaction).await?;
        let entry = AuditEntry::new(AuditAction::SetPrice, price.name.as_str())
            .with("model", price.model.as_str())
            .with("provider", price.provider.as_deref())
            .with("usd_per_million_tokens", write_prices(&price.prices));
        self.record_in(&transaction, entry).await?;
        transaction.commit().await?;
        self.store.price_books.forget(self.tenant);
        Ok(PutPrice::Stored)
    }

    /// `false` if the tenant has no price of this name.
    pub async fn delete_price(self, name: &str) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        let deleted = model_price::Entity::delete_many()
            .filter(model_price::Column::TenantId.eq(self.tenant))
            .filter(model_price::Column::Name.eq(name))
            .exec(&transaction)
            .await?;
        if deleted.rows_affected > 0 {
            self.record_in(&transaction, AuditEntry::new(AuditAction::DeletePrice, name)).await?;
        }
        transaction.commit().await?;
        self.store.price_books.forget(self.tenant);
        Ok(deleted.rows_affected > 0)
    }
}

/// Prices as they stand in the column, under the names of their kinds, in US dollars per million tokens.
fn write_prices(prices: &ModelPrices) -> Value {
    let tokens = |prices: &TokenPrices| -> Value {
        let named = prices.named();
        let set = named.into_iter().filter_map(|(name, price)| Some((name, price?)));
        set.map(|(name, price)| (name.to_owned(), json!(price.dollars_per_million())))
            .collect::<Map<_, _>>()
            .into()
    };
    let above: Vec<Value> = prices
        .above
        .iter()
        .map(|(above, prices)| json!({ "prompt_tokens": above, "prices": tokens(prices) }))
        .collect();
    json!({ "base": tokens(&prices.base), "above": above })
}

fn read_override(row: model_price::Model) -> Override {
    let tokens = |prices: &Value| {
        TokenPrices::from_named(|name| prices.get(name).and_then(Value::as_f64).and_then(Price::per_million))
    };
    let above = row.prices["above"].as_array().map(Vec::as_slice).unwrap_or_default();
    let prices = ModelPrices {
        base: tokens(&row.prices["base"]),
        above: above
            .iter()
            .filter_map(|tier| Some((tier["prompt_tokens"].as_i64()?, tokens(&tier["prices"]))))
            .collect(),
    };
    Override { name: row.name, model: NamePattern::new(&row.pattern), provider: row.provider, prices }
}
