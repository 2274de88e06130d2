//! Campaigns. Changing one remakes the final address of every link that follows it.

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Link, Record, Scope, Store, StoreError, Work, records, take_feed};
use crate::domain::campaign::AttributionRule;
use crate::domain::id::{BrandId, CampaignId};
use crate::domain::invalid::Invalid;
use crate::domain::text::Name;
use crate::domain::time::Instant;
use crate::domain::utm::UtmTemplate;

/// A campaign, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Whose it is.
    pub brand_id: BrandId,
    /// Its name.
    pub name: Name,
    /// Where its links lead unless they say otherwise; checked and serialised.
    pub destination_url: String,
    /// Where visitors of links that no longer count are sent.
    pub fallback_url: Option<String>,
    /// What its links' UTM parameters are made from.
    pub utm: UtmTemplate,
    /// First instant that counts.
    pub starts_at: Option<Instant>,
    /// First instant that no longer counts.
    pub ends_at: Option<Instant>,
    /// How conversions are attributed.
    pub attribution: AttributionRule,
    /// When it was made.
    pub created_at: Instant,
    /// When it was archived.
    pub archived_at: Option<Instant>,
}

impl Record for Campaign {
    const TABLE: &'static str = "campaigns";
    const WHAT: &'static str = "campaign";
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
            name: columns::parsed(row, "name", Name::parse)?,
            destination_url: columns::text(row, "destination_url")?,
            fallback_url: columns::maybe_text(row, "fallback_url")?,
            utm: columns::json(row, "utm")?,
            starts_at: columns::maybe_instant(row, "starts_at_ms")?,
            ends_at: columns::maybe_instant(row, "ends_at_ms")?,
            attribution: columns::json(row, "attribution")?,
            created_at: columns::instant(row, "created_at_ms")?,
            archived_at: columns::maybe_instant(row, "archived_at_ms")?,
        })
    }

    #[allow(private_interfaces, reason = "only this room calls it")]
    fn values(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("id", self.id.into()),
            ("brand_id", self.brand_id.into()),
            ("name", Value::text(&self.name)),
            ("destination_url", Value::text(&self.destination_url)),
            ("fallback_url", Value::maybe_text(self.fallback_url.as_ref())),
            ("utm", Value::json(&self.utm)),
            ("starts_at_ms", self.starts_at.into()),
            ("ends_at_ms", self.ends_at.into()),
            ("attribution", Value::json(&self.attribution)),
            ("created_at_ms", self.created_at.into()),
            ("archived_at_ms", self.archived_at.into()),
        ]
    }
}

impl Store {
    /// Changes a campaign and, in the same transaction, the final address of its links.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what `edit` found wrong.
    pub async fn update_campaign(
        &self,
        scope: Scope,
        id: CampaignId,
        edit: impl FnOnce(&mut Campaign) -> Result<(), Invalid> + Send + 'static,
    ) -> Result<Campaign, StoreError> {
        self.transact(move |conn| -> Work<'_, Campaign> {
            Box::pin(async move {
                let seq = take_feed(conn, 1).await?;
                let before: Campaign = records::find(conn, scope, id.number()).await?;
                records::refuse_archived(&before)?;
                let mut after = before.clone();
                edit(&mut after)?;
                records::save(conn, &after, seq).await?;
                let moved = after.destination_url != before.destination_url
                    || after.utm != before.utm
                    || after.name != before.name;
                if moved {
                    remake_links(conn, &after).await?;
                }
                Ok(after)
            })
        })
        .await
    }
}

/// The links' new addresses follow the campaign in the feed, so a node that has read half of them
/// sends visitors to one address or the other, and to nowhere else.
async fn remake_links(conn: &mut AnyConnection, campaign: &Campaign) -> Result<(), StoreError> {
    let sql = "SELECT links.*, influencers.handle AS handle, posts.label AS post_label
        FROM links JOIN influencers ON influencers.id = links.influencer_id
        LEFT JOIN posts ON posts.id = links.post_id
        WHERE links.campaign_id = $1 AND links.archived_at_ms IS NULL ORDER BY links.id";
    let rows = sqlx::query(sql)
        .bind(campaign.id.number())
        .fetch_all(&mut *conn)
        .await?;
    let mut changed = Vec::new();
    for row in &rows {
        let link = Link::read(row)?;
        let handle = columns::text(row, "handle")?;
        let label = columns::maybe_text(row, "post_label")?;
        let final_url = link.make_final_url(campaign, &handle, label.as_deref())?;
        if final_url != link.final_url {
            changed.push((link.id, final_url));
        }
    }
    let count = i64::try_from(changed.len()).expect("rows fit into memory");
    let mut seq = take_feed(conn, count).await?;
    for (id, final_url) in changed {
        sqlx::query("UPDATE links SET final_url = $1, feed_seq = $2 WHERE id = $3")
            .bind(final_url)
            .bind(seq)
            .bind(id.number())
            .execute(&mut *conn)
            .await?;
        seq += 1;
    }
    Ok(())
}
