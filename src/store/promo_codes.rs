//! Promo codes.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Record, Store, StoreError, deals};
use crate::domain::campaign::AttributionRule;
use crate::domain::id::{BrandId, CampaignId, InfluencerId, PostId, PromoCodeId};
use crate::domain::link::Season;
use crate::domain::promo_code::{CodeOwner, CodeStatus, Discount};
use crate::domain::text::{CodeText, Email};
use crate::domain::time::Instant;

/// A promo code, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PromoCode {
    /// Its id.
    pub id: PromoCodeId,
    /// Whose it is.
    pub brand_id: BrandId,
    /// Its campaign.
    pub campaign_id: CampaignId,
    /// Its influencer.
    pub influencer_id: InfluencerId,
    /// The post it is spoken in.
    pub post_id: Option<PostId>,
    /// What is typed at the checkout.
    pub code: CodeText,
    /// What the buyer saves.
    pub discount: Option<Discount>,
    /// First instant at which it no longer earns.
    pub expires_at: Option<Instant>,
    /// Whether it earns.
    pub status: CodeStatus,
    /// The code to use instead.
    pub replacement_code: Option<CodeText>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was archived.
    pub archived_at: Option<Instant>,
}

impl Record for PromoCode {
    const TABLE: &'static str = "promo_codes";
    const WHAT: &'static str = "promo code";
    const UNIQUE_FIELD: &'static str = "code";

    fn number(&self) -> i64 {
        self.id.number()
    }

    fn archived_at(&self) -> Option<Instant> {
        self.archived_at
    }

    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns::id(row, "id")?,
            brand_id: columns::id(row, "brand_id")?,
            campaign_id: columns::id(row, "campaign_id")?,
            influencer_id: columns::id(row, "influencer_id")?,
            post_id: columns::maybe_id(row, "post_id")?,
            code: columns::parsed(row, "code", CodeText::parse)?,
            discount: columns::json(row, "discount")?,
            expires_at: columns::maybe_instant(row, "expires_at_ms")?,
            status: columns::parsed(row, "status", |name| {
                CodeStatus::from_name(name).ok_or("unknown status")
            })?,
            replacement_code: columns::maybe_parsed(row, "replacement_code", CodeText::parse)?,
            created_at: columns::instant(row, "created_at_ms")?,
            archived_at: columns::maybe_instant(row, "archived_at_ms")?,
        })
    }

    #[allow(private_interfaces, reason = "only this room calls it")]
    fn values(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("id", self.id.into()),
            ("brand_id", self.brand_id.into()),
            ("campaign_id", self.campaign_id.into()),
            ("influencer_id", self.influencer_id.into()),
            ("post_id", self.post_id.into()),
            ("code", Value::text(&self.code)),
            ("code_folded", Value::Text(Some(self.code.folded()))),
            ("discount", Value::json(&self.discount)),
            ("expires_at_ms", self.expires_at.into()),
            ("status", Value::Text(Some(self.status.name().to_owned()))),
            ("replacement_code", Value::maybe_text(self.replacement_code.as_ref())),
            ("created_at_ms", self.created_at.into()),
            ("archived_at_ms", self.archived_at.into()),
        ]
    }
}

impl Store {
    /// Whose these codes are, by brand and code as given. Ordinary coupons are left out.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn code_owners(
        &self,
        codes: &[(BrandId, CodeText)],
    ) -> Result<HashMap<(BrandId, CodeText), CodeOwner>, StoreError> {
        let sql = "SELECT promo_codes.*, campaigns.attribution, campaigns.starts_at_ms AS season_starts_ms,
                campaigns.ends_at_ms AS season_ends_ms, campaigns.archived_at_ms AS season_archived_ms,
                deals.starts_at_ms AS deal_starts_ms, deals.ends_at_ms AS deal_ends_ms
            FROM promo_codes JOIN campaigns ON campaigns.id = promo_codes.campaign_id
            LEFT JOIN deals ON deals.campaign_id = promo_codes.campaign_id
                AND deals.influencer_id = promo_codes.influencer_id AND deals.archived_at_ms IS NULL
            WHERE promo_codes.brand_id = $1 AND promo_codes.code_folded = $2";
        let mut owners = HashMap::new();
        for (brand, text) in codes {
            let query = sqlx::query(sql).bind(brand.number()).bind(text.folded());
            let Some(row) = query.fetch_optional(&self.steps).await? else {
                continue;
            };
            let code = PromoCode::read(&row)?;
            let rule: AttributionRule = columns::json(&row, "attribution")?;
            let owner = CodeOwner {
                code: code.id,
                brand: *brand,
                campaign: code.campaign_id,
                influencer: code.influencer_id,
                post: code.post_id,
                // An archived code no longer earns, whatever its status was.
                status: if code.archived_at.is_some() {
                    CodeStatus::Retired
                } else {
                    code.status
                },
                expires_at: code.expires_at,
                season: Season {
                    starts_at: columns::maybe_instant(&row, "season_starts_ms")?,
                    ends_at: columns::maybe_instant(&row, "season_ends_ms")?,
                    archived: columns::maybe_int(&row, "season_archived_ms")?.is_some(),
                },
                deal: deals::term(&row)?,
                conflict: rule.conflict,
            };
            owners.insert((*brand, text.clone()), owner);
        }
        Ok(owners)
    }

    /// An influencer's address, where it is known.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn influencer_email(&self, id: InfluencerId) -> Result<Option<Email>, StoreError> {
        let row = sqlx::query("SELECT email FROM influencers WHERE id = $1")
            .bind(id.number())
            .fetch_optional(&self.steps)
            .await?;
        row.map_or(Ok(None), |row| columns::maybe_parsed(&row, "email", Email::parse))
    }
}
