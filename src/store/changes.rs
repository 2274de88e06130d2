//! The change feed: what redirect and API nodes must know, in the order in which it was committed.

use std::borrow::Cow;

use serde::Deserialize;

use super::columns;
use super::{ApiKey, Brand, Campaign, Record, Store, StoreError};
use crate::domain::id::{BrandId, CampaignId, Id, IdKind, LinkId};
use crate::domain::time::Instant;

/// Links read at once: bounds the memory of a full load.
const LINKS_AT_ONCE: i64 = 20_000;

/// What a redirect needs of a link. Texts are not parsed again: they were when they were written.
#[derive(Debug, Clone)]
pub struct LinkChange {
    /// The link.
    pub id: LinkId,
    /// Its brand.
    pub brand: BrandId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// What is shared.
    pub slug: String,
    /// Where it leads.
    pub final_url: String,
    /// Whether the short link's query is forwarded.
    pub forward_query: bool,
    /// When it stops counting.
    pub expires_at: Option<Instant>,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether it was deleted.
    pub archived: bool,
    /// Its place among all that was ever made.
    pub created_seq: i64,
}

/// Everything that changed after one position of the feed up to another, links aside.
#[derive(Debug, Default)]
pub struct Changes {
    /// Brands, new or changed.
    pub brands: Vec<Brand>,
    /// Keys, new or revoked.
    pub keys: Vec<ApiKey>,
    /// Campaigns, new or changed.
    pub campaigns: Vec<Campaign>,
}

/// A link as the store packs it; see [`Store::changed_links`].
#[derive(Deserialize)]
struct Packed<'a>(
    i64,
    i64,
    i64,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    i64,
    Option<i64>,
    i64,
    Option<i64>,
    i64,
);

impl TryFrom<Packed<'_>> for LinkChange {
    type Error = StoreError;

    fn try_from(packed: Packed<'_>) -> Result<Self, StoreError> {
        fn known<K: IdKind>(number: i64, column: &'static str) -> Result<Id<K>, StoreError> {
            Id::from_number(number).ok_or_else(|| StoreError::Unreadable {
                column,
                message: "not an id".to_owned(),
            })
        }
        let Packed(
            id,
            brand,
            campaign,
            slug,
            final_url,
            forward_query,
            expires_at_ms,
            paused,
            archived_at_ms,
            created_seq,
        ) = packed;
        Ok(Self {
            id: known(id, "id")?,
            brand: known(brand, "brand_id")?,
            campaign: known(campaign, "campaign_id")?,
            slug: slug.into_owned(),
            final_url: final_url.into_owned(),
            forward_query: forward_query != 0,
            expires_at: expires_at_ms.map(Instant::from_ms),
            paused: paused != 0,
            archived: archived_at_ms.is_some(),
            created_seq,
        })
    }
}

impl Store {
    /// The feed's head: every change up to it is committed and readable.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn feed_head(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT seq FROM feed WHERE id = 1")
            .fetch_one(&self.control)
            .await?)
    }

    /// Brands, keys and campaigns that changed after one position, up to and including another.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn changes(&self, after: i64, up_to: i64) -> Result<Changes, StoreError> {
        Ok(Changes {
            brands: self
                .changed(
                    "SELECT * FROM brands WHERE feed_seq > $1 AND feed_seq <= $2",
                    after,
                    up_to,
                )
                .await?,
            keys: self
                .changed(
                    "SELECT * FROM api_keys WHERE feed_seq > $1 AND feed_seq <= $2",
                    after,
                    up_to,
                )
                .await?,
            campaigns: self
                .changed(
                    "SELECT * FROM campaigns WHERE feed_seq > $1 AND feed_seq <= $2",
                    after,
                    up_to,
                )
                .await?,
        })
    }

    async fn changed<R: Record>(&self, sql: &'static str, after: i64, up_to: i64) -> Result<Vec<R>, StoreError> {
        let rows = sqlx::query(sql)
            .bind(after)
            .bind(up_to)
            .fetch_all(&self.control)
            .await?;
        rows.iter().map(R::read).collect()
    }

    /// Links that changed after one position, up to and including another, handed over in pieces.
    ///
    /// A link that changes while this reads moves behind `up_to` and is met at the next call.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; what was handed over until then is good.
    pub async fn changed_links(
        &self,
        after: i64,
        up_to: i64,
        mut take: impl FnMut(Vec<LinkChange>) + Send,
    ) -> Result<(), StoreError> {
        // Packed by the engine: a value a row and column of its own costs the driver four times the
        // CPU, and a start with a million links shows it.
        let sql = "SELECT MAX(feed_seq) AS last_seq, json_group_array(json_array(id, brand_id, campaign_id, slug,
                final_url, forward_query, expires_at_ms, paused, archived_at_ms, created_seq)) AS packed
            FROM (SELECT * FROM links WHERE feed_seq > $1 AND feed_seq <= $2 ORDER BY feed_seq LIMIT $3)";
        let mut after = after;
        loop {
            let query = sqlx::query(sql).bind(after).bind(up_to).bind(LINKS_AT_ONCE);
            let row = query.fetch_one(&self.control).await?;
            let Some(last) = columns::maybe_int(&row, "last_seq")? else {
                return Ok(());
            };
            after = last;
            let packed = columns::text(&row, "packed")?;
            let unreadable = |error: serde_json::Error| StoreError::Unreadable {
                column: "packed",
                message: error.to_string(),
            };
            let links: Vec<Packed<'_>> = serde_json::from_str(&packed).map_err(unreadable)?;
            take(links.into_iter().map(LinkChange::try_from).collect::<Result<_, _>>()?);
        }
    }

    /// Links that there are, deleted ones among them: how much room a full load needs.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn count_links(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM links")
            .fetch_one(&self.control)
            .await?)
    }
}
