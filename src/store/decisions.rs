//! What people decided about conversions: written together with what it changes, and never changed.

use std::str::FromStr as _;

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns;
use super::{Campaign, Influencer, Scope, Store, StoreError, Work, records};
use crate::domain::attribution::WHOLE_SHARE_BPS;
use crate::domain::conversion_state::ConversionState;
use crate::domain::decision::Decision;
use crate::domain::event_id::ConversionId;
use crate::domain::id::{BrandId, CampaignId, InfluencerId, KeyId};
use crate::domain::text::Note;
use crate::domain::time::Instant;

/// The reason of a conversion that a person rejected.
pub const REJECTED_BY_REVIEW: &str = "rejected_by_review";

/// A decision that is to be made.
#[derive(Debug, Clone)]
pub struct NewDecision {
    /// The brand whose conversion it is.
    pub brand: BrandId,
    /// About which conversion.
    pub conversion: ConversionId,
    /// What was decided.
    pub decision: Decision,
    /// Who gets the credit, and in which campaign; with [`Decision::Credit`] only.
    pub credit: Option<(InfluencerId, Option<CampaignId>)>,
    /// Why.
    pub note: Option<Note>,
    /// By whom.
    pub key: KeyId,
    /// When.
    pub at: Instant,
}

/// A decision that was made, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DecisionMade)]
pub struct StoredDecision {
    /// What.
    pub decision: Decision,
    /// Who got the credit.
    #[schema(required)]
    pub influencer_id: Option<InfluencerId>,
    /// Why.
    #[schema(required)]
    pub note: Option<String>,
    /// By whose key.
    pub key_id: KeyId,
    /// When.
    pub decided_at: Instant,
}

impl Store {
    /// Makes a decision, and does what it says in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the brand has no such conversion, [`StoreError::Conflict`] when it is in
    /// a state that leaves nothing to decide, [`StoreError::Invalid`] when the influencer cannot be credited.
    pub async fn decide(&self, new: NewDecision) -> Result<(), StoreError> {
        self.transact(move |conn| -> Work<'_, ()> {
            Box::pin(async move {
                let state = state(conn, new.brand, &new.conversion).await?;
                check(new.decision, state)?;
                carry_out(conn, &new).await?;
                note_down(conn, &new).await
            })
        })
        .await
    }

    /// Every decision about a conversion, the first one first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn decisions(&self, conversion: &ConversionId) -> Result<Vec<StoredDecision>, StoreError> {
        let sql = "SELECT * FROM decisions WHERE conversion_id = $1 ORDER BY place";
        let query = sqlx::query(sql).bind(conversion.as_str());
        query.fetch_all(&self.control).await?.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<StoredDecision, StoreError> {
    Ok(StoredDecision {
        decision: columns::parsed(row, "decision", |name| {
            Decision::from_name(name).ok_or("unknown decision")
        })?,
        influencer_id: columns::maybe_id(row, "influencer_id")?,
        note: columns::maybe_text(row, "note")?,
        key_id: columns::id(row, "key_id")?,
        decided_at: columns::instant(row, "decided_at_ms")?,
    })
}

async fn state(conn: &mut AnyConnection, brand: BrandId, id: &ConversionId) -> Result<ConversionState, StoreError> {
    let row = sqlx::query("SELECT state FROM conversions WHERE id = $1 AND brand_id = $2")
        .bind(id.as_str())
        .bind(brand.number())
        .fetch_optional(conn)
        .await?;
    let row = row.ok_or(StoreError::NotFound { what: "conversion" })?;
    columns::parsed(&row, "state", ConversionState::from_str)
}

fn check(decision: Decision, state: ConversionState) -> Result<(), StoreError> {
    use ConversionState::{Attributed, Held, Rejected, Unattributed};
    let refused = match (decision, state) {
        (Decision::Approve | Decision::Reject, Held) | (Decision::Credit, Held | Unattributed | Rejected) => {
            return Ok(());
        }
        (Decision::Approve | Decision::Reject, _) => "only a held conversion can be reviewed",
        (Decision::Credit, Attributed) => "somebody has the credit already",
        (Decision::Credit, _) => "only a held, rejected or unattributed conversion can be credited",
    };
    Err(StoreError::Conflict(format!("This conversion is {state}: {refused}.")))
}

async fn carry_out(conn: &mut AnyConnection, new: &NewDecision) -> Result<(), StoreError> {
    let (state, reason) = match new.decision {
        Decision::Approve | Decision::Credit => (ConversionState::Attributed, None),
        Decision::Reject => (ConversionState::Rejected, Some(REJECTED_BY_REVIEW)),
    };
    sqlx::query("UPDATE conversions SET state = $1, reason = $2 WHERE id = $3")
        .bind(state.name())
        .bind(reason)
        .bind(new.conversion.as_str())
        .execute(&mut *conn)
        .await?;
    if new.decision == Decision::Approve {
        return Ok(());
    }
    sqlx::query("DELETE FROM credits WHERE conversion_id = $1")
        .bind(new.conversion.as_str())
        .execute(&mut *conn)
        .await?;
    match new.credit {
        Some((influencer, campaign)) => credit(conn, new, influencer, campaign).await,
        None => Ok(()),
    }
}

/// Gives the whole credit. Where the order carried a click or a code of that influencer, the credit
/// carries it too: it is why the order is theirs, although the rules refused it.
async fn credit(
    conn: &mut AnyConnection,
    new: &NewDecision,
    influencer: InfluencerId,
    campaign: Option<CampaignId>,
) -> Result<(), StoreError> {
    let scope: Scope = Some(new.brand);
    records::standing::<Influencer>(records::find(conn, scope, influencer.number()).await, "influencer_id")?;
    if let Some(campaign) = campaign {
        records::standing::<Campaign>(records::find(conn, scope, campaign.number()).await, "campaign_id")?;
    }
    let touch = own_touch(conn, &new.conversion, influencer, campaign).await?;
    sqlx::query(
        "INSERT INTO credits (conversion_id, place, link_id, promo_code_id, campaign_id, influencer_id, post_id, share_bps)
         VALUES ($1, 0, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.conversion.as_str())
    .bind(touch.link)
    .bind(touch.code)
    .bind(touch.campaign)
    .bind(influencer.number())
    .bind(touch.post)
    .bind(WHOLE_SHARE_BPS)
    .execute(conn)
    .await?;
    Ok(())
}

/// What of an order was one influencer's, by numbers.
#[derive(Default)]
struct OwnTouch {
    link: Option<i64>,
    code: Option<i64>,
    campaign: Option<i64>,
    post: Option<i64>,
}

async fn own_touch(
    conn: &mut AnyConnection,
    conversion: &ConversionId,
    influencer: InfluencerId,
    campaign: Option<CampaignId>,
) -> Result<OwnTouch, StoreError> {
    let sql = "SELECT touchpoints.link_id, touchpoints.promo_code_id,
            COALESCE(links.campaign_id, promo_codes.campaign_id) AS campaign_id,
            COALESCE(links.post_id, promo_codes.post_id) AS post_id
        FROM touchpoints LEFT JOIN links ON links.id = touchpoints.link_id
            LEFT JOIN promo_codes ON promo_codes.id = touchpoints.promo_code_id
        WHERE touchpoints.conversion_id = $1 AND COALESCE(links.influencer_id, promo_codes.influencer_id) = $2
        ORDER BY touchpoints.at_ms NULLS FIRST, touchpoints.place";
    let rows = sqlx::query(sql)
        .bind(conversion.as_str())
        .bind(influencer.number())
        .fetch_all(conn)
        .await?;
    let mut of_campaign = Vec::with_capacity(rows.len());
    for row in &rows {
        of_campaign.push((columns::maybe_int(row, "campaign_id")?, row));
    }
    // The campaign that was named, else that of the last touch; and of its touches the last of each kind.
    let meant = campaign.map_or_else(|| of_campaign.last().and_then(|(id, _)| *id), |id| Some(id.number()));
    let mut own = OwnTouch {
        campaign: meant,
        ..OwnTouch::default()
    };
    for (_, row) in of_campaign.into_iter().filter(|(id, _)| *id == meant) {
        own.link = columns::maybe_int(row, "link_id")?.or(own.link);
        own.code = columns::maybe_int(row, "promo_code_id")?.or(own.code);
        own.post = columns::maybe_int(row, "post_id")?.or(own.post);
    }
    Ok(own)
}

async fn note_down(conn: &mut AnyConnection, new: &NewDecision) -> Result<(), StoreError> {
    let sql = "INSERT INTO decisions (conversion_id, place, decision, influencer_id, note, key_id, decided_at_ms)
        VALUES ($1, (SELECT COUNT(*) FROM decisions WHERE conversion_id = $1), $2, $3, $4, $5, $6)";
    sqlx::query(sql)
        .bind(new.conversion.as_str())
        .bind(new.decision.name())
        .bind(new.credit.map(|(influencer, _)| influencer.number()))
        .bind(new.note.as_ref().map(Note::as_str))
        .bind(new.key.number())
        .bind(new.at.ms())
        .execute(conn)
        .await?;
    Ok(())
}
