//! Brands: the tenants.

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Record, Store, StoreError, Work, records, take_feed};
use crate::domain::id::BrandId;
use crate::domain::money::Currency;
use crate::domain::text::{ClickParam, Name, TimeZoneName};
use crate::domain::tier::TierBounds;
use crate::domain::time::Instant;

/// A brand, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Brand {
    /// Its id.
    pub id: BrandId,
    /// Its name, unique without regard to case.
    pub name: Name,
    /// The currency of its reports and of money owed.
    pub currency: Currency,
    /// Governs tier months, cost dates and the default zone of reports.
    pub timezone: TimeZoneName,
    /// The query parameter that carries click ids; null: codes only.
    pub click_param: Option<ClickParam>,
    /// Where influencer tiers begin.
    pub tier_bounds: TierBounds,
    /// When it was made.
    pub created_at: Instant,
    /// When it was archived.
    pub archived_at: Option<Instant>,
}

impl Record for Brand {
    const TABLE: &'static str = "brands";
    const WHAT: &'static str = "brand";
    const SCOPE_COLUMN: &'static str = "id";
    const UNIQUE_FIELD: &'static str = "name";

    fn number(&self) -> i64 {
        self.id.number()
    }

    fn archived_at(&self) -> Option<Instant> {
        self.archived_at
    }

    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns::id(row, "id")?,
            name: columns::parsed(row, "name", Name::parse)?,
            currency: columns::parsed(row, "currency", Currency::parse)?,
            timezone: columns::parsed(row, "timezone", TimeZoneName::parse)?,
            click_param: columns::maybe_parsed(row, "click_param", ClickParam::parse)?,
            tier_bounds: columns::json(row, "tier_bounds")?,
            created_at: columns::instant(row, "created_at_ms")?,
            archived_at: columns::maybe_instant(row, "archived_at_ms")?,
        })
    }

    #[allow(private_interfaces, reason = "only this room calls it")]
    fn values(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("id", self.id.into()),
            ("name", Value::text(&self.name)),
            ("name_folded", Value::Text(Some(self.name.as_str().to_lowercase()))),
            ("currency", Value::text(&self.currency)),
            ("timezone", Value::text(&self.timezone)),
            ("click_param", Value::maybe_text(self.click_param.as_ref())),
            ("tier_bounds", Value::json(&self.tier_bounds)),
            ("created_at_ms", self.created_at.into()),
            ("archived_at_ms", self.archived_at.into()),
        ]
    }
}

async fn any_brand(conn: &mut AnyConnection) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT id FROM brands LIMIT 1")
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

impl Store {
    /// Makes brand `default` (USD) where there is no brand at all. Of nodes that start together one does it.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn ensure_default_brand(&self, now: Instant) -> Result<(), StoreError> {
        let known = async { any_brand(&mut *self.control.acquire().await?).await };
        if self.reach.within(known).await? {
            return Ok(());
        }
        let brand = Brand {
            id: BrandId::random(),
            name: Name::parse("default").expect("a plain word"),
            currency: Currency::parse("USD").expect("a currency"),
            timezone: TimeZoneName::utc(),
            click_param: Some(ClickParam::standard()),
            tier_bounds: TierBounds::default(),
            created_at: now,
            archived_at: None,
        };
        self.transact(move |conn| -> Work<'_, ()> {
            Box::pin(async move {
                let seq = take_feed(conn, 1).await?;
                if any_brand(conn).await? {
                    return Ok(());
                }
                records::insert(conn, &brand, seq).await
            })
        })
        .await
    }

    /// The brand with this id or name; names without regard to case.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn brand_named(&self, id_or_name: &str) -> Result<Brand, StoreError> {
        if let Ok(id) = id_or_name.parse::<BrandId>() {
            return self.get(None, id.number()).await;
        }
        let row = sqlx::query("SELECT * FROM brands WHERE name_folded = $1")
            .bind(id_or_name.to_lowercase())
            .fetch_optional(&self.control)
            .await?;
        row.map_or(Err(StoreError::NotFound { what: "brand" }), |row| Brand::read(&row))
    }
}
