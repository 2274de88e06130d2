//! The fault matrix: real processes under load, a fault, and then every promise checked against what the clients were told.
//!
//! A. Each click id that a client fully received is in the store exactly once.
//! B. What else is there, at most as many requests were under way when a node was killed.
//! C. `linkledger verify` finds nothing.
//! D. Each acknowledged conversion and refund is counted once, and nothing else is.
//! E. All of this holds within 30 s of the fault's end.
//!
//! `cargo test --test faults` is the short round. `tests/faults/run` runs the long one (`TEST_FAULTS=long`: 50 kills a
//! row, servers down for a minute) and prints the matrix. Every failure names its seed; `TEST_FAULTS_SEED=… ` runs it again.

#[path = "../harness/mod.rs"]
mod harness;

mod clocks;
mod cluster;
mod disk;
mod fleet;
mod judge;
mod kills;
mod ledger;
mod load;
mod log;
mod matrix;
mod orders;
mod postgres;
mod redis;
mod rolling;
mod scene;
mod slot;
