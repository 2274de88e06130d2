//! From records to rows: reads each payload, clamps impossible times, classifies.
//!
//! A payload of a known version that cannot be read never stops a batch: it becomes a rejection
//! that one can look at. A version that this program does not know stops its journal right there,
//! because a newer program knows what to do with it.

use crate::agents::Agents;
use crate::domain::click::{CLICK_KIND, CLICK_VERSION, Click, ClickClass};
use crate::domain::conversion::{CONVERSION_KIND, CONVERSION_VERSION, NewConversion};
use crate::domain::refund::{NewRefund, REFUND_KIND, REFUND_VERSION};
use crate::domain::time::{Instant, SECOND_MS};
use crate::journal::{JournalId, LostWhy, Purpose, Record};
use crate::store::commit::{Batch, ClickRow, JournalPart, LostRange, RefundRow, Rejection};
use crate::stream::{Items, Stretch};

/// A node's clock may be ahead of the store's by this much before its word is not taken.
pub(super) const AHEAD_MAX_MS: i64 = 300 * SECOND_MS;
/// Bytes of an unreadable record that are kept for whoever looks into it.
const REJECTED_BYTES_KEPT: usize = 256;

/// A conversion whose earner is still to be found.
pub(super) struct Undecided {
    pub(super) part: usize,
    pub(super) seq: i64,
    pub(super) conversion: NewConversion,
}

#[derive(Default)]
pub(super) struct Decoded {
    pub(super) batch: Batch,
    pub(super) conversions: Vec<Undecided>,
    pub(super) held: Vec<JournalId>,
}

pub(super) fn decode(stretches: Vec<Stretch>, agents: &Agents, now: Instant) -> Decoded {
    let mut decoded = Decoded::default();
    for stretch in stretches {
        decoded.take(stretch, agents, now);
    }
    decoded
}

fn signed(seq: u64) -> i64 {
    i64::try_from(seq).expect("a journal is replaced long before 2^63 records")
}

impl Decoded {
    fn take(&mut self, stretch: Stretch, agents: &Agents, now: Instant) {
        let mut part = JournalPart {
            journal: stretch.journal.to_string(),
            tag: stretch.tag,
            purpose: match stretch.purpose {
                Purpose::Redirect => "redirect",
                Purpose::Api => "api",
            },
            after_seq: signed(stretch.after_seq),
            last_seq: signed(stretch.after_seq),
            clicks: 0,
            others: 0,
            lost: None,
        };
        let place = self.batch.parts.len();
        match stretch.items {
            Items::Lost(lost) => {
                part.last_seq = signed(lost.to);
                part.lost = Some(LostRange {
                    from: signed(lost.from),
                    to: signed(lost.to),
                    why: match lost.why {
                        LostWhy::Missing => "missing",
                        LostWhy::Corrupt => "corrupt",
                    },
                });
            }
            Items::Records(records) => {
                for record in &records {
                    if !self.take_record(record, place, agents, now) {
                        self.held.push(stretch.journal);
                        break;
                    }
                    part.last_seq = signed(record.seq);
                    if record.kind == CLICK_KIND {
                        part.clicks += 1;
                    } else {
                        part.others += 1;
                    }
                }
            }
        }
        // A click that could not be read is a rejection, so it counts among the others.
        let unread = self
            .batch
            .rejections
            .iter()
            .filter(|r| r.part == place && r.kind == "click")
            .count();
        let unread = i64::try_from(unread).expect("a batch is small");
        part.clicks -= unread;
        part.others += unread;
        if part.last_seq > part.after_seq {
            self.batch.parts.push(part);
        }
    }

    /// `false` when this program does not know the record's version.
    fn take_record(&mut self, record: &Record, part: usize, agents: &Agents, now: Instant) -> bool {
        let seq = signed(record.seq);
        match (record.kind, record.version) {
            (CLICK_KIND, CLICK_VERSION) => match Click::decode(&record.payload) {
                Ok(click) => self.batch.clicks.push(row(&click, part, seq, agents, now)),
                Err(error) => self.reject(part, seq, "click", &error.to_string(), &record.payload),
            },
            (CONVERSION_KIND, CONVERSION_VERSION) => match serde_json::from_slice(&record.payload) {
                Ok(conversion) => self.conversions.push(Undecided { part, seq, conversion }),
                Err(error) => self.reject(part, seq, "conversion", &error.to_string(), &record.payload),
            },
            (REFUND_KIND, REFUND_VERSION) => match serde_json::from_slice::<NewRefund>(&record.payload) {
                Ok(refund) => {
                    let refunded_at = refund.refunded_at.unwrap_or_else(|| honest(refund.accepted_at, now));
                    let row = RefundRow {
                        part,
                        seq,
                        refund,
                        refunded_at,
                    };
                    self.batch.refunds.push(row);
                }
                Err(error) => self.reject(part, seq, "refund", &error.to_string(), &record.payload),
            },
            _ => return false,
        }
        true
    }

    fn reject(&mut self, part: usize, seq: i64, kind: &'static str, error: &str, payload: &[u8]) {
        tracing::error!(
            kind,
            error,
            "a journaled record cannot be read; it is kept as a rejection"
        );
        let start = String::from_utf8_lossy(&payload[..payload.len().min(REJECTED_BYTES_KEPT)]);
        self.batch.rejections.push(Rejection {
            part,
            seq,
            brand: None,
            kind,
            reason: "unreadable_record",
            facts: format!("{error}: {start}").replace('\0', "\u{fffd}"),
        });
    }
}

/// When an event counts, given what the node's clock said: its word is not taken when it lies
/// before this software existed or well ahead of the store's time.
pub(super) fn honest(said: Instant, now: Instant) -> Instant {
    let possible = said >= Instant::EARLIEST_HONEST && said.ms() <= now.ms() + AHEAD_MAX_MS;
    if possible { said } else { now }
}

/// Text as the store takes it: valid UTF-8 and no NUL, which Postgres refuses.
fn clean(bytes: &[u8]) -> Box<str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text.into(),
        _ => String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}").into(),
    }
}

fn row(click: &Click<'_>, part: usize, seq: i64, agents: &Agents, now: Instant) -> ClickRow {
    let at = honest(click.at, now);
    let user_agent = clean(click.user_agent);
    let agent = agents.read(&user_agent);
    let (class, reason) = agent.class_of(click.flags);
    let country = click.country;
    let known = country.iter().all(u8::is_ascii_alphabetic);
    ClickRow {
        part,
        seq,
        at_ms: at.ms(),
        clock_at_ms: (at != click.at).then(|| click.at.ms()),
        link_id: click.link.number(),
        state: click.state.code(),
        flags: click.flags.bits(),
        class: class.code(),
        human: class == ClickClass::Human,
        reason,
        visitor: click.visitor.cast_signed(),
        country: if known {
            clean(&country.map(|b| b.to_ascii_uppercase()))
        } else {
            Box::default()
        },
        user_agent,
        agent,
        referrer: clean(click.referrer),
        language: clean(click.language),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_is_not_believed() {
        let now = Instant::parse("2026-11-21T12:00:00Z").expect("valid");
        let at = |text| Instant::parse(text).expect("valid");
        assert_eq!(honest(at("1970-01-01T00:00:00Z"), now), now);
        assert_eq!(honest(at("2099-01-01T00:00:00Z"), now), now);
        assert_eq!(honest(at("2026-11-21T12:05:00Z"), now), at("2026-11-21T12:05:00Z"));
        assert_eq!(honest(at("2026-11-21T12:05:00.001Z"), now), now);
        assert_eq!(honest(at("2026-11-20T12:00:00Z"), now), at("2026-11-20T12:00:00Z"));
    }

    #[test]
    fn texts_lose_nul_and_bad_utf_8_but_nothing_else() {
        assert_eq!(&*clean(b"a\0b"), "a\u{fffd}b");
        assert_eq!(&*clean(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(&*clean("müller".as_bytes()), "müller");
    }
}
