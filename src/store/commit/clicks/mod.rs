//! Clicks in bulk, and their rollups per quarter of an hour.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;

use super::batch::ClickRow;
use super::dictionary::{Dictionaries, Facet};
use super::{StoreError, Tx};
use crate::domain::link::LinkState;
use crate::domain::time::Instant;
use crate::store::visitors::queue;

/// A click with the small numbers that stand for what it repeats.
struct Numbered<'b> {
    click: &'b ClickRow,
    journal_num: i64,
    user_agent: i64,
    referrer: i64,
    language: i64,
}

/// Clicks of one link, quarter and facet, in that order.
pub(in crate::store) type RollupKey = (i64, i64, i64);

/// Clicks of one key: all, people's, and those of links that led nowhere.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Tally {
    pub(in crate::store) clicks: i64,
    pub(in crate::store) human: i64,
    pub(in crate::store) inactive: i64,
}

/// Writes the clicks of one batch. `shard` is the part of the rollups that only its worker writes.
pub(super) async fn write(
    tx: &mut Tx,
    clicks: &[ClickRow],
    (journal_nums, shard): (&[i64], i64),
    known: &mut Dictionaries,
    agent_version: i64,
) -> Result<(), StoreError> {
    if clicks.is_empty() {
        return Ok(());
    }
    let facets: Vec<Facet> = clicks.iter().map(Facet::of).collect();
    known.learn(tx, clicks, &facets, agent_version).await?;
    let numbered = clicks.iter().map(|click| {
        let [user_agent, referrer, language] = known.texts(click);
        let journal_num = journal_nums[click.part];
        Numbered {
            click,
            journal_num,
            user_agent,
            referrer,
            language,
        }
    });
    let numbered: Vec<_> = numbered.collect();
    let rollups = roll_up(clicks, facets.iter().map(|facet| known.facet(facet)));
    match tx {
        Tx::Sqlite(conn) => sqlite::insert(conn, &numbered).await?,
        Tx::Postgres(conn) => postgres::copy(conn, &numbered).await?,
    }
    add_rollups(tx, shard, &rollups).await?;
    let people = clicks.iter().filter(|click| click.human);
    queue(tx, people.map(|click| (click.at_ms, click.link_id, click.visitor))).await
}

/// Adds to the rollups. Each key once, and in order.
pub(in crate::store) async fn add_rollups(
    tx: &mut Tx,
    shard: i64,
    rollups: &[(RollupKey, Tally)],
) -> Result<(), StoreError> {
    match tx {
        Tx::Sqlite(conn) => sqlite::add_rollups(conn, shard, rollups).await,
        Tx::Postgres(conn) => postgres::add_rollups(conn, shard, rollups).await,
    }
}

/// One upsert must not hold the same key twice, so the batch is summed up first. Sorted, so that two workers never
/// wait for each other in a circle.
fn roll_up(clicks: &[ClickRow], facets: impl Iterator<Item = i64>) -> Vec<(RollupKey, Tally)> {
    let mut tallies: BTreeMap<RollupKey, Tally> = BTreeMap::new();
    for (click, facet) in clicks.iter().zip(facets) {
        let quarter = Instant::from_ms(click.at_ms).quarter().ms();
        let tally = tallies.entry((click.link_id, quarter, facet)).or_default();
        tally.clicks += 1;
        tally.human += i64::from(click.human);
        let active = LinkState::from_code(click.state).is_some_and(LinkState::reaches_destination);
        tally.inactive += i64::from(!active);
    }
    tallies.into_iter().collect()
}
