//! What a batch is made of: decided facts, ready to be written.

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::agent::Agent;
use crate::domain::attribution::{Attribution, Why};
use crate::domain::conversion::NewConversion;
use crate::domain::conversion_state::ConversionState;
use crate::domain::event_id::ConversionId;
use crate::domain::refund::{NewRefund, RefundRefusal};
use crate::domain::time::Instant;

/// A batch: what several journals held after their cursors.
#[derive(Debug, Default)]
pub struct Batch {
    /// The stream's shard that the batch is from; only its worker writes these rows of the rollups.
    pub shard: i64,
    /// The journals, each once.
    pub parts: Vec<JournalPart>,
    /// Clicks of all parts.
    pub clicks: Vec<ClickRow>,
    /// Conversions of all parts, in the order of acceptance.
    pub conversions: Vec<Decided>,
    /// Refunds of all parts, in the order of acceptance.
    pub refunds: Vec<RefundRow>,
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
    pub fn state(&self) -> ConversionState {
        if self.conversion.test {
            ConversionState::Test
        } else if self.attribution.held.is_some() {
            ConversionState::Held
        } else if self.attribution.credits.is_empty() {
            ConversionState::Unattributed
        } else {
            ConversionState::Attributed
        }
    }
}

/// A refund whose order is still to be found.
#[derive(Debug, Clone)]
pub struct RefundRow {
    /// Which of the batch's parts it is from.
    pub part: usize,
    /// Its sequence there.
    pub seq: i64,
    /// The facts.
    pub refund: NewRefund,
    /// When it counts.
    pub refunded_at: Instant,
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
    /// `click`, `conversion` or `refund`.
    pub kind: &'static str,
    /// Why it was not counted.
    pub reason: &'static str,
    /// The facts that we use, as JSON or words.
    pub facts: String,
}

/// What became of a batch at commit.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// Of its conversions, in the batch's order.
    pub conversions: Vec<Outcome>,
    /// Of its refunds, in the batch's order.
    pub refunds: Vec<RefundOutcome>,
    /// Of earlier refunds that waited for orders of this batch.
    pub settled: Vec<RefundOutcome>,
}

/// What became of a refund at commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundOutcome {
    /// Its order was there, and it was taken off.
    Applied,
    /// Its order has not come yet.
    Pending,
    /// It was refused; kept as a rejection.
    Refused(RefundRefusal),
    /// It was there already, with the same amount.
    Repeated,
    /// It was there already, with another amount: the first stands, this one is a rejection.
    Contradicted,
}

/// The reason of a rejection that differs from what was counted under the same identity.
pub const CONTRADICTS_FIRST: &str = "contradicts_first";

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
