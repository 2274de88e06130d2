//! Reads user agents again after their data changed, and moves what was counted by them.
//!
//! # Operation
//! First every reading, then quarter by quarter the rollups and the clicks' classes, after each day its visitors, at the
//! end the version: in this order whatever is not done yet is still marked as stale, so that a run that was broken off
//! is run again and does the rest. What a step does, and how it lets others through, is told in `store::reclassify`.
//!
//! # What it never does
//! It changes no raw fact of a click, only what is read from it, and no credit: a conversion keeps what it was given.

use crate::agents::{self, AGENT_DATA_VERSION};
use crate::domain::time::Instant;
use crate::store::{Moved, Reading, Store, StoreError};

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Reclassified {
    /// User agents read again.
    pub reread: u64,
    /// Those whose clicks had to be looked at: they are read otherwise now, or a run before this one was broken off.
    pub changed: u64,
    /// Clicks that count otherwise now.
    pub moved: Moved,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many user agents are to be read.
    Agents(u64),
    /// So many of them were read.
    Reread(u64),
    /// So many quarters of an hour hold stale clicks.
    Quarters(u64),
    /// Another of them is done.
    Quarter,
    /// The visitors of a day are done.
    Day,
}

/// Reads every user agent of another version again; with `all`, every one, and makes anew whatever hangs on them.
/// May be broken off anywhere and repeated; must not run twice at the same time.
///
/// # Errors
/// [`StoreError`] when the store does not answer.
pub async fn reclassify(store: &Store, all: bool, mut told: impl FnMut(Progress)) -> Result<Reclassified, StoreError> {
    let mut done = Reclassified::default();
    told(Progress::Agents(store.outdated_agents(AGENT_DATA_VERSION, all).await?));
    let mut after = 0;
    loop {
        let agents = store.agents_to_reread(AGENT_DATA_VERSION, all, after).await?;
        let Some(last) = agents.last() else { break };
        after = last.id;
        let count = agents.len() as u64;
        let readings: Vec<Reading> = agents
            .into_iter()
            .map(|stored| {
                let agent = agents::read(&stored.text);
                Reading {
                    id: stored.id,
                    stale: all || stored.stale || stored.differs(&agent),
                    agent,
                }
            })
            .collect();
        done.reread += count;
        done.changed += readings.iter().filter(|reading| reading.stale).count() as u64;
        store.keep_readings(readings, AGENT_DATA_VERSION).await?;
        told(Progress::Reread(count));
    }
    let quarters = store.stale_quarters().await?;
    told(Progress::Quarters(quarters.len() as u64));
    let day = |quarter: &i64| Instant::from_ms(*quarter).utc_day();
    for quarters in quarters.chunk_by(|a, b| day(a) == day(b)) {
        for quarter in quarters {
            // Rollups first: then every click's new facet has its row, and a class moves within it.
            store.roll_up_again(*quarter).await?;
            let moved = store.classify_again(*quarter).await?;
            done.moved.to_people += moved.to_people;
            done.moved.to_programs += moved.to_programs;
            told(Progress::Quarter);
        }
        store.fold_day_again(day(&quarters[0])).await?;
        told(Progress::Day);
    }
    store.finish_agents(AGENT_DATA_VERSION).await?;
    Ok(done)
}
