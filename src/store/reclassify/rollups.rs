//! A quarter's rollups, made anew from its clicks.
//!
//! # Operation
//! The clicks are recounted in a snapshot, without a lock, together with the rollups as they stood in it. The write
//! deletes what stands now, of every shard, and writes the recount with what commits have added since the snapshot:
//! what stands now, less what stood then. Commits only add, and none is under way during the write.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::TryStreamExt as _;
use sqlx::AnyConnection;

use super::{ROWS_AT_ONCE, stale_links};
use crate::domain::link::LinkState;
use crate::domain::time::QUARTER_MS;
use crate::store::commit::{FacetTexts, RollupKey, Tally, add_rollups, facet_id, facet_texts};
use crate::store::{Store, StoreError, Tx};

/// The shard that holds what is made anew.
pub(super) const SHARD: i64 = 0;

/// One link in one quarter.
#[derive(Debug, Default)]
struct OfLink {
    /// By facet, as its clicks say.
    recounted: BTreeMap<FacetTexts, Tally>,
    /// By the facet's number, as the rollups said at the same time.
    stood: BTreeMap<i64, Tally>,
}

type Links = BTreeMap<i64, OfLink>;
/// link, country, device, os, browser, referrer, state, clicks, people's.
type Counted = (i64, String, String, String, String, String, i64, i64, i64);
/// link, facet, clicks, people's, inactive.
type Stood = (i64, i64, i64, i64, i64);

const RECOUNT: &str = "SELECT clicks.link_id, clicks.country, user_agents.device, user_agents.os, user_agents.browser,
        referrers.host, clicks.state, COUNT(*), SUM(CASE WHEN clicks.class = 0 THEN 1 ELSE 0 END)
    FROM clicks JOIN user_agents ON user_agents.id = clicks.user_agent_id
        JOIN referrers ON referrers.id = clicks.referrer_id
    WHERE clicks.at_ms >= $1 AND clicks.at_ms < $2
    GROUP BY clicks.link_id, clicks.country, user_agents.device, user_agents.os, user_agents.browser,
        referrers.host, clicks.state";

fn add(tally: &mut Tally, more: Tally) {
    tally.clicks += more.clicks;
    tally.human += more.human;
    tally.inactive += more.inactive;
}

fn take_off(tally: &mut Tally, less: Tally) {
    tally.clicks -= less.clicks;
    tally.human -= less.human;
    tally.inactive -= less.inactive;
}

/// Both counts of these links.
async fn count(conn: &mut AnyConnection, quarter_ms: i64, links: BTreeSet<i64>) -> Result<Links, StoreError> {
    let mut links: Links = links.into_iter().map(|link| (link, OfLink::default())).collect();
    let query = sqlx::query_as(RECOUNT).bind(quarter_ms);
    let mut rows = query.bind(quarter_ms + QUARTER_MS).fetch(&mut *conn);
    while let Some(counted) = rows.try_next().await? {
        let (link, country, device, os, browser, referrer, state, clicks, human): Counted = counted;
        let Some(of_link) = links.get_mut(&link) else { continue };
        let facet = facet_texts([&country, &device, &os, &browser, &referrer]);
        let state = u8::try_from(state).ok().and_then(LinkState::from_code);
        let active = state.is_some_and(LinkState::reaches_destination);
        let inactive = if active { 0 } else { clicks };
        let tally = Tally {
            clicks,
            human,
            inactive,
        };
        add(of_link.recounted.entry(facet).or_default(), tally);
    }
    drop(rows);
    let sql = "SELECT link_id, facet_id, clicks, human, inactive FROM click_rollups WHERE quarter_ms = $1";
    let mut rows = sqlx::query_as(sql).bind(quarter_ms).fetch(conn);
    while let Some(stood) = rows.try_next().await? {
        let (link, facet, clicks, human, inactive): Stood = stood;
        if let Some(of_link) = links.get_mut(&link) {
            let tally = Tally {
                clicks,
                human,
                inactive,
            };
            add(of_link.stood.entry(facet).or_default(), tally);
        }
    }
    Ok(links)
}

/// Splits what is written per link into transactions of about so many rows.
fn batches(links: Links) -> Vec<Links> {
    let mut batches: Vec<Links> = Vec::new();
    let mut rows = ROWS_AT_ONCE;
    for (link, of_link) in links {
        if rows >= ROWS_AT_ONCE {
            batches.push(Links::new());
            rows = 0;
        }
        rows += of_link.recounted.len();
        if let Some(batch) = batches.last_mut() {
            batch.insert(link, of_link);
        }
    }
    batches
}

async fn write(tx: &mut Tx, quarter_ms: i64, links: Links) -> Result<(), StoreError> {
    tx.own_counts().await?;
    let mut facets: HashMap<FacetTexts, i64> = HashMap::new();
    let mut rollups: BTreeMap<RollupKey, Tally> = BTreeMap::new();
    for (link, of_link) in links {
        let sql = "DELETE FROM click_rollups WHERE link_id = $1 AND quarter_ms = $2
            RETURNING facet_id, clicks, human, inactive";
        let query = tx.query(sql).bind(link).bind(quarter_ms);
        for (facet, clicks, human, inactive) in query.all().await? {
            let tally = Tally {
                clicks,
                human,
                inactive,
            };
            add(rollups.entry((link, quarter_ms, facet)).or_default(), tally);
        }
        for (facet, tally) in of_link.stood {
            take_off(rollups.entry((link, quarter_ms, facet)).or_default(), tally);
        }
        for (texts, tally) in of_link.recounted {
            let facet = match facets.get(&texts) {
                Some(facet) => *facet,
                None => {
                    let facet = facet_id(tx, &texts).await?;
                    facets.insert(texts, facet);
                    facet
                }
            };
            add(rollups.entry((link, quarter_ms, facet)).or_default(), tally);
        }
    }
    rollups.retain(|_, tally| *tally != Tally::default());
    let rollups: Vec<_> = rollups.into_iter().collect();
    add_rollups(tx, SHARD, &rollups).await
}

impl Store {
    /// Rolls a quarter's stale links up anew, by what their clicks' agents say now.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn roll_up_again(&self, quarter_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.control.begin_with(self.engine.begin_snapshot()).await?;
        let links = stale_links(&mut tx, quarter_ms, quarter_ms + QUARTER_MS).await?;
        let links = count(&mut tx, quarter_ms, links).await?;
        tx.rollback().await?;
        for batch in batches(links) {
            self.write_politely(move |tx| Box::pin(write(tx, quarter_ms, batch)))
                .await?;
        }
        Ok(())
    }
}
