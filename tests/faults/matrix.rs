//! The row of one fault: how long it runs, what chance it draws, and its line in the table.

use std::path::PathBuf;
use std::time::Duration;

use super::judge::Figures;

/// Whether this is the long round.
pub(crate) fn long() -> bool {
    std::env::var("TEST_FAULTS").is_ok_and(|value| value == "long")
}

/// How often, in the short round and in the long one.
pub(crate) fn rounds(short: usize, long_round: usize) -> usize {
    if long() { long_round } else { short }
}

/// How long, in seconds.
pub(crate) fn seconds(short: u64, long_round: u64) -> Duration {
    Duration::from_secs(if long() { long_round } else { short })
}

/// Draws the moments of the faults; the same seed draws the same ones. SplitMix64.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// `TEST_FAULTS_SEED`, or a new one.
    pub(crate) fn seed() -> u64 {
        let given = std::env::var("TEST_FAULTS_SEED").ok();
        given.map_or_else(
            || getrandom::u64().expect("random bytes") >> 32,
            |text| text.parse().expect("TEST_FAULTS_SEED is a number"),
        )
    }

    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// Up to `ms` milliseconds.
    pub(crate) fn moment(&mut self, ms: u64) -> Duration {
        Duration::from_millis(self.below(ms))
    }

    pub(crate) fn one_of<'a>(&mut self, names: &[&'a str]) -> &'a str {
        names[usize::try_from(self.below(names.len() as u64)).expect("small")]
    }
}

/// Where the lines are collected; `tests/faults/run` prints them as one table.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fault-matrix")
}

/// Tells a row's figures, and notes them for the table.
pub(crate) fn note(row: &str, rounds: usize, seed: u64, figures: &Figures) {
    let line = format!(
        "| {} | {rounds} | {} | {} | {} | {} | {} | {:.1} | {:.0} | {seed} |\n",
        row.replace('_', " "),
        figures.requests,
        figures.answered,
        figures.in_flight,
        figures.surplus,
        figures.orders,
        figures.drain.as_secs_f64(),
        figures.slowest.as_secs_f64() * 1000.0,
    );
    eprint!("{line}");
    std::fs::create_dir_all(folder()).expect("a folder for the table");
    std::fs::write(folder().join(row), line).expect("a line for the table");
}
