//! Deals: one influencer's own terms in one campaign. One row for both, also after it was archived.

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Campaign, Influencer, Record, Scope, Store, StoreError, Work, records, take_feed};
use crate::domain::deal::DealTerm;
use crate::domain::id::{BrandId, CampaignId, DealId, InfluencerId};
use crate::domain::time::Instant;

/// What a deal is called by.
pub type DealPlace = (CampaignId, InfluencerId);

/// A deal, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Deal {
    /// Its id.
    pub id: DealId,
    /// Whose it is.
    pub brand_id: BrandId,
    /// The campaign.
    pub campaign_id: CampaignId,
    /// The influencer.
    pub influencer_id: InfluencerId,
    /// First instant that counts.
    pub starts_at: Option<Instant>,
    /// First instant that no longer counts.
    pub ends_at: Option<Instant>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was archived.
    pub archived_at: Option<Instant>,
}

impl Record for Deal {
    const TABLE: &'static str = "deals";
    const WHAT: &'static str = "deal";
    const UNIQUE_FIELD: &'static str = "id";

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
            starts_at: columns::maybe_instant(row, "starts_at_ms")?,
            ends_at: columns::maybe_instant(row, "ends_at_ms")?,
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
            ("starts_at_ms", self.starts_at.into()),
            ("ends_at_ms", self.ends_at.into()),
            ("created_at_ms", self.created_at.into()),
            ("archived_at_ms", self.archived_at.into()),
        ]
    }
}

async fn find(conn: &mut AnyConnection, scope: Scope, place: DealPlace) -> Result<Option<Deal>, StoreError> {
    let sql = "SELECT * FROM deals WHERE campaign_id = $1 AND influencer_id = $2";
    let query = sqlx::query(sql).bind(place.0.number()).bind(place.1.number());
    let Some(row) = query.fetch_optional(conn).await? else {
        return Ok(None);
    };
    let deal = Deal::read(&row)?;
    Ok(Some(deal).filter(|deal| scope.is_none_or(|brand| brand == deal.brand_id)))
}

/// When the deal counts that a row of owners was joined with.
pub(super) fn term(row: &AnyRow) -> Result<DealTerm, StoreError> {
    Ok(DealTerm {
        starts_at: columns::maybe_instant(row, "deal_starts_ms")?,
        ends_at: columns::maybe_instant(row, "deal_ends_ms")?,
    })
}

impl Store {
    /// The deal of an influencer in a campaign, archived or not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the scope holds none.
    pub async fn deal(&self, scope: Scope, place: DealPlace) -> Result<Deal, StoreError> {
        let found = self
            .reach
            .within(async { find(&mut *self.control.acquire().await?, scope, place).await })
            .await?;
        found.ok_or(StoreError::NotFound { what: Deal::WHAT })
    }

    /// Makes a deal or puts it in the place of the one that there is, which keeps its id; whether it was made. An
    /// archived one stands again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the brand has no such campaign or influencer, [`StoreError::Invalid`] when either
    /// is archived.
    pub async fn put_deal(&self, wanted: Deal) -> Result<(Deal, bool), StoreError> {
        self.transact(move |conn| -> Work<'_, (Deal, bool)> {
            Box::pin(async move {
                let (scope, place) = (Some(wanted.brand_id), (wanted.campaign_id, wanted.influencer_id));
                let campaign: Campaign = records::find(conn, scope, place.0.number()).await?;
                records::refuse_archived(&campaign)?;
                let influencer: Influencer = records::find(conn, scope, place.1.number()).await?;
                records::refuse_archived(&influencer)?;
                let seq = take_feed(conn, 1).await?;
                let Some(standing) = find(conn, scope, place).await? else {
                    records::insert(conn, &wanted, seq).await?;
                    return Ok((wanted, true));
                };
                let deal = Deal {
                    id: standing.id,
                    created_at: standing.created_at,
                    ..wanted
                };
                records::save(conn, &deal, seq).await?;
                Ok((deal, false))
            })
        })
        .await
    }
}
