//! Clicks a second that the real worker commits to SQLite from real journals.
//!
//! The journals are filled before the clock starts. Then the worker role alone is started through
//! the same `app::start` that the service uses, and the clock runs until the store's cursors stand
//! at the end of every journal. At last `verify` recounts what was committed.

mod ground;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use ground::Outcome;
use linkledger::app::{self, Roles};
use linkledger::clock::Clock;
use linkledger::domain::click::{CLICK_KIND, CLICK_VERSION, Click, ClickFlags};
use linkledger::domain::id::LinkId;
use linkledger::domain::link::LinkState;
use linkledger::domain::time::Instant as Time;
use linkledger::journal::{Budget, JournalStats, Purpose, Writer, WriterOptions};
use linkledger::store::{Location, Store};
use linkledger::stream::JOURNALS_DIR;
use linkledger::worker;

/// The clicks lie in the last hour, as after an outage of the store: several quarters per link.
const SPAN_MS: i64 = 3_600_000;
const LOOK_EVERY: Duration = Duration::from_millis(10);
const BUDGET_BYTES: u64 = 64 << 30;

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
    /// Where the data directory is made; else where the system keeps temporary files.
    #[arg(long)]
    under: Option<PathBuf>,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Spread {
    /// Every link equally: the most rollup rows a batch can touch.
    Even,
    /// Half of the clicks on one link in a hundred, as in real campaigns.
    Skewed,
}

/// `SplitMix64`: the same clicks at every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }
}

/// Some thousand user agents, several hundred referrers, some languages, as phones send them.
struct Texts {
    user_agents: Vec<String>,
    referrers: Vec<String>,
    languages: Vec<&'static str>,
}

impl Texts {
    fn new() -> Self {
        let mut user_agents = Vec::new();
        for chrome in 100..130 {
            for device in [
                "SM-S918B", "SM-A546B", "Pixel 8", "Pixel 7a", "M2101K6G", "CPH2411", "RMX3393", "V2130",
            ] {
                for android in 10..15 {
                    user_agents.push(format!(
                        "Mozilla/5.0 (Linux; Android {android}; {device}) AppleWebKit/537.36 (KHTML, like Gecko) \
                         Version/4.0 Chrome/{chrome}.0.0.0 Mobile Safari/537.36 Instagram 3{chrome}.0.0.34.111 Android"
                    ));
                }
            }
        }
        for major in 14..18 {
            for minor in 0..7 {
                for app in [
                    "Version/17.0 Mobile/15E148 Safari/604.1",
                    "Mobile/15E148 musical_ly_32.5.0 BytedanceWebview",
                ] {
                    user_agents.push(format!(
                        "Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 (KHTML, \
                         like Gecko) {app}"
                    ));
                }
            }
        }
        let mut referrers = vec![
            String::new(),
            "https://l.instagram.com/".to_owned(),
            "https://www.tiktok.com/".to_owned(),
        ];
        referrers.extend((0..400).map(|n| format!("https://www.youtube.com/@creator{n:04}/community")));
        Self {
            user_agents,
            referrers,
            languages: vec![
                "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7",
                "en-US,en;q=0.9",
                "fr-FR,fr;q=0.9",
                "es-ES",
                "pl-PL",
                "",
            ],
        }
    }
}

/// Fills the journals as redirect threads would; returns their bytes.
fn fill(cli: &Cli, data_dir: &std::path::Path, links: &[LinkId]) -> Outcome<u64> {
    let root = data_dir.join(JOURNALS_DIR);
    std::fs::create_dir_all(&root)?;
    let budget = Arc::new(Budget::scan(&root, BUDGET_BYTES)?);
    let texts = Texts::new();
    let mut random = Random(2026);
    let now = Clock::system().now().ms();
    let bar = ground::bar(cli.clicks, "filling the journals");
    let mut writers = Vec::with_capacity(cli.journals);
    for _ in 0..cli.journals {
        let stats = Arc::new(JournalStats::default());
        writers.push(Writer::create(
            &root,
            Purpose::Redirect,
            WriterOptions::default(),
            Arc::clone(&budget),
            stats,
        )?);
    }
    let count = i64::try_from(cli.clicks)?;
    for number in 0..count {
        let link = match cli.spread {
            Spread::Skewed if random.below(2) == 0 => links[random.below(links.len().div_ceil(100))],
            _ => links[random.below(links.len())],
        };
        let click = Click {
            at: Time::from_ms(now - SPAN_MS + SPAN_MS * number / count),
            link,
            state: LinkState::Live,
            flags: ClickFlags::default(),
            visitor: random.next(),
            country: *b"DE",
            user_agent: texts.user_agents[random.below(texts.user_agents.len())].as_bytes(),
            referrer: texts.referrers[random.below(texts.referrers.len())].as_bytes(),
            language: texts.languages[random.below(texts.languages.len())].as_bytes(),
        };
        let writer = random.below(writers.len());
        writers[writer].append(CLICK_VERSION, CLICK_KIND, |out| click.encode(out))?;
        if number % 10_000 == 0 {
            bar.set_position(number.unsigned_abs());
        }
    }
    for writer in &mut writers {
        writer.sync()?;
    }
    bar.finish_and_clear();
    Ok(budget.used_bytes())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let cli = Cli::parse();
    let directory = ground::directory(cli.under.as_deref())?;
    let store = Store::open(&Location::Directory(directory.path().to_owned())).await?;
    let links = ground::links(&store, cli.links).await?;
    store.close().await;
    let journal_bytes = fill(&cli, directory.path(), &links)?;

    let wanted = cli.clicks as u64;
    let bar = ground::bar(cli.clicks, "committing");
    let (started, cpu_before) = (Instant::now(), ground::cpu_seconds()?);
    let worker_only = Roles {
        redirect: false,
        api: false,
        worker: true,
    };
    let running = app::start(
        &ground::config(directory.path().to_owned()),
        worker_only,
        Clock::system(),
    )
    .await?;
    loop {
        // The cursors, and not a counter of this process: what they say is committed.
        let committed: u64 = worker::cursors(&running.store).await?.values().sum();
        bar.set_position(committed);
        if committed >= wanted {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), ground::cpu_seconds()? - cpu_before);
    let peak = ground::memory_mib("VmHWM")?;
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
