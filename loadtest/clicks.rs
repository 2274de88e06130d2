//! Clicks as phones send them, the same at every run, appended to journals as redirect threads do it.

use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use linkledger::clock::Clock;
use linkledger::domain::click::{CLICK_KIND, CLICK_VERSION, Click, ClickFlags};
use linkledger::domain::id::LinkId;
use linkledger::domain::link::LinkState;
use linkledger::domain::time::Instant as Time;
use linkledger::journal::{Budget, JournalStats, Purpose, Writer, WriterOptions};
use linkledger::stream::JOURNALS_DIR;

use crate::ground::{self, Outcome};

/// The clicks lie in the last hour, as after an outage of the store: several quarters per link.
const SPAN_MS: i64 = 3_600_000;
const BUDGET_BYTES: u64 = 64 << 30;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Spread {
    /// Every link equally: the most rollup rows a batch can touch.
    Even,
    /// Half of the clicks on one link in a hundred, as in real campaigns.
    Skewed,
}

/// `SplitMix64`: the same clicks at every run.
pub(crate) struct Random(u64);

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
pub(crate) struct Texts {
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

/// What the journals are filled with.
pub(crate) struct Filling {
    pub(crate) clicks: usize,
    pub(crate) journals: usize,
    pub(crate) spread: Spread,
}

/// Fills journals of a data directory as redirect threads would; returns their bytes.
pub(crate) fn fill(wanted: &Filling, data_dir: &Path, links: &[LinkId]) -> Outcome<u64> {
    let root = data_dir.join(JOURNALS_DIR);
    std::fs::create_dir_all(&root)?;
    let budget = Arc::new(Budget::scan(&root, BUDGET_BYTES)?);
    let texts = Texts::new();
    let mut random = Random(2026);
    let now = Clock::system().now().ms();
    let bar = ground::bar(wanted.clicks, "filling the journals");
    let mut writers = Vec::with_capacity(wanted.journals);
    for _ in 0..wanted.journals {
        let stats = Arc::new(JournalStats::default());
        writers.push(Writer::create(
            &root,
            Purpose::Redirect,
            WriterOptions::default(),
            Arc::clone(&budget),
            stats,
        )?);
    }
    let count = i64::try_from(wanted.clicks)?;
    for number in 0..count {
        let link = match wanted.spread {
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
