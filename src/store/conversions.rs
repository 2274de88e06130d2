//! Conversions on their way out: one with its credits, its touchpoints, and lists.

use std::collections::HashMap;
use std::str::FromStr as _;

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Store, StoreError, columns, deals};
use crate::domain::attribution::{TouchKind, Verdict};
use crate::domain::campaign::AttributionRule;
use crate::domain::conversion::{Event, NewConversion};
use crate::domain::conversion_state::ConversionState;
use crate::domain::event_id::ConversionId;
use crate::domain::id::{BrandId, CampaignId, InfluencerId, LinkId, PromoCodeId};
use crate::domain::link::LinkOwner;
use crate::domain::time::Instant;

/// A conversion as stored.
#[derive(Debug, Clone)]
pub struct StoredConversion {
    /// Its id.
    pub id: ConversionId,
    /// What it came to.
    pub state: ConversionState,
    /// Why nobody earned it.
    pub reason: Option<String>,
    /// When it counts.
    pub occurred_at: Instant,
    /// What the shop said.
    pub facts: NewConversion,
    /// What was refunded of its net amount, in minor units.
    pub refunded: i64,
    /// Who earned it.
    pub credits: Vec<StoredCredit>,
}

/// One credit.
#[derive(Debug, Clone)]
pub struct StoredCredit {
    /// The link that earned it.
    pub link_id: Option<LinkId>,
    /// The code that did.
    pub promo_code_id: Option<PromoCodeId>,
    /// Its campaign; a sale that a person credited may have none.
    pub campaign_id: Option<CampaignId>,
    /// Its influencer.
    pub influencer_id: InfluencerId,
    /// The share in basis points.
    pub share_bps: i64,
}

/// One touchpoint that was considered.
#[derive(Debug, Clone)]
pub struct StoredTouchpoint {
    /// Click or code.
    pub kind: TouchKind,
    /// As the shop gave it.
    pub given: String,
    /// When the touch was.
    pub at: Option<Instant>,
    /// The link, where it is this brand's.
    pub link_id: Option<LinkId>,
    /// The code, where it is an influencer's.
    pub promo_code_id: Option<PromoCodeId>,
    /// The window it was judged by.
    pub window_days: Option<i64>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it did not win.
    pub why: Option<String>,
}

/// Which conversions a list shows.
#[derive(Debug, Clone, Default)]
pub struct ConversionFilter {
    /// Only in this state.
    pub state: Option<ConversionState>,
    /// Only this event.
    pub event: Option<Event>,
    /// Only with this external id.
    pub external_id: Option<String>,
}

/// A conversion's row, and what was refunded of it.
const SELECT: &str = "SELECT conversions.*, (SELECT CAST(COALESCE(SUM(refunds.amount), 0) AS BIGINT) FROM refunds
    WHERE refunds.conversion_id = conversions.id AND refunds.state = 'applied') AS refunded FROM conversions";

fn read(row: &AnyRow) -> Result<StoredConversion, StoreError> {
    Ok(StoredConversion {
        id: columns::parsed(row, "id", |id| ConversionId::parse(id).ok_or("not an id"))?,
        state: columns::parsed(row, "state", ConversionState::from_str)?,
        reason: columns::maybe_text(row, "reason")?,
        occurred_at: columns::instant(row, "occurred_at_ms")?,
        facts: columns::json(row, "facts")?,
        refunded: columns::int(row, "refunded")?,
        credits: Vec::new(),
    })
}

impl Store {
    /// One conversion of a brand, with its credits.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the brand has no such conversion.
    pub async fn conversion(&self, brand: BrandId, id: &ConversionId) -> Result<StoredConversion, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE id = $1 AND brand_id = $2")))
            .bind(id.as_str())
            .bind(brand.number())
            .fetch_optional(&self.control)
            .await?;
        let Some(row) = row else {
            return Err(StoreError::NotFound { what: "conversion" });
        };
        let mut found = vec![read(&row)?];
        self.add_credits(&mut found).await?;
        Ok(found.remove(0))
    }

    /// A page of a brand's conversions, newest accepted first. `before` is where the last page ended.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn conversions(
        &self,
        brand: BrandId,
        filter: &ConversionFilter,
        before: Option<(i64, String)>,
        limit: u16,
    ) -> Result<(Vec<StoredConversion>, Option<(i64, String)>), StoreError> {
        let mut sql = format!("{SELECT} WHERE brand_id = $1");
        let mut texts = Vec::new();
        for (column, wanted) in [
            ("state", filter.state.map(|state| state.to_string())),
            ("event", filter.event.as_ref().map(ToString::to_string)),
            ("external_id", filter.external_id.clone()),
        ] {
            if let Some(wanted) = wanted {
                texts.push(wanted);
                sql.push_str(&format!(" AND {column} = ${}", texts.len() + 1));
            }
        }
        let next = texts.len() + 2;
        if before.is_some() {
            sql.push_str(&format!(
                " AND (accepted_at_ms < ${next} OR (accepted_at_ms = ${next} AND id < ${}))",
                next + 1
            ));
        }
        sql.push_str(&format!(
            " ORDER BY accepted_at_ms DESC, id DESC LIMIT {}",
            u32::from(limit) + 1
        ));
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(brand.number());
        for text in texts {
            query = query.bind(text);
        }
        if let Some((accepted_at_ms, id)) = before {
            query = query.bind(accepted_at_ms).bind(id);
        }
        let rows = query.fetch_all(&self.control).await?;
        let limit = usize::from(limit);
        let next = match rows.get(limit) {
            Some(_) => Some((
                rows[limit - 1].try_get("accepted_at_ms")?,
                rows[limit - 1].try_get("id")?,
            )),
            None => None,
        };
        let mut found: Vec<_> = rows.iter().take(limit).map(read).collect::<Result<_, _>>()?;
        self.add_credits(&mut found).await?;
        Ok((found, next))
    }

    async fn add_credits(&self, conversions: &mut [StoredConversion]) -> Result<(), StoreError> {
        for conversion in conversions {
            let rows = sqlx::query("SELECT * FROM credits WHERE conversion_id = $1 ORDER BY place")
                .bind(conversion.id.as_str())
                .fetch_all(&self.control)
                .await?;
            for row in &rows {
                conversion.credits.push(StoredCredit {
                    link_id: columns::maybe_id(row, "link_id")?,
                    promo_code_id: columns::maybe_id(row, "promo_code_id")?,
                    campaign_id: columns::maybe_id(row, "campaign_id")?,
                    influencer_id: columns::id(row, "influencer_id")?,
                    share_bps: columns::int(row, "share_bps")?,
                });
            }
        }
        Ok(())
    }

    /// Everything that was considered for a conversion, in the order given.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn touchpoints(&self, id: &ConversionId) -> Result<Vec<StoredTouchpoint>, StoreError> {
        let rows = sqlx::query("SELECT * FROM touchpoints WHERE conversion_id = $1 ORDER BY place")
            .bind(id.as_str())
            .fetch_all(&self.control)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(StoredTouchpoint {
                    kind: columns::parsed(row, "kind", |name| TouchKind::from_name(name).ok_or("unknown"))?,
                    given: columns::text(row, "given")?,
                    at: columns::maybe_instant(row, "at_ms")?,
                    link_id: columns::maybe_id(row, "link_id")?,
                    promo_code_id: columns::maybe_id(row, "promo_code_id")?,
                    window_days: columns::maybe_int(row, "window_days")?,
                    verdict: columns::parsed(row, "verdict", |name| Verdict::from_name(name).ok_or("unknown"))?,
                    why: columns::maybe_text(row, "why")?,
                })
            })
            .collect()
    }

    /// The owners of these links and the window that their campaign sets. Unknown links are left out.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn link_owners(&self, links: &[LinkId]) -> Result<HashMap<LinkId, LinkOwner>, StoreError> {
        let mut owners = HashMap::new();
        for link in links {
            let sql = "SELECT links.id, links.brand_id, links.campaign_id, links.influencer_id, links.post_id,
                    campaigns.attribution, deals.starts_at_ms AS deal_starts_ms, deals.ends_at_ms AS deal_ends_ms
                FROM links JOIN campaigns ON campaigns.id = links.campaign_id
                LEFT JOIN deals ON deals.campaign_id = links.campaign_id
                    AND deals.influencer_id = links.influencer_id AND deals.archived_at_ms IS NULL
                WHERE links.id = $1";
            let row = sqlx::query(sql).bind(link.number()).fetch_optional(&self.steps).await?;
            let Some(row) = row else { continue };
            let rule: AttributionRule = columns::json(&row, "attribution")?;
            let owner = LinkOwner {
                link: *link,
                brand: columns::id(&row, "brand_id")?,
                campaign: columns::id(&row, "campaign_id")?,
                influencer: columns::id(&row, "influencer_id")?,
                post: columns::maybe_id(&row, "post_id")?,
                window_days: rule.window_days,
                deal: deals::term(&row)?,
            };
            owners.insert(*link, owner);
        }
        Ok(owners)
    }
}
