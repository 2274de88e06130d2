//! From a store that may not be there to a process that knows all it must.
//!
//! With a snapshot a node serves without the store, and becomes whole by itself when the store comes. Without one it has
//! no links, so it waits: whoever starts many nodes starts them in any order. A file of this machine is not waited for.
//! What only a person can mend ends the start.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::files::DataDir;
use super::health::Health;
use super::{StartError, tasks};
use crate::api::{NewKey, draw_key};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::role::Role;
use crate::domain::text::Name;
use crate::shutdown::Stopping;
use crate::store::{ApiKey, Location, Store, StoreError};

/// How long a node that has a snapshot waits for the store before it serves without.
const PATIENCE: Duration = Duration::from_secs(3);
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// While the store does not come, the log says so this often.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// The name under which the key of the settings is listed.
const CONFIGURED_KEY: &str = "LINKLEDGER_OPERATOR_KEY";
const FIRST_KEY: &str = "first operator key";

/// Where the store of these settings lies.
#[must_use]
pub fn store_location(config: &Config) -> Location {
    match &config.database_url {
        Some(url) => Location::Postgres(url.expose().to_owned()),
        None => Location::Directory(config.data_dir.clone()),
    }
}

fn operator_key(key: &str, name: &str, clock: &Clock) -> ApiKey {
    ApiKey::from(NewKey {
        key,
        name: Name::parse(name).expect("a constant of this file"),
        role: Role::Operator,
        brand: None,
        now: clock.now(),
    })
}

/// Makes the first operator key where there is none, and returns it.
pub(super) async fn first_operator_key(store: &Store, catalog: &Catalog) -> Result<Option<String>, StoreError> {
    let key = draw_key();
    if !store
        .ensure_operator_key(operator_key(&key, FIRST_KEY, &Clock::system()))
        .await?
    {
        return Ok(None);
    }
    catalog.catch_up(store).await?;
    Ok(Some(key))
}

/// What the snapshot holds; a damaged one is said and left aside.
pub(super) async fn read_snapshot(data_dir: &DataDir, clock: &Clock) -> Option<Catalog> {
    let path = data_dir.snapshot();
    let read = tokio::task::spawn_blocking(move || Catalog::read_snapshot(&path)).await;
    let catalog = match read {
        Ok(Ok(catalog)) => catalog?,
        Ok(Err(error)) => {
            tracing::error!(%error, "starting from the store");
            return None;
        }
        Err(error) => {
            tracing::error!(%error, "reading the snapshot ended badly; starting from the store");
            return None;
        }
    };
    catalog.salts().begin_day(clock.now().utc_day());
    Some(catalog)
}

type Attempt = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// All that it takes to become whole.
#[derive(Clone)]
pub(super) struct Opening {
    store: Store,
    /// `None` for a process that needs no links.
    catalog: Option<Arc<Catalog>>,
    configured_key: Option<ApiKey>,
    waits: bool,
    clock: Clock,
    health: Health,
}

impl Opening {
    pub(super) fn new(
        store: &Store,
        catalog: Option<Arc<Catalog>>,
        config: &Config,
        clock: &Clock,
        health: &Health,
    ) -> Self {
        let key = config.operator_key.as_ref();
        Self {
            store: store.clone(),
            catalog,
            configured_key: key.map(|key| operator_key(key.expose(), CONFIGURED_KEY, clock)),
            waits: config.database_url.is_some(),
            clock: clock.clone(),
            health: health.clone(),
        }
    }

    /// Returns when the store is open, or when this node can do without; then the rest goes on in the background, with
    /// the future that is returned, which ends with the process.
    ///
    /// # Errors
    /// [`StartError`] when nothing can be served, or a person must mend something.
    pub(super) async fn open(
        self,
        from_snapshot: bool,
        stopping: Stopping,
    ) -> Result<impl Future<Output = ()>, StartError> {
        let mut attempt: Attempt = Box::pin(self.clone().try_until_whole());
        // A process without links has nothing to wait for: its worker does.
        let opened = if from_snapshot || self.catalog.is_none() {
            tokio::time::timeout(PATIENCE, &mut attempt).await
        } else {
            Ok((&mut attempt).await)
        };
        match opened {
            Ok(Ok(())) => {}
            Ok(Err(error)) if from_snapshot && error.for_a_person().is_none() => {
                tracing::error!(%error, "the store cannot be opened");
                attempt = Box::pin(self.clone().try_until_whole());
            }
            Ok(Err(error)) => return Err(error.into()),
            // It is not broken off: it may be in the middle of bringing the schema up to date.
            Err(_) => {}
        }
        if from_snapshot && !self.health.is_whole() {
            tracing::error!(
                "SERVING FROM THE SNAPSHOT, WITHOUT THE STORE: links are those of the last moment that it was there, \
                 clicks and conversions wait in the journals, and changes are refused"
            );
        }
        Ok(self.become_whole(attempt, stopping))
    }

    async fn become_whole(self, mut attempt: Attempt, mut stopping: Stopping) {
        while !self.health.is_whole() {
            let ended = tokio::select! {
                ended = &mut attempt => ended,
                () = stopping.wait() => return,
            };
            if let Err(error) = ended {
                tracing::error!(%error, advice = error.for_a_person(), "the store cannot be opened; trying again");
                attempt = Box::pin(self.clone().try_again());
            }
        }
        stopping.wait().await;
    }

    async fn try_again(self) -> Result<(), StoreError> {
        tokio::time::sleep(SAY_EVERY).await;
        self.try_until_whole().await
    }

    /// Ends early only with an error that waiting does not mend, or one of a file on this machine.
    async fn try_until_whole(self) -> Result<(), StoreError> {
        let mut said: Option<std::time::Instant> = None;
        while let Err(error) = self.attempt().await {
            if !self.waits || error.for_a_person().is_some() || !error.is_passing() {
                return Err(error);
            }
            if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                tracing::warn!(%error, "waiting for the store");
                said = Some(std::time::Instant::now());
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
        if said.is_some() {
            tracing::info!("the store is there");
        }
        self.health.set_whole();
        Ok(())
    }

    async fn attempt(&self) -> Result<(), StoreError> {
        self.store.prepare().await?;
        // Before anything is written: a store that was restored is known by a feed that is behind.
        if let Some(catalog) = &self.catalog {
            catalog.catch_up(&self.store).await?;
        }
        self.store.ensure_default_brand(self.clock.now()).await?;
        if let Some(key) = &self.configured_key {
            self.store.set_configured_key(key.clone()).await?;
        }
        if let Some(catalog) = &self.catalog {
            catalog.catch_up(&self.store).await?;
            if let Err(error) = tasks::renew_salts(&self.store, catalog.salts(), &self.clock).await {
                tracing::warn!(%error, "visitor salts cannot be read; the last ones stay in force");
            }
        }
        Ok(())
    }
}
