//! A brand, its influencers and two weeks of their traffic, through the real HTTP path, and a recount
//! that the reports must equal.
//!
//! Everything is drawn from a seed before anything is sent: `plan` says what will happen and who is
//! due each sale, `live` sends it, `oracle` counts it in its own words, `compare` lays the
//! report beside the count. The service runs on a clock that the demo moves through fourteen days,
//! which is how clicks can grow too old and why a day's visitors can be counted exactly.

mod calendar;
mod cast;
mod chance;
mod compare;
mod crowd;
mod desk;
mod live;
mod mint;
mod oracle;
mod orders;
mod plan;
mod refunds;
mod told;

use std::path::{Path, PathBuf};

use reqwest::StatusCode;

use self::calendar::Calendar;
use self::desk::Desk;
use self::live::Stand;
use self::oracle::Oracle;
use self::plan::Plan;
use crate::agents::AGENT_DATA_VERSION;
use crate::api::{NewKey, draw_key};
use crate::app::{self, Roles, Running, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::role::Role;
use crate::domain::text::Name;
use crate::domain::time::Instant;
use crate::store::{ApiKey, STORE_FILE, StoreError, Verified};
use crate::traffic::{self, Stuck};
pub use compare::Checked;
pub use oracle::ESTIMATE_PERCENT;
pub use told::{LeftOut, Row, Sample, Told, Total};

/// Where a demo lives unless a data directory is named: never among real books.
pub const DEMO_DIR: &str = "./linkledger-demo";
/// Marks a directory as a demo's.
const MARK_FILE: &str = "this-is-a-demo";

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Clicks, those of programs among them.
    pub clicks: usize,
    /// Orders, test orders among them.
    pub orders: usize,
    /// The same seed gives the same demo.
    pub seed: u64,
    /// Clicks under way at the same time.
    pub concurrency: usize,
}

impl Scale {
    const fn check(&self) -> Result<(), DemoError> {
        if self.clicks > crowd::VISITORS_MAX || self.orders > self.clicks / CLICKS_AN_ORDER {
            return Err(DemoError::Scale);
        }
        Ok(())
    }
}

/// Fewer clicks for each order than this, and not everything a demo shows could happen.
const CLICKS_AN_ORDER: usize = 4;

/// Why a demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Real books may lie there.
    #[error(
        "{} holds a store that no demo made; name another directory with LINKLEDGER_DATA_DIR, or none: then it is {DEMO_DIR}", .0.display()
    )]
    RealBooks(PathBuf),
    /// A database that real books may be in.
    #[error(
        "a demo plays on files of its own, never in a database that others use: run it without LINKLEDGER_DATABASE_URL"
    )]
    Shared,
    /// A demo was there before.
    #[error("{} holds an earlier demo; --again adds another brand to it, or remove the directory", .0.display())]
    Earlier(PathBuf),
    /// The directory.
    #[error("cannot use {path}: {source}", path = .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The scale contradicts itself.
    #[error(
        "a demo takes at least {CLICKS_AN_ORDER} clicks for each order, and at most {} clicks",
        crowd::VISITORS_MAX
    )]
    Scale,
    /// The service did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A request that could not be sent.
    #[error("a request could not be sent: {0}")]
    Http(#[from] reqwest::Error),
    /// A request that was not answered as it should be.
    #[error("{what} was answered with {status}: {body}")]
    Refused {
        /// The request.
        what: String,
        /// The answer's status.
        status: StatusCode,
        /// The answer.
        body: String,
    },
    /// An answer without what it should hold.
    #[error("{what} is missing in an answer: {body}")]
    Strange {
        /// What was looked for.
        what: String,
        /// The answer.
        body: String,
    },
    /// The worker stopped committing.
    #[error(transparent)]
    Stuck(#[from] Stuck),
}

/// How far a demo is.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// So many things will be made, and so many refunds told.
    Planned {
        /// Influencers, campaigns, links and codes.
        pieces: usize,
        /// Orders and other events, repeats among them.
        events: usize,
        /// Refunds.
        refunds: usize,
    },
    /// So many more things were made.
    Minted(u64),
    /// So many more clicks were answered.
    Clicked(u64),
    /// So many more orders were accepted.
    Ordered(u64),
    /// So many more refunds were accepted.
    Refunded(u64),
    /// Everything was sent; the worker finishes.
    Committing,
    /// Everything is in the store and will be compared.
    Comparing,
}

/// What a demo came to.
#[derive(Debug)]
pub struct Demo {
    /// For the reader.
    pub told: Told,
    /// Against the oracle.
    pub checked: Checked,
    /// What the store's own recount says.
    pub verified: Verified,
    /// Clicks answered.
    pub clicks: usize,
    /// Orders and other events told, without repeats.
    pub events: usize,
    /// Opens everything, in this directory.
    pub operator_key: String,
    /// Reads this demo's brand.
    pub read_key: String,
}

impl Demo {
    /// Whether every figure is what it should be and the books agree.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checked.differences.is_empty() && self.verified.mismatches.is_empty()
    }
}

/// Plays a demo from an empty directory, or `again` beside an earlier one.
///
/// # Errors
/// [`DemoError`]; a figure that is not as it should be is no error but an answer.
pub async fn run(config: &Config, scale: &Scale, again: bool, mut tell: impl FnMut(Stage)) -> Result<Demo, DemoError> {
    scale.check()?;
    if config.database_url.is_some() {
        return Err(DemoError::Shared);
    }
    claim(&config.data_dir, again)?;
    let plan = Plan::draw(scale);
    tell(Stage::Planned {
        pieces: mint::pieces(&plan),
        events: plan
            .orders
            .iter()
            .map(|order| if order.sent_twice { 2 } else { 1 })
            .sum(),
        refunds: plan.refunds.len(),
    });
    let calendar = Calendar::ending(Clock::system().now());
    let clock = Clock::fixed(calendar.at(0));
    let config = Config {
        // The crowd's addresses come as a proxy would tell them.
        trusted_proxies: vec![std::net::IpAddr::from([127, 0, 0, 1]).into()],
        ..traffic::on_free_ports(config)
    };
    let running = app::start(&config, Roles::ALL, clock.clone()).await?;
    let outcome = play(&running, &plan, scale, &calendar, &clock, &mut tell).await;
    running.stop().await;
    outcome
}

/// Takes a directory that is empty or an earlier demo's, and marks it.
fn claim(dir: &Path, again: bool) -> Result<(), DemoError> {
    let mark = dir.join(MARK_FILE);
    if dir.join(STORE_FILE).exists() {
        return match (mark.exists(), again) {
            (true, true) => Ok(()),
            (true, false) => Err(DemoError::Earlier(dir.to_owned())),
            (false, _) => Err(DemoError::RealBooks(dir.to_owned())),
        };
    }
    let made = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&mark, "Everything here is invented.\n"));
    made.map_err(|source| DemoError::Directory {
        path: dir.to_owned(),
        source,
    })
}

async fn play(
    running: &Running,
    plan: &Plan,
    scale: &Scale,
    calendar: &Calendar,
    clock: &Clock,
    tell: &mut impl FnMut(Stage),
) -> Result<Demo, DemoError> {
    let operator_key = operator_key(running, clock.now()).await?;
    let desk = Desk::new(&running.api_public_url, &operator_key)?;
    let (desk, minted) = mint::mint(desk, plan, tell).await?;
    let stand = Stand {
        plan,
        minted: &minted,
        desk: &desk,
        calendar,
        clock,
        public_url: &running.public_url,
        concurrency: scale.concurrency,
    };
    stand.live(tell).await?;
    traffic::wait_for_commit(running, plan.clicks.len() as u64).await?;
    tell(Stage::Comparing);
    let oracle = Oracle::recount(plan, &minted, calendar);
    let (checked, conversions) = compare::check(&desk, plan, &minted, &oracle, calendar).await?;
    let told = told::tell(&desk, plan, &minted, calendar, &conversions).await?;
    Ok(Demo {
        told,
        checked,
        verified: running.store.verify(AGENT_DATA_VERSION, |_| {}).await?,
        clicks: plan.clicks.len(),
        events: plan.orders.len(),
        operator_key,
        read_key: minted.read_key,
    })
}

/// A key of this demo's own: an earlier one's was shown once and is not known here.
async fn operator_key(running: &Running, now: Instant) -> Result<String, DemoError> {
    let key = draw_key();
    let new = NewKey {
        key: &key,
        name: Name::parse("demo").expect("a plain word"),
        role: Role::Operator,
        brand: None,
        now,
    };
    running.store.create(ApiKey::from(new)).await?;
    running.catalog.catch_up(&running.store).await?;
    Ok(key)
}
