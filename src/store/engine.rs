//! The two engines, and how connections to them are set up.
//!
//! A worker's commit to SQLite may be lost by a power cut without harm: its cursor goes with it, and the journal sends
//! the records again. Hence `synchronous = NORMAL` for it and `FULL` for the control plane, whose 201 must survive. In
//! Postgres both wait for the disk: its commits are few and large, and the journal is on another machine.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AnyPool, ConnectOptions as _, Connection as _, Database, Executor, PgPool, SqlitePool};

use super::StoreError;
use super::reach::{Control, PATIENCE, Reach};
use crate::domain::time::DAY_MS;

/// The store's file in the data directory.
pub const STORE_FILE: &str = "linkledger.db";
/// Connections of one process that read at the same time. In SQLite readers never wait for the writer (WAL).
const READERS: u32 = 4;
/// Connections for the short questions that everything else waits for: cursors, the change feed, attribution, probes. Apart,
/// because a few slow reports may keep all readers.
const STEPS: u32 = 2;
/// Connections of one process that write to Postgres as the control plane; they take turns anyway.
const POSTGRES_WRITERS: u32 = 2;
/// Connections of one process for bulk work in Postgres: the commit, the leases, the fold of visitors, days made and
/// dropped, and one to spare. With the readers, the steps, the writers and the pulse, that is 14 for a process.
const POSTGRES_BULK: u32 = 5;
/// For every connection to Postgres: a node that freezes in the middle of a transaction gives its locks back, and so does
/// one whose machine is gone, which the server would else notice after two hours. A node that freezes in the middle of
/// COPY is found by the leases.
const LET_GO: &str = "SELECT set_config('idle_in_transaction_session_timeout', '10s', false),
    set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false)";
/// As the server lists the connections of bulk work.
pub(super) const WORKER: &str = "linkledger worker";
/// Postgres's time in ms.
pub(super) const NOW_MS: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
/// For every connection of SQLite's control plane.
const PRAGMAS: &[&str] = &[
    "PRAGMA synchronous = FULL",
    // Whoever waits is a person or a shop's program: another process that writes for longer is told to them.
    "PRAGMA busy_timeout = 10000",
    "PRAGMA cache_size = -16384",
    "PRAGMA temp_store = memory",
    // Visitor salts are destroyed, not just unlinked.
    "PRAGMA secure_delete = ON",
];

/// Where a store lies.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// An SQLite file in this directory.
    Directory(PathBuf),
    /// A Postgres database, by its URL.
    Postgres(String),
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "Directory({})", path.display()),
            // The URL holds a password.
            Self::Postgres(_) => f.write_str("Postgres(redacted)"),
        }
    }
}

/// Which engine runs the SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Begins a transaction that writes.
    pub(super) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// What tells one state of the store from another that took its place: a text that changes when the server is started
    /// again (a backup may lie in its files now) and when the database or its tables are made again. Always the same in
    /// SQLite, whose file is not replaced while it is open.
    pub(super) fn token(self) -> &'static str {
        match self {
            Self::Sqlite => "'file'",
            Self::Postgres => {
                "CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000 AS BIGINT)
                || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
                || '/' || CAST('user_agents'::regclass AS oid)"
            }
        }
    }

    /// The earlier of a time of this process, in ms, and the store's own. Several nodes share what lies in Postgres, and
    /// the wrong clock of one must not delete it for all.
    pub(super) fn no_later_than_now(self, ms: &str) -> String {
        match self {
            Self::Sqlite => ms.to_owned(),
            Self::Postgres => format!("LEAST({ms}, {NOW_MS})"),
        }
    }

    /// A time of this process, in ms, moved to within the last day of the store's own, for what is kept so long from then
    /// on.
    pub(super) fn about_now(self, ms: &str) -> String {
        match self {
            Self::Sqlite => ms.to_owned(),
            Self::Postgres => format!("GREATEST(LEAST({ms}, {NOW_MS}), {NOW_MS} - {DAY_MS})"),
        }
    }

    /// Begins a transaction whose questions all see the same state.
    pub(super) fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }
}

/// Typed connections, for bulk work.
#[derive(Debug, Clone)]
pub(super) enum Bulk {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

pub(super) struct Pools {
    pub(super) engine: Engine,
    pub(super) reach: Reach,
    /// For the one question that tells whether the store is within reach.
    pub(super) pulse: AnyPool,
    pub(super) control: Control,
    pub(super) steps: Control,
    pub(super) writer: AnyPool,
    pub(super) bulk: Bulk,
}

/// Pools that connect when they are first used.
pub(super) fn pools(location: &Location) -> Result<Pools, StoreError> {
    sqlx::any::install_default_drivers();
    match location {
        Location::Directory(directory) => sqlite(directory),
        Location::Postgres(url) => postgres(url),
    }
}

fn sqlite(directory: &std::path::Path) -> Result<Pools, StoreError> {
    let file = std::path::absolute(directory.join(STORE_FILE)).map_err(sqlx::Error::Io)?;
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(30))
        .pragma("wal_autocheckpoint", "4000")
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
        .disable_statement_logging();
    let bulk = SqlitePoolOptions::new()
        .max_connections(1)
        // When SQLite undoes a transaction by itself (the disk is full), the driver goes on taking it for open,
        // and the connection would refuse every later one.
        .before_acquire(|conn, _| Box::pin(async move { Ok(!conn.is_in_transaction()) }))
        .connect_lazy_with(options);
    let address = url::Url::from_file_path(&file)
        .map_err(|()| sqlx::Error::Configuration("the data directory is not a plain path".into()))?;
    // A report over much is slow, and its SQL is no news for whoever reads the log.
    let address: AnyConnectOptions = format!("sqlite://{}", address.path()).parse()?;
    let address = address.disable_statement_logging();
    let control = AnyPoolOptions::new()
        .max_connections(READERS)
        .before_acquire(|conn, _| Box::pin(async move { Ok(!conn.is_in_transaction()) }))
        .after_connect(|conn, _| {
            Box::pin(async move {
                for pragma in PRAGMAS {
                    sqlx::query(*pragma).execute(&mut *conn).await?;
                }
                Ok(())
            })
        });
    let reach = Reach::default();
    let one = control.clone().max_connections(1);
    let steps = control
        .clone()
        .max_connections(STEPS)
        .connect_lazy_with(address.clone());
    Ok(Pools {
        engine: Engine::Sqlite,
        pulse: one.clone().connect_lazy_with(address.clone()),
        writer: one.connect_lazy_with(address.clone()),
        control: Control::new(control.connect_lazy_with(address), reach.clone()),
        steps: Control::new(steps, reach.clone()),
        reach,
        bulk: Bulk::Sqlite(bulk),
    })
}

/// A pool of connections to Postgres, typed or not.
fn postgres_pool<D>(reach: &Reach, connections: u32) -> PoolOptions<D>
where
    D: Database,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    let released = reach.clone();
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .after_connect(|conn: &mut D::Connection, _| Box::pin(async move { conn.execute(LET_GO).await.map(drop) }))
        .after_release(move |conn, _| {
            let reach = released.clone();
            Box::pin(async move { reach.usable(conn).await })
        })
}

fn postgres(url: &str) -> Result<Pools, StoreError> {
    let reach = Reach::default();
    let options = PgConnectOptions::from_str(url)?
        .application_name(WORKER)
        .disable_statement_logging();
    let bulk = postgres_pool(&reach, POSTGRES_BULK).connect_lazy_with(options);
    let address: AnyConnectOptions = url.parse()?;
    let address = address.disable_statement_logging();
    let untyped = |connections| postgres_pool(&reach, connections).connect_lazy_with(address.clone());
    Ok(Pools {
        engine: Engine::Postgres,
        pulse: untyped(1),
        writer: untyped(POSTGRES_WRITERS),
        control: Control::new(untyped(READERS), reach.clone()),
        steps: Control::new(untyped(STEPS), reach.clone()),
        bulk: Bulk::Postgres(bulk),
        reach: reach.clone(),
    })
}
