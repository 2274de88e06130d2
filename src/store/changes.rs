//! The change feed: what redirect and API nodes must know, in the order in which it was committed.

use sqlx::AssertSqlSafe;

use super::columns;
use super::{ApiKey, Brand, Campaign, Record, Store, StoreError};
use crate::domain::id::{BrandId, CampaignId, Id, LinkId};
use crate::domain::time::Instant;

/// Links read at once: bounds the memory of a full load.
const LINKS_AT_ONCE: i64 = 5_000;
/// Stands in a line for a link that never expires.
const NEVER: &str = "-";

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

/// How far the feed of a store is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedHead {
    /// Every change up to it is committed and readable.
    pub seq: i64,
    /// The store's token: with another one, this is a store that may have gone back and come to other changes since.
    pub store: String,
}

impl LinkChange {
    /// Reads a line as [`Store::changed_links`] asks for it. None of its fields can hold a blank or a line end.
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let mut text = || fields.next();
        let number = |text: &str| text.parse::<i64>().ok();
        let flag = |text: &str| number(text).map(|n| n != 0);
        Some(Self {
            id: Id::from_number(number(text()?)?)?,
            brand: Id::from_number(number(text()?)?)?,
            campaign: Id::from_number(number(text()?)?)?,
            forward_query: flag(text()?)?,
            paused: flag(text()?)?,
            archived: flag(text()?)?,
            expires_at: match text()? {
                NEVER => None,
                ms => Some(Instant::from_ms(number(ms)?)),
            },
            created_seq: number(text()?)?,
            slug: text()?.to_owned(),
            final_url: text()?.to_owned(),
        })
    }
}

impl Store {
    /// The feed's head, and whose it is, in one answer.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn feed_head(&self) -> Result<FeedHead, StoreError> {
        let sql = format!("SELECT seq, {} FROM feed WHERE id = 1", self.engine.token());
        let (seq, store) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&self.steps).await?;
        Ok(FeedHead { seq, store })
    }

    /// Brands, keys and campaigns that changed after one position. What changes meanwhile may be among
    /// them, and is met again at the next call.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn changes(&self, after: i64) -> Result<Changes, StoreError> {
        Ok(Changes {
            brands: self.changed(after).await?,
            keys: self.changed(after).await?,
            campaigns: self.changed(after).await?,
        })
    }

    async fn changed<R: Record>(&self, after: i64) -> Result<Vec<R>, StoreError> {
        let sql = format!("SELECT * FROM {} WHERE feed_seq > $1", R::TABLE);
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(after)
            .fetch_all(&self.steps)
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
        // One row for all: handing a million rows of ten values from the engine's thread to this one
        // takes several times as long as reading them, and leaves the memory in shreds.
        let sql = "SELECT string_agg(line, $1) AS lines, CAST(MAX(feed_seq) AS BIGINT) AS last FROM (
                SELECT feed_seq, CAST(id AS TEXT) || ' ' || CAST(brand_id AS TEXT) || ' ' || CAST(campaign_id AS TEXT)
                    || ' ' || CAST(forward_query AS TEXT) || ' ' || CAST(paused AS TEXT)
                    || CASE WHEN archived_at_ms IS NULL THEN ' 0 ' ELSE ' 1 ' END
                    || COALESCE(CAST(expires_at_ms AS TEXT), $2) || ' ' || CAST(created_seq AS TEXT) || ' ' || slug || ' ' || final_url AS line
                FROM links WHERE feed_seq > $3 AND feed_seq <= $4 ORDER BY feed_seq LIMIT $5
            ) AS piece";
        let unreadable = |line: &str| StoreError::Unreadable {
            column: "links",
            message: format!("`{line}` is not a link"),
        };
        let mut after = after;
        loop {
            let query = sqlx::query(sql).bind("\n").bind(NEVER).bind(after).bind(up_to);
            let row = query.bind(LINKS_AT_ONCE).fetch_one(&self.steps).await?;
            let Some(lines) = columns::maybe_text(&row, "lines")? else {
                return Ok(());
            };
            after = columns::int(&row, "last")?;
            let links = lines
                .split('\n')
                .map(|line| LinkChange::read(line).ok_or_else(|| unreadable(line)));
            take(links.collect::<Result<_, _>>()?);
        }
    }

    /// Links that there are, deleted ones among them: how much room a full load needs.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn count_links(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM links")
            .fetch_one(&self.steps)
            .await?)
    }
}
