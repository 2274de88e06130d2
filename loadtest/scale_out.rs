//! A scaled-out installation on one machine: redirect node, workers, Redis and Postgres as processes of their own.
//!
//! First a backlog: the journals of a node that died with so many clicks are drained by a forwarder and the workers. Then
//! live traffic: keep-alive visitors as fast as answers allow, until everything is committed; and at half of that rate,
//! with the delay from a click's answer to its commit. At last every answered click must be in the store.

mod clicks;
mod ground;
#[path = "../tests/harness/mod.rs"]
mod harness;
mod used;
mod visitors;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use clicks::{Filling, Spread, fill};
use ground::Outcome;
use harness::process::Process;
use harness::servers::postgres::PrivatePostgres;
use harness::servers::redis::PrivateRedis;
use linkledger::domain::id::LinkId;
use linkledger::store::{Location, Scope, Store};
use visitors::Visitors;

/// How often the cursors are read; the delays are known to this exactness.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LINKS: usize = 10_000;

#[derive(Parser)]
struct Cli {
    /// Clicks in the backlog.
    #[arg(long, default_value_t = 1_000_000)]
    backlog: usize,
    /// Seconds of each kind of live traffic.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Worker processes.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Visitors' connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Where the data directories are made; else where the system keeps temporary files.
    #[arg(long)]
    under: Option<PathBuf>,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What all nodes share.
struct Shared {
    database_url: String,
    redis_url: String,
}

impl Shared {
    /// Starts a node on a data directory of its own, and waits until it serves.
    fn start(&self, role: &str, data_dir: &Path) -> Process {
        Process::start_with(data_dir, |command| {
            command
                .args(["serve", "--role", role])
                .env("LINKLEDGER_DATABASE_URL", &self.database_url)
                .env("LINKLEDGER_REDIS_URL", &self.redis_url)
                .env("LINKLEDGER_SECRET", "5c".repeat(32))
                .env("LINKLEDGER_LOG", "error")
        })
    }
}

/// The store, and how many clicks were in it before.
struct Books<'s> {
    store: &'s Store,
    before: u64,
}

impl Books<'_> {
    async fn committed(&self) -> Outcome<u64> {
        Ok(ground::committed(self.store).await? - self.before)
    }
}

/// How many clicks were answered, or committed, by when.
type Timeline = Vec<(Instant, u64)>;

/// The instant at which a timeline reached a count.
fn reached(timeline: &Timeline, count: u64) -> Option<Instant> {
    let place = timeline.partition_point(|(_, reached)| *reached < count);
    timeline.get(place).map(|(at, _)| *at)
}

/// From the answer to the commit, in seconds: the median and the 99th of a hundred, over a thousand clicks.
fn delays(answered: &Timeline, committed: &Timeline, clicks: u64) -> (f64, f64) {
    let delay = |place: u64| {
        let count = (clicks * place / 1000).max(1);
        let (from, to) = (reached(answered, count)?, reached(committed, count)?);
        Some(to.saturating_duration_since(from).as_secs_f64())
    };
    let mut delays: Vec<f64> = (1..=1000).filter_map(delay).collect();
    delays.sort_by(f64::total_cmp);
    let at = |share: usize| delays.get(delays.len() * share / 100).copied().unwrap_or(f64::NAN);
    (at(50), at(99))
}

/// Live traffic for some seconds, and on until all of it is committed.
async fn live(
    cli: &Cli,
    store: &Store,
    address: &str,
    slugs: &Arc<Vec<String>>,
    per_second: Option<f64>,
) -> Outcome<(u64, f64, (f64, f64))> {
    let before = ground::committed(store).await?;
    let books = Books { store, before };
    let started = Instant::now();
    let visitors = Visitors::start(address, slugs, cli.connections, per_second);
    let (mut answered, mut committed) = (Timeline::new(), Timeline::new());
    while started.elapsed() < Duration::from_secs(cli.seconds) {
        answered.push((Instant::now(), visitors.answered()));
        committed.push((Instant::now(), books.committed().await?));
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let clicks = visitors.stop()?;
    answered.push((Instant::now(), clicks));
    loop {
        let so_far = books.committed().await?;
        committed.push((Instant::now(), so_far));
        if so_far >= clicks {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok((clicks, seconds, delays(&answered, &committed, clicks)))
}

async fn slugs(store: &Store, links: &[LinkId]) -> Outcome<Vec<String>> {
    let scope: Scope = None;
    let mut slugs = Vec::with_capacity(links.len());
    for link in links {
        let link: linkledger::store::Link = store.get(scope, link.number()).await?;
        slugs.push(link.slug.as_str().to_owned());
    }
    Ok(slugs)
}

fn print_used(nodes: &[(String, u32)], (postgres, redis): (u32, u32)) -> Outcome<()> {
    let mut used = Vec::new();
    for (name, id) in nodes {
        used.push((name.as_str(), used::of_process(*id)?));
    }
    used.push(("Postgres", used::of_tree(postgres)?));
    used.push(("Redis", used::of_tree(redis)?));
    for (name, used) in used {
        println!(
            "{:>12.1}  s of CPU, {:.0} MiB resident at most: {name}",
            used.cpu_seconds, used.peak_mib
        );
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "figures to be read")]
async fn measure(cli: &Cli, home: &Path, shared: &Shared, servers: (u32, u32)) -> Outcome<()> {
    let store = Store::open(&Location::Postgres(shared.database_url.clone())).await?;
    let links = ground::links(&store, LINKS).await?;
    let slugs = Arc::new(slugs(&store, &links).await?);
    let node_dir = home.join("redirect");
    let filling = Filling {
        clicks: cli.backlog,
        journals: 2,
        spread: Spread::Even,
    };
    fill(&filling, &node_dir, &links)?;

    let mut workers = Vec::with_capacity(cli.workers);
    for number in 1..=cli.workers {
        workers.push(shared.start("worker", &home.join(format!("worker {number}"))));
    }
    let books = Books {
        store: &store,
        before: 0,
    };
    let (backlog, started) = (cli.backlog as u64, Instant::now());
    // It takes the dead node's directory over, and with it the journals.
    let redirect = shared.start("redirect", &node_dir);
    let bar = ground::bar(cli.backlog, "draining the backlog");
    loop {
        let committed = books.committed().await?;
        bar.set_position(committed);
        if committed >= backlog {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{backlog} backlogged clicks over {LINKS} links, {} workers:",
        cli.workers
    );
    println!(
        "{:>12.0}  clicks a second committed ({seconds:.1} s)",
        backlog as f64 / seconds
    );
    let named = |(place, worker): (usize, &Process)| (format!("worker {}", place + 1), worker.id());
    let mut nodes: Vec<(String, u32)> = workers.iter().enumerate().map(named).collect();
    nodes.push(("redirect".to_owned(), redirect.id()));
    print_used(&nodes, servers)?;

    let address = redirect.redirect().to_string();
    let (clicks, seconds, _) = live(cli, &store, &address, &slugs, None).await?;
    let rate = clicks as f64 / seconds;
    println!(
        "{clicks} live clicks on {} connections as fast as answers allow:",
        cli.connections
    );
    println!("{rate:>12.0}  clicks a second answered and committed ({seconds:.1} s to the last commit)");
    let (half_clicks, _, (median, p99)) = live(cli, &store, &address, &slugs, Some(rate / 2.0)).await?;
    println!("{half_clicks} live clicks at half of that rate:");
    println!("{median:>12.3}  s from the answer to the commit at the median, {p99:.3} at p99");
    print_used(&nodes, servers)?;

    redirect.terminate();
    for worker in workers {
        worker.terminate();
    }
    let verified = store.verify(linkledger::agents::AGENT_DATA_VERSION, |_| ()).await?;
    store.close().await;
    println!(
        "{:>12}  clicks recounted, {} mismatches",
        verified.clicks,
        verified.mismatches.len()
    );
    let wanted = backlog + clicks + half_clicks;
    if verified.mismatches.is_empty() && u64::try_from(verified.clicks).ok() == Some(wanted) {
        Ok(())
    } else {
        Err(format!("{wanted} clicks should be there, and the books should agree").into())
    }
}

fn main() -> Outcome<()> {
    let cli = Cli::parse();
    let home = ground::directory(cli.under.as_deref())?;
    let (postgres, redis) = (PrivatePostgres::durable(), PrivateRedis::new());
    let shared = Shared {
        database_url: postgres.database(),
        redis_url: redis.url(),
    };
    let pid = |id: Option<rustix::process::Pid>| id.map(|id| id.as_raw_nonzero().get().unsigned_abs());
    let servers = (
        pid(postgres.id()).ok_or("Postgres runs")?,
        pid(redis.id()).ok_or("Redis runs")?,
    );
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure(&cli, home.path(), &shared, servers))
}
