//! What a person decides about a conversion that the rules held back or gave to nobody.

use serde::{Deserialize, Serialize};

/// A person's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// A held conversion counts after all, for whom the rules found.
    Approve,
    /// A held conversion does not count.
    Reject,
    /// An influencer gets the credit that the rules gave to nobody.
    Credit,
}

impl Decision {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Credit => "credit",
        }
    }

    /// The decision with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Approve, Self::Reject, Self::Credit]
            .into_iter()
            .find(|decision| decision.name() == name)
    }

    /// What it came to, for a person.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Approve => "It was held, and a person approved it.",
            Self::Reject => "It was held, and a person rejected it.",
            Self::Credit => "A person gave the credit.",
        }
    }
}
