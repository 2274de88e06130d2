//! `linkledger reclassify`.

use std::fs::File;
use std::process::ExitCode;

use super::{Failure, existing_store, progress};
use crate::config::Config;
use crate::worker::{self, ReclassifyProgress as Progress};

const LOCK_FILE: &str = "reclassify.lock";

/// Reads stored user agents again and moves what was counted by them; may run beside a serving process.
///
/// # Errors
/// [`Failure`]; what was done until then stands, and running it again does the rest.
pub async fn reclassify(config: &Config, all: bool) -> Result<ExitCode, Failure> {
    let store = existing_store(config).await?;
    let failed = |source| Failure::System {
        doing: "locking reclassify.lock",
        source,
    };
    // Given back by the system, however this ends.
    let lock = File::create(config.data_dir.join(LOCK_FILE)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(Failure::UnderWay),
        Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    let Some(_claim) = store.claim_reclassification().await? else {
        return Err(Failure::UnderWay);
    };
    let bar = progress::steps(0);
    let done = worker::reclassify(&store, all, |progress| match progress {
        Progress::Agents(count) => {
            bar.set_length(count);
            bar.set_message("reading user agents");
        }
        Progress::Reread(count) => bar.inc(count),
        Progress::Quarters(count) => {
            bar.set_position(0);
            bar.set_length(count);
            bar.set_message("quarters of an hour whose clicks are looked at");
        }
        Progress::Quarter => bar.inc(1),
        Progress::Day => {}
    })
    .await?;
    bar.finish_and_clear();
    store.close().await;
    println!("{:>10}  user agents read again", done.reread);
    println!("{:>10}  of them with clicks to look at", done.changed);
    println!("{:>10}  clicks of programs that are people's now", done.moved.to_people);
    println!(
        "{:>10}  clicks of people that are programs' now",
        done.moved.to_programs
    );
    Ok(ExitCode::SUCCESS)
}
