//! Clicks a second that the real worker commits to SQLite, or to Postgres, from real journals.
//!
//! The journals are filled before the clock starts. Then the worker role alone is started through
//! the same `app::start` that the service uses, and the clock runs until the store's cursors stand
//! at the end of every journal. At last `verify` recounts what was committed.

mod clicks;
mod ground;
mod used;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use clicks::{Filling, Spread, fill};
use ground::Outcome;
use linkledger::app::{self, Roles};
use linkledger::clock::Clock;
use linkledger::config::DatabaseUrl;
use linkledger::store::Store;

const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Parser)]
struct Cli {
    /// Clicks in the journals.
    #[arg(long, default_value_t = 1_000_000)]
    clicks: usize,
    /// Links that they are spread over.
    #[arg(long, default_value_t = 10_000)]
    links: usize,
    /// Journals, one per redirect thread.
    #[arg(long, default_value_t = 2)]
    journals: usize,
    /// How the clicks are spread over the links.
    #[arg(long, value_enum, default_value_t = Spread::Even)]
    spread: Spread,
    /// A Postgres database to commit to, empty; else SQLite in the data directory.
    #[arg(long)]
    database_url: Option<String>,
    /// Where the data directory is made; else where the system keeps temporary files.
    #[arg(long)]
    under: Option<PathBuf>,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let cli = Cli::parse();
    let directory = ground::directory(cli.under.as_deref())?;
    let mut config = ground::config(directory.path().to_owned());
    config.database_url = cli.database_url.as_deref().map(DatabaseUrl::parse).transpose()?;
    let store = Store::open(&app::store_location(&config)).await?;
    let links = ground::links(&store, cli.links).await?;
    store.close().await;
    let filling = Filling {
        clicks: cli.clicks,
        journals: cli.journals,
        spread: cli.spread,
    };
    let journal_bytes = fill(&filling, directory.path(), &links)?;

    let wanted = cli.clicks as u64;
    let bar = ground::bar(cli.clicks, "committing");
    let (started, cpu_before) = (Instant::now(), used::of_this()?.cpu_seconds);
    let worker_only = Roles {
        redirect: false,
        api: false,
        worker: true,
    };
    let running = app::start(&config, worker_only, Clock::system()).await?;
    loop {
        // The cursors, and not a counter of this process: what they say is committed.
        let committed = ground::committed(&running.store).await?;
        bar.set_position(committed);
        if committed >= wanted {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let (seconds, cpu) = (
        started.elapsed().as_secs_f64(),
        used::of_this()?.cpu_seconds - cpu_before,
    );
    let peak = used::of_this()?.peak_mib;
    bar.finish_and_clear();

    let verified = running
        .store
        .verify(linkledger::agents::AGENT_DATA_VERSION, |_| ())
        .await?;
    running.stop().await;
    #[allow(clippy::cast_precision_loss, reason = "figures to be read")]
    let (clicks, mib) = (wanted as f64, journal_bytes as f64 / f64::from(1 << 20));
    println!(
        "{wanted} clicks over {} links in {} journals ({mib:.0} MiB)",
        cli.links, cli.journals
    );
    println!(
        "{:>12.0}  clicks a second committed ({seconds:.2} s from start to the last cursor)",
        clicks / seconds
    );
    println!(
        "{:>12.0}  clicks a second of CPU ({cpu:.2} s, {:.1} µs a click)",
        clicks / cpu,
        cpu / clicks * 1e6
    );
    println!("{peak:>12.0}  MiB resident at most");
    println!(
        "{:>12}  clicks recounted, {} mismatches",
        verified.clicks,
        verified.mismatches.len()
    );
    if verified.mismatches.is_empty() && u64::try_from(verified.clicks).ok() == Some(wanted) {
        Ok(())
    } else {
        Err("the recount does not agree".into())
    }
}
