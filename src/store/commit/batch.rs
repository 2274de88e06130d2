//! What a batch is made of: decided facts, ready to be written.

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::agent::Agent;
use crate::domain::attribution::{Attribution, Why};
use crate::domain::conversion::{ConversionId, NewConversion};
use crate::domain::time::Instant;

/// A batch: what several journals held after their cursors.
#[derive(Debug, Default)]
pub struct Batch {
    /// The journals, each once.
    pub parts: Vec<JournalPart>,
    /// Clicks of all parts.
    pub clicks: Vec<ClickRow>,
    /// Conversions of all parts, in the order of acceptance.
    pub conversions: Vec<Decided>,
    /// Records that could not be understood.
    pub rejections: Vec<Rejection>,
}

/// A stretch of one journal: everything after `after_seq` up to `last_seq`.
#[derive(Debug, Clone)]
pub struct JournalPart {
    /// The journal's uuid.
    pub journal: String,
    /// Its tag in click ids.
    pub tag: u32,
    /// Who wrote it: `redirect` or `api`.
    pub purpose: &'static str,
    /// Where the cursor must stand.
    pub after_seq: i64,
    /// Where it will stand.
    pub last_seq: i64,
    /// Clicks among the records.
    pub clicks: i64,
    /// Everything else among them.
    pub others: i64,
    /// Records that the journal no longer has; then it has no others in this stretch.
    pub lost: Option<LostRange>,
}

/// Records that are gone, declared instead of skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostRange {
    /// The first.
    pub from: i64,
    /// The last.
    pub to: i64,
    /// `missing` or `corrupt`.
    pub why: &'static str,
}

/// One click, classified.
#[derive(Debug, Clone)]
pub struct ClickRow {
    /// Which of the batch's parts it is from.
    pub part: usize,
    /// Its sequence there.
    pub seq: i64,
    /// When it counts.
    pub at_ms: i64,
    /// What the node's clock said, where that cannot be.
    pub clock_at_ms: Option<i64>,
    /// The link.
    pub link_id: i64,
    /// The link's state at the click.
    pub state: u8,
    /// What the request said about itself.
    pub flags: u8,
    /// What it counts as.
    pub class: u8,
    /// Whether it counts as a person's.
    pub human: bool,
    /// Why it does not.
    pub reason: Cow<'static, str>,
    /// The visitor's hash.
    pub visitor: i64,
    /// Two letters, or empty.
    pub country: Box<str>,
    /// Cleaned text.
    pub user_agent: Box<str>,
    /// What was read from it.
    pub agent: Arc<Agent>,
    /// Without query.
    pub referrer: Box<str>,
    /// As received.
    pub language: Box<str>,
}

/// A conversion with what attribution made of it.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Which of the batch's parts it is from.
    pub part: usize,
    /// Its sequence there.
    pub seq: i64,
    /// The facts.
    pub conversion: NewConversion,
    /// When it counts.
    pub occurred_at: Instant,
    /// Who earned it.
    pub attribution: Attribution,
}

impl Decided {
    /// Why it does not count, or not yet.
    #[must_use]
    pub fn reason(&self) -> Option<Why> {
        self.attribution.held.or(self.attribution.reason)
    }

    /// The state it is stored with.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.conversion.test {
            "test"
        } else if self.attribution.held.is_some() {
            "held"
        } else if self.attribution.credits.is_empty() {
            "unattributed"
        } else {
            "attributed"
        }
    }
}

/// A record that was not counted.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// Which of the batch's parts it is from.
    pub part: usize,
    /// Its sequence there.
    pub seq: i64,
    /// Whose it is, where that is known.
    pub brand: Option<i64>,
    /// `conversion` or `record`.
    pub kind: &'static str,
    /// Why it was not counted.
    pub reason: &'static str,
    /// The facts that we use, as JSON or words.
    pub facts: String,
}

/// What became of a conversion at commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was counted.
    Counted(ConversionId),
    /// It was there already, with the same amount.
    Repeated(ConversionId),
    /// It was there already, with another amount: the first stands, this one is a rejection.
    Contradicted(ConversionId),
}
