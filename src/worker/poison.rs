//! A record that the store refuses must not stop those behind it.
//!
//! # Operation
//! When the store refuses a batch for what is in it, nothing of it is written, and the worker starts again from the
//! cursors with half as many records. That ends at a batch of one record: this one is the culprit, and takes its place
//! as a rejection that can be read. With every batch that passes, batches grow again.
//!
//! # What it never does
//! It never rejects because the store is down, full or busy: [`crate::store::StoreError::blames_the_data`] tells these
//! apart. It never passes over a record without a row that says so.

use super::decode::Decoded;
use crate::store::StoreError;
use crate::store::commit::{Batch, Rejection};
use crate::stream::{Items, Stretch};

/// Why a rejection was not counted.
const REFUSED_BY_STORE: &str = "refused_by_store";

/// How many records the next batch may have.
#[derive(Debug)]
pub(super) struct Caution {
    max_records: usize,
    usual: usize,
}

impl Caution {
    pub(super) fn new(usual: usize) -> Self {
        Self {
            max_records: usual,
            usual,
        }
    }

    pub(super) fn max_records(&self) -> usize {
        self.max_records
    }

    /// The store refused a batch of so many records.
    pub(super) fn refused(&mut self, records: usize) {
        self.max_records = (records.min(self.max_records) / 2).max(1);
    }

    pub(super) fn passed(&mut self) {
        self.max_records = self.max_records.saturating_mul(2).min(self.usual);
    }

    /// Cuts what a feed handed out down to what the next batch may have; whether something was cut off, which the feed
    /// must hand out again.
    pub(super) fn cut(&self, stretches: &mut Vec<Stretch>) -> bool {
        let mut room = self.max_records;
        let mut cut = false;
        stretches.retain_mut(|stretch| {
            let Items::Records(records) = &mut stretch.items else {
                return true;
            };
            cut |= records.len() > room;
            records.truncate(room);
            room -= records.len();
            !records.is_empty()
        });
        cut
    }
}

/// How many records stretches hold.
pub(super) fn count(stretches: &[Stretch]) -> usize {
    let records = stretches.iter().map(|stretch| match &stretch.items {
        Items::Records(records) => records.len(),
        Items::Lost(_) => 0,
    });
    records.sum()
}

/// What is written in the place of records that the store refuses: the facts as they came, so that they can be sent in
/// again when the reason is gone.
pub(super) fn refused(decoded: Decoded, error: &StoreError) -> Batch {
    let mut batch = decoded.batch;
    let mut reject = |part: usize, seq, brand, kind, facts: String| {
        tracing::error!(kind, %error, "the store refuses a record; it is kept as a rejection");
        batch.rejections.push(Rejection {
            part,
            seq,
            brand,
            kind,
            reason: REFUSED_BY_STORE,
            facts: facts.replace('\0', "\u{fffd}"),
        });
    };
    for click in std::mem::take(&mut batch.clicks) {
        let part = &mut batch.parts[click.part];
        part.clicks -= 1;
        part.others += 1;
        let facts = format!("link number {}, at {} ms: {error}", click.link_id, click.at_ms);
        reject(click.part, click.seq, None, "click", facts);
    }
    let json = |facts: Result<String, serde_json::Error>| facts.expect("domain types have plain keys");
    for undecided in decoded.conversions {
        let brand = Some(undecided.conversion.brand.number());
        let facts = json(serde_json::to_string(&undecided.conversion));
        reject(undecided.part, undecided.seq, brand, "conversion", facts);
    }
    for row in std::mem::take(&mut batch.refunds) {
        let brand = Some(row.refund.brand.number());
        let facts = json(serde_json::to_string(&row.refund));
        reject(row.part, row.seq, brand, "refund", facts);
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{JournalId, Purpose, Record};

    fn stretch(records: u64) -> Stretch {
        let record = |seq| Record {
            seq,
            version: 1,
            kind: 1,
            payload: Vec::new(),
        };
        Stretch {
            journal: "00000000000040008000000000000001".parse::<JournalId>().expect("an id"),
            tag: 1,
            purpose: Purpose::Api,
            after_seq: 0,
            items: Items::Records((1..=records).map(record).collect()),
        }
    }

    #[test]
    fn batches_shrink_to_the_culprit_and_grow_again() {
        let mut caution = Caution::new(20_000);
        let mut sizes = Vec::new();
        while caution.max_records() > 1 {
            caution.refused(caution.max_records());
            sizes.push(caution.max_records());
        }
        assert_eq!(sizes.first(), Some(&10_000));
        assert!(sizes.len() <= 15, "{sizes:?}");
        for _ in 0..20 {
            caution.passed();
        }
        assert_eq!(caution.max_records(), 20_000);
    }

    #[test]
    fn what_is_cut_off_is_said() {
        let mut caution = Caution::new(8);
        let mut whole = vec![stretch(5), stretch(3)];
        assert!(!caution.cut(&mut whole));
        assert_eq!(count(&whole), 8);
        caution.refused(8);
        let mut cut = vec![stretch(5), stretch(3)];
        assert!(caution.cut(&mut cut));
        assert_eq!((count(&cut), cut.len()), (4, 1));
    }
}
