//! What a user agent says about who clicks: a person, a program or a preview, in which browser, on
//! which system and kind of device.
//!
//! # Order of looking
//! 1. No user agent at all: a program. Every browser sends one.
//! 2. A browser that an app opened inside itself (Instagram, TikTok…) is a person, whatever else
//!    matches: several of these apps share their names with the previews that their servers draw.
//! 3. The device's name is left out: phones are called `VR BOT` and `DART`.
//! 4. A known crawler's pattern.
//! 5. What no browser's text has: a beginning that none has, a word that only programs carry, an
//!    address or a host inside the text, `compatible;` without a browser behind it, no platform, no
//!    engine.
//!
//! Words and patterns are data: `data/SOURCES.md` names their sources and licences, and says how to
//! measure what they do.

mod device;
mod patterns;
mod words;

use std::sync::{Arc, LazyLock};

use quick_cache::sync::Cache;

use patterns::Patterns;

use crate::domain::agent::Agent;

/// User agents remembered. Real traffic of a day has some tens of thousands; most are rare.
const REMEMBERED: usize = 20_000;
/// Versions the meaning of a stored class: raise it whenever the data or the rules change.
pub const AGENT_DATA_VERSION: i64 = 2;

/// Compiled once for the process: the data is part of the program and never changes while it runs.
static PATTERNS: LazyLock<Patterns> = LazyLock::new(Patterns::compile);

/// Reads user agents, remembering what it read.
pub struct Agents {
    remembered: Cache<Box<str>, Arc<Agent>>,
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            remembered: Cache::new(REMEMBERED),
        }
    }
}

impl Agents {
    /// What is known of this user agent.
    #[must_use]
    pub fn read(&self, user_agent: &str) -> Arc<Agent> {
        if let Some(known) = self.remembered.get(user_agent) {
            return known;
        }
        let agent = Arc::new(read(user_agent));
        self.remembered.insert(user_agent.into(), Arc::clone(&agent));
        agent
    }
}

/// Reads a user agent without remembering it. Takes some tens of microseconds.
#[must_use]
pub fn read(user_agent: &str) -> Agent {
    let patterns = &*PATTERNS;
    let (class, reason) = patterns.classify(user_agent);
    let (browser, os) = patterns.families(user_agent);
    Agent {
        class,
        reason,
        device: device::device(user_agent, &os),
        browser,
        os,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
