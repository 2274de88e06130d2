//! What goes on in the background, each on its own beat.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;

use super::health::Health;
use crate::agents::AGENT_DATA_VERSION;
use crate::catalog::{Catalog, Salts, draw_salt};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::redirect::Redirector;
use crate::shutdown::Stopping;
use crate::store::{FeedHead, Store, StoreError};
use crate::stream::{CursorSource as _, Cursors, Keeper};

const TEND_JOURNALS_EVERY: Duration = Duration::from_secs(1);
/// Changes made by this process are in force at once; this is for those of others (`key create`, a
/// restored store).
const FOLLOW_FEED_EVERY: Duration = Duration::from_millis(500);
const FEEL_STORE_EVERY: Duration = Duration::from_millis(500);
const SALTS_EVERY: Duration = Duration::from_secs(600);
/// After a failure; until then this node may have to use a salt of its own.
const SALTS_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Reports add what is not folded yet, so this may be slow; every fold rewrites the sets it touches.
const FOLD_VISITORS_EVERY: Duration = Duration::from_secs(5);
const COUNT_AGENTS_EVERY: Duration = Duration::from_secs(60);
/// A snapshot of a million links takes about a second of one core.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
/// How soon it is written after a start, and after the salts have changed: a node that has none cannot start without the
/// store, and a salt that is over must not lie on a disk.
const SNAPSHOT_LOOK_EVERY: Duration = Duration::from_secs(1);
const FORGET_REJECTIONS_EVERY: Duration = Duration::from_secs(3600);
const FORGET_CLIENTS_EVERY: Duration = Duration::from_secs(60);

/// Waits for the next beat; `false` when the process is ending.
pub(super) async fn beat(every: Duration, stopping: &mut Stopping) -> bool {
    tokio::select! {
        () = tokio::time::sleep(every) => true,
        () = stopping.wait() => false,
    }
}

pub(super) async fn keep_journals(keeper: Keeper, store: Store, clock: Clock, mut stopping: Stopping) {
    let keeper = Arc::new(keeper);
    let mut cursors = Arc::new(Cursors::new());
    while beat(TEND_JOURNALS_EVERY, &mut stopping).await {
        let found = match keeper.journals() {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "the journals cannot be listed");
                continue;
            }
        };
        // Without cursors nothing may be deleted, but how far behind the store is must still be told.
        let read = store.cursors(found.iter().map(|entry| entry.id).collect()).await.ok();
        // A power cut may take back the last commits; what they covered must not be deleted already.
        let durable = !keeper.deletes_soon() || store.make_durable().await.is_ok();
        let may_delete = read.is_some() && durable;
        cursors = read.map(Arc::new).unwrap_or(cursors);
        let (keeper, cursors, now) = (Arc::clone(&keeper), Arc::clone(&cursors), clock.now());
        let round = tokio::task::spawn_blocking(move || keeper.tend(found, &cursors, may_delete, now)).await;
        if let Err(error) = round {
            tracing::error!(%error, "tending the journals ended badly");
        }
    }
}

/// Keeps knowing whether the store is there. Goes on until the very end: what drains must not wait for a store that is not.
pub(super) async fn feel_store(store: Store, metrics: Metrics) {
    // How a start comes along is told by whoever starts.
    let (mut was_up, mut said) = (false, false);
    loop {
        let felt = store.feel().await;
        metrics.store_up.set(felt.is_ok().into());
        match felt {
            Ok(()) => {
                if said {
                    tracing::info!("the store answers again");
                }
                (was_up, said) = (true, false);
            }
            // This process is ending.
            Err(StoreError::Engine(error)) if store.is_closed() => {
                tracing::debug!(%error, "the store is closed");
                return;
            }
            Err(error) if was_up && !said => {
                tracing::error!(%error, "the store does not answer");
                said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(FEEL_STORE_EVERY).await;
    }
}

/// Takes over what other nodes changed.
pub(super) async fn follow_feed(catalog: Arc<Catalog>, store: Store, health: Health, mut stopping: Stopping) {
    if !health.wait_until_whole(&mut stopping).await {
        return;
    }
    let mut follows = true;
    while beat(FOLLOW_FEED_EVERY, &mut stopping).await {
        match catalog.catch_up(&store).await {
            Ok(()) => follows = true,
            Err(error) if follows => {
                follows = false;
                tracing::warn!(%error, "the change feed cannot be read; links stay as they are");
            }
            Err(_) => {}
        }
    }
}

/// Reads the salts, making those that are missing. Without a store the last ones stay in force.
pub(super) async fn renew_salts(store: &Store, salts: &Salts, clock: &Clock) -> Result<(), StoreError> {
    let now = clock.now();
    salts.set(&store.salts(now, draw_salt).await?);
    Ok(())
}

pub(super) async fn keep_salts(
    store: Store,
    catalog: Arc<Catalog>,
    clock: Clock,
    health: Health,
    mut stopping: Stopping,
) {
    if !health.wait_until_whole(&mut stopping).await {
        return;
    }
    let mut pause = SALTS_EVERY;
    while beat(pause, &mut stopping).await {
        pause = match renew_salts(&store, catalog.salts(), &clock).await {
            Ok(()) => SALTS_EVERY,
            Err(error) => {
                tracing::warn!(%error, "visitor salts cannot be read; the last ones stay in force");
                SALTS_AGAIN_AFTER
            }
        };
    }
}

/// Folds clicks into each day's visitors, behind the worker. Of many processes one at a time does.
pub(super) async fn fold_visitors(store: Store, metrics: Metrics, health: Health, mut stopping: Stopping) {
    if !health.wait_until_whole(&mut stopping).await {
        return;
    }
    while beat(FOLD_VISITORS_EVERY, &mut stopping).await {
        if let Err(error) = fold_all_visitors(&store, &metrics, &stopping).await {
            metrics.visitors_fold_failures.inc();
            tracing::warn!(%error, "visitors were not folded; reports count them from the raw clicks");
        }
    }
}

async fn fold_all_visitors(store: &Store, metrics: &Metrics, stopping: &Stopping) -> Result<(), StoreError> {
    loop {
        // Told before they are folded: while folding fails, the figure grows.
        let waiting = store.unfolded_clicks().await?;
        metrics.visitors_unfolded_clicks.set(waiting);
        if waiting == 0 || stopping.is_set() {
            return Ok(());
        }
        if !store.fold_visitors().await? {
            // Somebody else is at it.
            return Ok(());
        }
    }
}

/// After an update some clicks count by the old data and some by the new, until somebody has them read again.
pub(super) async fn count_outdated_agents(store: Store, metrics: Metrics, health: Health, mut stopping: Stopping) {
    if !health.wait_until_whole(&mut stopping).await {
        return;
    }
    loop {
        match store.outdated_agents(AGENT_DATA_VERSION, false).await {
            Ok(count) => metrics
                .user_agents_outdated
                .set(i64::try_from(count).unwrap_or(i64::MAX)),
            Err(error) => tracing::warn!(%error, "outdated user agents could not be counted"),
        }
        if !beat(COUNT_AGENTS_EVERY, &mut stopping).await {
            return;
        }
    }
}

/// What the last snapshot was written of.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Written {
    position: Arc<FeedHead>,
    salt_days: Vec<i64>,
}

impl Written {
    pub(super) fn of(catalog: &Catalog) -> Self {
        Self {
            position: catalog.position(),
            salt_days: catalog.salts().days(),
        }
    }
}

/// Soon after the start and whenever salts changed, else once a minute if anything did. Destroys salts in time.
pub(super) async fn write_snapshots(
    catalog: Arc<Catalog>,
    path: PathBuf,
    clock: Clock,
    mut written: Option<Written>,
    mut stopping: Stopping,
) {
    let mut last = std::time::Instant::now();
    while beat(SNAPSHOT_LOOK_EVERY, &mut stopping).await {
        catalog.salts().begin_day(clock.now().utc_day());
        let current = Written::of(&catalog);
        let soon = written
            .as_ref()
            .is_none_or(|written| written.salt_days != current.salt_days);
        if written.as_ref() == Some(&current) || !(soon || last.elapsed() >= SNAPSHOT_EVERY) {
            continue;
        }
        last = std::time::Instant::now();
        let (catalog, path) = (Arc::clone(&catalog), path.clone());
        match tokio::task::spawn_blocking(move || catalog.write_snapshot(&path)).await {
            Ok(Ok(true)) => written = Some(current),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "no snapshot was written");
                // Not every second: the disk may be full.
                written = Some(written.unwrap_or(Written {
                    position: Arc::default(),
                    salt_days: current.salt_days,
                }));
            }
            Err(error) => tracing::error!(%error, "writing the snapshot ended badly"),
        }
    }
}

pub(super) async fn forget_quiet_clients(redirector: web::Data<Redirector>, mut stopping: Stopping) {
    while beat(FORGET_CLIENTS_EVERY, &mut stopping).await {
        redirector.forget_quiet_clients();
    }
}

/// Rejections are kept for a month. One more hour does no harm when the store does not answer.
pub(super) async fn forget_rejections(store: Store, clock: Clock, health: Health, mut stopping: Stopping) {
    if !health.wait_until_whole(&mut stopping).await {
        return;
    }
    loop {
        match store.forget_rejections(clock.now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "rejections older than 30 days were deleted"),
            Err(error) => tracing::warn!(%error, "old rejections could not be deleted"),
        }
        if !beat(FORGET_REJECTIONS_EVERY, &mut stopping).await {
            return;
        }
    }
}
