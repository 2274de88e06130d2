//! How long a start with many links takes, and what they cost in memory.
//!
//! The links are minted through the store. Then this program runs itself again, in a fresh process
//! each time: once without a snapshot, so that every link is read from the store, and once with the
//! snapshot that the first run wrote when it stopped.

mod ground;
mod used;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Parser;
use ground::Outcome;
use linkledger::app::{self, Roles};
use linkledger::clock::Clock;
use linkledger::store::{Location, Store};

#[derive(Parser)]
struct Cli {
    /// Links to mint.
    #[arg(long, default_value_t = 1_000_000)]
    links: usize,
    /// Where the data directory is made; else where the system keeps temporary files.
    #[arg(long)]
    under: Option<PathBuf>,
    /// Measure a start on this data directory: what this program tells itself.
    #[arg(long, hide = true)]
    measure: Option<PathBuf>,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Outcome<()> {
    let started = Instant::now();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &cli.measure {
        Some(data_dir) => runtime.block_on(measure(data_dir, started)),
        None => {
            let directory = ground::directory(cli.under.as_deref())?;
            runtime.block_on(mint(directory.path(), cli.links))?;
            for from in ["the store", "the snapshot"] {
                println!("{} links, started from {from}:", cli.links);
                let status = Command::new(std::env::current_exe()?)
                    .arg("--measure")
                    .arg(directory.path())
                    .status()?;
                if !status.success() {
                    return Err(format!("the start from {from} failed").into());
                }
            }
            Ok(())
        }
    }
}

async fn mint(data_dir: &Path, count: usize) -> Outcome<()> {
    let store = Store::open(&Location::Directory(data_dir.to_owned())).await?;
    let started = Instant::now();
    let made = ground::links(&store, count).await?.len();
    store.close().await;
    println!("{made} links minted in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// The whole start with all roles: when it returns, the redirect listener answers.
async fn measure(data_dir: &Path, started: Instant) -> Outcome<()> {
    let config = ground::config(data_dir.to_owned());
    let running = app::start(&config, Roles::ALL, Clock::system()).await?;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), used::of_this()?.cpu_seconds);
    let (resident, peak) = (used::of_this()?.resident_mib, used::of_this()?.peak_mib);
    let links = running.catalog.links_loaded();
    println!("{seconds:>10.2}  s until every listener answers ({links} links loaded, {cpu:.2} s of CPU)");
    println!("{resident:>10.0}  MiB resident (VmRSS), {peak:.0} at most (VmHWM)");
    running.stop().await;
    Ok(())
}
