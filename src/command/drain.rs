//! `linkledger drain DIR`.

use std::path::Path;
use std::process::ExitCode;

use super::written::grouped;
use super::{Failure, existing_store, progress};
use crate::app::{self, Drained};
use crate::config::Config;

/// Brings a dead node's journals into the store; exit status 1, and what is left, when it could not bring all.
///
/// # Errors
/// [`Failure`].
pub async fn drain(config: &Config, dir: &Path) -> Result<ExitCode, Failure> {
    let store = existing_store(config).await?;
    let bar = progress::clicks(0, "confirmed");
    let drained = app::drain(config, dir, &store, |drained| {
        bar.set_length(drained.records);
        bar.set_position(drained.confirmed);
    })
    .await?;
    bar.finish_and_clear();
    let Drained {
        records,
        confirmed,
        journals_left,
    } = drained;
    let written = |count: u64| grouped(i64::try_from(count).unwrap_or(i64::MAX));
    if journals_left == 0 {
        println!(
            "The store has confirmed all {} records of {}.",
            written(records),
            dir.display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} of {} records of {} are not in the store yet; {journals_left} journals wait. They are safe where they are: \
         run this again once the store, Redis and a worker are up.",
        written(records - confirmed),
        written(records),
        dir.display()
    );
    Ok(ExitCode::FAILURE)
}
