//! The change feed: what redirect and API nodes must know, in the order in which it was committed.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::columns::{self};
use super::{ApiKey, Brand, Campaign, Record, Store, StoreError};
use crate::domain::id::{BrandId, CampaignId, LinkId};
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

impl LinkChange {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns::id(row, "id")?,
            brand: columns::id(row, "brand_id")?,
            campaign: columns::id(row, "campaign_id")?,
            slug: columns::text(row, "slug")?,
            final_url: columns::text(row, "final_url")?,
            forward_query: columns::flag(row, "forward_query")?,
            expires_at: columns::maybe_instant(row, "expires_at_ms")?,
            paused: columns::flag(row, "paused")?,
            archived: columns::maybe_int(row, "archived_at_ms")?.is_some(),
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
        let sql = "SELECT id, brand_id, campaign_id, slug, final_url, forward_query, expires_at_ms, paused,
                archived_at_ms, feed_seq
            FROM links WHERE feed_seq > $1 AND feed_seq <= $2 ORDER BY feed_seq LIMIT $3";
        let mut after = after;
        loop {
            let query = sqlx::query(sql).bind(after).bind(up_to).bind(LINKS_AT_ONCE);
            let rows = query.fetch_all(&self.control).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.try_get("feed_seq")?;
            take(rows.iter().map(LinkChange::read).collect::<Result<_, _>>()?);
        }
    }
}
