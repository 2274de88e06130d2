//! The only wiring: from settings to running roles. Used by the command line and by every test.

mod boot;
mod closing;
mod drain;
mod files;
mod health;
mod journals;
mod listeners;
mod opening;
mod partitions;
mod probes;
mod scale;
mod tasks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use url::Url;

use crate::catalog::Catalog;
use crate::journal::{JournalError, Syncer};
use crate::metrics::Metrics;
use crate::redirect::GeoError;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};
use crate::stream::Progress;
pub use boot::start;
pub use drain::{Drained, drain};
pub use files::{DataDir, LockError};
use health::Health;
pub use opening::store_location;
use tokio::task::JoinSet;

/// How long a stopping process goes on committing what its journals hold.
const DRAIN_FOR: Duration = Duration::from_secs(30);

/// How long a stopping listener hands out what it has accepted. Its threads are idle or fast, so
/// this is long.
const HAND_OUT_FOR: Duration = Duration::from_millis(100);

/// How long a stopping process waits for the store to say goodbye.
const CLOSE_FOR: Duration = Duration::from_secs(5);

/// Which parts run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Answers visitors.
    pub redirect: bool,
    /// Answers brands and shops.
    pub api: bool,
    /// Commits.
    pub worker: bool,
}

impl Roles {
    /// Everything in one process.
    pub const ALL: Self = Self {
        redirect: true,
        api: true,
        worker: true,
    };

    /// Whether links, keys and brands must be in memory.
    const fn need_links(self) -> bool {
        self.redirect || self.api
    }
}

impl std::str::FromStr for Roles {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let mut roles = Self {
            redirect: false,
            api: false,
            worker: false,
        };
        for name in list.split(',') {
            match name.trim() {
                "redirect" => roles.redirect = true,
                "api" => roles.api = true,
                "worker" => roles.worker = true,
                other => return Err(format!("`{other}` is none of redirect, api, worker")),
            }
        }
        Ok(roles)
    }
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("the data directory {path}: {source}")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A directory to be drained that no process has served.
    #[error("{0} is no data directory: it holds no journals")]
    NoJournals(PathBuf),
    /// Another process serves this data directory.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The secret in the data directory cannot be read.
    #[error("the file {path} does not hold a secret: {source}")]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::domain::secret::SecretError,
    },
    /// The operating system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The database of countries.
    #[error(transparent)]
    Countries(#[from] GeoError),
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// The store, and only a person can mend it.
    #[error("{error}; {advice}")]
    ShutOut {
        /// What it said.
        error: StoreError,
        /// What to do.
        advice: &'static str,
    },
    /// The addresses of Redis.
    #[error("LINKLEDGER_REDIS_URL: {0}")]
    Redis(String),
    /// The journals.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An address that cannot be listened on.
    #[error("cannot listen on {address} ({setting}): {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The setting that named it.
        setting: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread that the system would not start.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        match error.for_a_person() {
            Some(advice) => Self::ShutOut { error, advice },
            None => Self::Store(error),
        }
    }
}

/// Where a running process listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Visitors.
    pub redirect: Option<SocketAddr>,
    /// Brands and shops.
    pub api: Option<SocketAddr>,
    /// Prometheus and probes.
    pub metrics: SocketAddr,
}

/// A running process.
pub struct Running {
    /// Where it listens.
    pub addresses: Addresses,
    /// What short links start with.
    pub public_url: Url,
    /// What the API's addresses start with.
    pub api_public_url: Url,
    /// The store.
    pub store: Store,
    /// The links in memory.
    pub catalog: Arc<Catalog>,
    /// Every figure.
    pub metrics: Metrics,
    /// Who waits for commits.
    pub progress: Progress,
    servers: Vec<(ServerHandle, closing::Gate)>,
    metrics_server: ServerHandle,
    roles: Roles,
    health: Health,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
    /// Those that go on until the very end.
    lasting: JoinSet<()>,
    intake: Option<JoinHandle<()>>,
    /// `None` for a process that writes no journals.
    syncer: Option<Syncer>,
    data_dir: DataDir,
}

impl Running {
    /// Makes the first operator key where there is none, and returns it: it is shown this once. Only a process that
    /// answers with the API has a use for it.
    ///
    /// # Errors
    /// [`StartError`] when the store does not answer.
    pub async fn first_operator_key(&self) -> Result<Option<String>, StartError> {
        if !self.roles.api || !self.health.is_whole() {
            return Ok(None);
        }
        Ok(opening::first_operator_key(&self.store, &self.catalog).await?)
    }

    /// Returns when a background task has ended, which none does before [`Running::stop`]: a process
    /// without its worker must not go on as if it had one.
    pub async fn task_ended(&mut self) {
        if let Some(Err(error)) = self.tasks.join_next().await {
            tracing::error!(%error, "a task ended badly");
        }
    }

    /// Stops in order: no new requests, every answer finished, everything journaled committed (for
    /// 30 s at most; what is left waits in the journals), the snapshot written.
    pub async fn stop(mut self) {
        // actix drops connections that were not yet accepted, or not yet handed to a thread, when it is told to stop,
        // so first nobody new must come in, and it hands out whom it has.
        for (_, gate) in &self.servers {
            gate.shut();
        }
        tokio::time::sleep(HAND_OUT_FOR).await;
        for (server, gate) in self.servers.drain(..) {
            // With the gate its socket is closed for good.
            drop(gate);
            server.stop(true).await;
        }
        self.shutdown.begin();
        self.progress.hurry();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task ended badly");
            }
        }
        if let Some(thread) = self.intake.take() {
            // Its last sender went with the API's listener.
            if tokio::task::spawn_blocking(move || thread.join()).await.is_err() {
                tracing::error!("the intake thread ended badly");
            }
        }
        if let Some(syncer) = self.syncer {
            syncer.stop();
        }
        if self.roles.need_links()
            && let Err(error) = self.catalog.write_snapshot(&self.data_dir.snapshot())
        {
            tracing::error!(%error, "no snapshot was written; the next start reads the store");
        }
        close(&self.store).await;
        self.metrics_server.stop(false).await;
        self.lasting.shutdown().await;
    }
}

async fn close(store: &Store) {
    if tokio::time::timeout(CLOSE_FOR, store.close()).await.is_err() {
        tracing::warn!("the store's connections did not close in time");
    }
}
