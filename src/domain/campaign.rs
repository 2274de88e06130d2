//! Campaigns: where links lead, when they count, and by which rule.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::attribution::{DEFAULT_WINDOW_DAYS, MAX_WINDOW_DAYS};
use super::invalid::Invalid;

/// Who wins when a click and a code of different influencers are both eligible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Conflict {
    /// The code: the buyer typed the name.
    #[default]
    CodeWins,
    /// The click.
    LinkWins,
}

super::object::only_from_words!(Conflict);

/// How a campaign's conversions are attributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AttributionRule {
    /// Look-back window in days of 86,400 s: 1 to 3,650.
    #[serde(default = "default_window_days")]
    #[schema(minimum = 1, maximum = 3650, default = default_window_days)]
    pub window_days: u32,
    /// Code against click.
    #[serde(default)]
    pub conflict: Conflict,
}

super::object::only_from_objects!(AttributionRule);

const fn default_window_days() -> u32 {
    DEFAULT_WINDOW_DAYS
}

impl Default for AttributionRule {
    fn default() -> Self {
        Self {
            window_days: DEFAULT_WINDOW_DAYS,
            conflict: Conflict::default(),
        }
    }
}

impl AttributionRule {
    /// Checks the window.
    ///
    /// # Errors
    /// [`Invalid`] naming `attribution.window_days`.
    pub fn check(&self) -> Result<(), Invalid> {
        if (1..=MAX_WINDOW_DAYS).contains(&self.window_days) {
            Ok(())
        } else {
            let message = format!("must be between 1 and {MAX_WINDOW_DAYS} days");
            Err(Invalid::one("attribution.window_days", message))
        }
    }
}
