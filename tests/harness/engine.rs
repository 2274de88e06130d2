//! On which servers the services of this run stand: on none (the default), or on a Postgres (`TEST_STORE=postgres`),
//! and with it on a Redis too (`TEST_STREAM=redis`).
//!
//! Whatever is started on one data directory finds the same database and the same streams. The servers are shared by
//! the tests of one process; each data directory has its own database in them.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use linkledger::store::Location;

use super::servers::postgres::PrivatePostgres;
use super::servers::redis::PrivateRedis;

/// Of every node where several share a stream; elsewhere each data directory makes its own.
pub(crate) const SECRET: &str = "5ec2e700000000000000000000000000000000000000000000000000000000e5";
const REDIS_DATABASES: &str = "1000";

/// What the service of a data directory is to be told.
#[derive(Debug, Clone)]
struct Backing {
    database: String,
    redis: Option<String>,
}

fn is_set(variable: &str, on: &str, off: &str) -> bool {
    match std::env::var(variable).as_deref() {
        Err(_) => false,
        Ok(value) if value == off => false,
        Ok(value) if value == on => true,
        Ok(value) => panic!("{variable} is `{value}`, and may be {off} or {on}"),
    }
}

pub(crate) fn on_postgres() -> bool {
    is_set("TEST_STORE", "postgres", "sqlite")
}

pub(crate) fn on_redis() -> bool {
    let on = is_set("TEST_STREAM", "redis", "local");
    assert!(!on || on_postgres(), "TEST_STREAM=redis needs TEST_STORE=postgres");
    on
}

fn backing(data_dir: &Path) -> Option<Backing> {
    static BACKINGS: Mutex<Option<HashMap<PathBuf, Backing>>> = Mutex::new(None);
    if !on_postgres() {
        return None;
    }
    // Not `absolute`, which takes no empty path; a test gives one to the service.
    let path = std::env::current_dir().expect("a directory").join(data_dir);
    let mut backings = BACKINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let backings = backings.get_or_insert_default();
    let next = backings.len();
    let made = backings.entry(path).or_insert_with(|| Backing {
        database: PrivatePostgres::shared().database(),
        redis: on_redis().then(|| format!("{}/{next}", shared_redis().url())),
    });
    Some(made.clone())
}

fn shared_redis() -> &'static PrivateRedis {
    static SHARED: OnceLock<PrivateRedis> = OnceLock::new();
    SHARED.get_or_init(|| PrivateRedis::with_options(&[("databases", REDIS_DATABASES)]))
}

/// The settings that put the service of a data directory on this run's servers: names and values.
pub(crate) fn settings(data_dir: &Path) -> Vec<(&'static str, String)> {
    let Some(backing) = backing(data_dir) else {
        return Vec::new();
    };
    let mut settings = vec![("LINKLEDGER_DATABASE_URL", backing.database)];
    if let Some(redis) = backing.redis {
        settings.push(("LINKLEDGER_REDIS_URL", redis));
        settings.push(("LINKLEDGER_SECRET", SECRET.to_owned()));
    }
    settings
}

/// Where the store of a data directory lies.
pub(crate) fn location(data_dir: &Path) -> Location {
    match backing(data_dir) {
        Some(backing) => Location::Postgres(backing.database),
        None => Location::Directory(data_dir.to_owned()),
    }
}

/// Whether this run is one on SQLite. Else it says what is not tested.
pub(crate) fn is_embedded(why_only_there: &str) -> bool {
    if on_postgres() {
        skipped("Postgres", why_only_there);
    }
    !on_postgres()
}

/// Whether each data directory makes a secret of its own. Else it says what is not tested.
pub(crate) fn makes_its_secret() -> bool {
    if on_redis() {
        skipped("Redis", "all nodes are given one secret");
    }
    !on_redis()
}

/// Past the test's own output, which nobody sees where it passes.
fn skipped(on: &str, why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    writeln!(std::io::stderr(), "SKIPPED on {on}: {test}: {why}").expect("standard error");
}
