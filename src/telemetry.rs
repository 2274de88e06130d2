//! Logs: one line per event on standard error, so that standard output stays the command's own.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging with a filter such as `info` or `linkledger=debug`. A second call does nothing,
/// so tests may start several services in one process.
///
/// # Errors
/// The filter's own words when it cannot be read.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log line that finds no room is dropped. To say so on the same full disk would end the thread.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .finish()
        .try_init();
    Ok(())
}
