//! What every test stands on: a service in this process, the real binary as a child, a client that
//! knows exactly what it received, and a look into the books.
//!
//! Everything lives on port 0 and in private directories, and nothing may outlive its test: a
//! service or child that a test forgets is a failure.
#![allow(dead_code, reason = "each test binary uses its own part of the harness")]

pub(crate) mod api;
pub(crate) mod books;
pub(crate) mod campaign;
pub(crate) mod desk;
pub(crate) mod engine;
pub(crate) mod feeds;
pub(crate) mod folds;
pub(crate) mod history;
pub(crate) mod http;
pub(crate) mod metrics;
pub(crate) mod mmdb;
pub(crate) mod process;
pub(crate) mod servers;
pub(crate) mod service;
pub(crate) mod shop;
pub(crate) mod tally;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The operator key of every service that a test starts.
pub(crate) const KEY: &str = "llk_operator_of_the_tests_0123456789";

/// How long something that must happen may take on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `found` finds something; fails the test when it never does.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// A private directory.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("linkledger-test-")
        .tempdir()
        .expect("a temporary directory")
}

/// Every file below a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

/// A number below `end`, drawn afresh.
pub(crate) fn random_below(end: u64) -> u64 {
    getrandom::u64().expect("random bytes") % end
}
