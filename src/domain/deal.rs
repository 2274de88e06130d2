//! Deals: when one influencer's own terms in one campaign count.

use super::invalid::Invalid;
use super::time::Instant;

/// When a deal counts. The default, which stands for no deal at all, always does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DealTerm {
    /// First instant that counts; absent: always has.
    pub starts_at: Option<Instant>,
    /// First instant that no longer counts; absent: never ends.
    pub ends_at: Option<Instant>,
}

impl DealTerm {
    /// Reads a term: it must not end before it starts.
    ///
    /// # Errors
    /// [`Invalid`] naming `ends_at`.
    pub fn parse(starts_at: Option<Instant>, ends_at: Option<Instant>) -> Result<Self, Invalid> {
        if let (Some(start), Some(end)) = (starts_at, ends_at)
            && end <= start
        {
            return Err(Invalid::one("ends_at", "must lie after starts_at"));
        }
        Ok(Self { starts_at, ends_at })
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self, at: Instant) -> bool {
        self.ends_at.is_some_and(|end| at >= end)
    }

    /// Whether it is still to come.
    #[must_use]
    pub fn is_to_come(&self, at: Instant) -> bool {
        self.starts_at.is_some_and(|start| at < start)
    }
}
