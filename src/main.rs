//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use linkledger::app::Roles;
use linkledger::command::{self, Failure};
use linkledger::config::{Config, Sources};
use linkledger::demo::{DEMO_DIR, Scale};
use linkledger::stream::SHARDS_MAX;
use linkledger::telemetry;

/// Which influencer earned which sale: short links, clicks, conversions, credit, reports.
///
/// Started bare, it runs everything in one process on files in ./data. Settings come from the
/// environment (LINKLEDGER_…) or a TOML file; deploy/linkledger.toml documents each.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// A TOML file with settings; the environment wins over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve redirects, the API and the worker (what happens without a command, too).
    Serve(Serve),
    /// Replay recorded clicks through the real redirect path, then report them.
    ///
    /// FILE holds JSON lines in the form of the 1.usa.gov feed: `h` slug, `u` url, `a` user agent,
    /// `r` referrer, `al` language. A link is made for every slug; lines that are no clicks are
    /// counted and left out. Clicks count at the time of the replay. Runs on free ports, in the
    /// configured data directory.
    Replay(Replay),
    /// Play two weeks of an invented brand through the real HTTP path, then report and check them.
    ///
    /// 24 influencers with links and promo codes, clicks of people and programs, orders that came by a
    /// click, by a code, by both or by neither, self-referrals, test orders, repeats and refunds: all
    /// drawn from a seed and sent to a service started for it on free ports. The report at the end is
    /// compared with a count of what was sent, figure by figure, and the books are recounted; exit
    /// status 1 if anything differs. The service's clock is moved through the last fourteen days.
    ///
    /// Lives in ./linkledger-demo unless LINKLEDGER_DATA_DIR names another directory, and refuses one
    /// that holds a store. Removes nothing.
    Demo(Demo),
    /// Recount everything and say where the books do not agree; exit status 1 if they do not.
    ///
    /// Takes no lock and reads one snapshot, so it may run beside a serving process.
    Verify,
    /// Read stored user agents again after their data changed, and count their clicks anew.
    ///
    /// Takes up agents that were read by data of another version. May run beside a serving process, may
    /// be broken off, and is then run again.
    Reclassify {
        /// Read every user agent again and count everything that hangs on them anew.
        #[arg(long)]
        all: bool,
    },
    /// Print what the Redis streams hold as JSON lines: what no worker has committed yet.
    ///
    /// One record a line: `journal`, `seq`, `kind` (click, conversion, refund, lost) and, under the name of the kind, what
    /// it is. Takes nothing out, and may run beside everything. Entries that cannot be read are told as `unreadable`.
    Tail {
        /// Only this shard; without it all that there can be.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..i64::from(SHARDS_MAX)))]
        shard: Option<u16>,
        /// Go on at the end until Ctrl-C.
        #[arg(long)]
        follow: bool,
    },
    /// Bring the journals that a dead node left into the store.
    ///
    /// Takes the lock of the data directory DIR, so the node must be dead. With Redis configured it forwards the journals
    /// for the workers to commit; without, it commits them itself. Ends when the store has confirmed every record: after
    /// that DIR may go. Exit status 1, and what is left, after Ctrl-C or a minute without progress; then nothing is lost,
    /// and it may be run again.
    Drain {
        /// The dead node's data directory.
        dir: PathBuf,
    },
    /// Manage API keys.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Bring the store's schema up to date, and do nothing else.
    Migrate,
}

#[derive(Args, Default)]
struct Serve {
    /// The parts to run, comma-separated: redirect, api, worker. Without it, all.
    #[arg(long, value_name = "ROLES")]
    role: Option<Roles>,
}

#[derive(Args)]
struct Replay {
    /// The recorded clicks.
    file: PathBuf,
    /// Clicks under way at the same time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    concurrency: u16,
    /// Links shown in the report; without it 25 on a terminal, all otherwise.
    #[arg(long, value_name = "N")]
    top: Option<usize>,
}

#[derive(Args)]
struct Demo {
    /// Clicks, those of programs among them.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    clicks: usize,
    /// Orders, test orders among them; signups and the like come on top.
    #[arg(long, value_name = "N", default_value_t = 2_500)]
    orders: usize,
    /// The same seed draws the same demo.
    #[arg(long, default_value_t = 24)]
    seed: u64,
    /// Clicks under way at the same time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    concurrency: u16,
    /// Into the directory of an earlier demo: adds a brand of its own, `Demo 2` and so on.
    #[arg(long)]
    again: bool,
    /// After the report, serve these files on the configured addresses until Ctrl-C.
    #[arg(long)]
    keep_serving: bool,
}

impl From<Demo> for command::Asked {
    fn from(demo: Demo) -> Self {
        Self {
            scale: Scale {
                clicks: demo.clicks,
                orders: demo.orders,
                seed: demo.seed,
                concurrency: usize::from(demo.concurrency),
            },
            again: demo.again,
            keep_serving: demo.keep_serving,
        }
    }
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Make a key and print it; it is shown this once.
    Create {
        /// The brand's name or id.
        #[arg(long, default_value = "default")]
        brand: String,
        /// operator (everything, in all brands), admin (everything in one), ingest (posts conversions and refunds) or read.
        #[arg(long, default_value = "read", value_parser = command::parse_role)]
        role: linkledger::domain::role::Role,
        /// What the key is for.
        #[arg(long, default_value = "made on the command line")]
        name: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    // Journals and the store hold what visitors and customers did: nobody else's to read.
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    // In test builds FAILPOINTS names the points at which this process is to die.
    let _fail_points = fail::has_failpoints().then(fail::FailScenario::setup);
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("linkledger: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let mut sources = Sources::read(cli.config.as_deref())?;
    if matches!(cli.command, Some(Command::Demo(_))) {
        sources.unless_given("data_dir", DEMO_DIR);
        // The report is what a demo has to say.
        sources.unless_given("log", "warn");
    }
    let config = Config::load(sources)?;
    telemetry::start(&config.log).map_err(Failure::Log)?;
    match cli.command.unwrap_or_else(|| Command::Serve(Serve::default())) {
        Command::Serve(serve) => command::serve(&config, serve.role.unwrap_or(Roles::ALL)).await,
        Command::Replay(replay) => command::replay(&config, &replay.file, replay.concurrency, replay.top).await,
        Command::Demo(demo) => command::demo(&config, demo.into()).await,
        Command::Tail { shard, follow } => command::tail(&config, shard, follow).await,
        Command::Drain { dir } => command::drain(&config, &dir).await,
        Command::Verify => command::verify(&config).await,
        Command::Reclassify { all } => command::reclassify(&config, all).await,
        Command::Key {
            command: KeyCommand::Create { brand, role, name },
        } => command::create_key(&config, &brand, role, &name).await,
        Command::Migrate => command::migrate(&config).await,
    }
}
