//! Judges the entries of a stream one after the other and puts together what one transaction commits. Pure: whoever calls
//! it reads the entries and the cursors.

use std::collections::{HashMap, HashSet};

use super::commands::{EntryId, Found};
use super::format::{Entry, EntryError};
use crate::journal::JournalId;
use crate::stream::{Items, Lot, Stretch};

/// Unpacked bytes of one lot, about; a batch that is begun is taken whole.
const LOT_MAX_BYTES: usize = 16 << 20;

/// What the feed remembers of journals between lots.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// How far each journal is: the cursor as last read, or as it is after the last commit of this worker.
    pub(super) positions: HashMap<JournalId, u64>,
    /// Journals that wait for a newer worker.
    pub(super) held: HashSet<JournalId>,
}

/// What was decided about entries of one page, beyond those taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdicts {
    /// Covered by the cursor, or no use to anybody: to be deleted now.
    pub(super) dead: Vec<EntryId>,
    pub(super) unreadable: u64,
    pub(super) gaps: u64,
    /// Journals that began to wait for a newer worker with this page.
    pub(super) newly_held: Vec<JournalId>,
}

/// A lot in the making, of one shard.
#[derive(Debug, Default)]
pub(super) struct Draft {
    stretches: Vec<Stretch>,
    places: HashMap<JournalId, usize>,
    /// Journals with entries that must wait for this lot's commit.
    blocked: HashSet<JournalId>,
    /// What is to be deleted once the lot is committed.
    entries: Vec<(JournalId, EntryId)>,
    records: usize,
    bytes: usize,
    /// Whether entries of held journals were passed over.
    pub(super) left_behind: bool,
}

/// Where a batch stands to what is covered already.
enum Place {
    Covered,
    Next,
    Gap,
}

fn place(entry: &Entry, position: u64) -> Place {
    if entry.last_seq <= position {
        Place::Covered
    } else if entry.first_seq > position + 1 {
        Place::Gap
    } else {
        Place::Next
    }
}

pub(super) type Decoded = Vec<(EntryId, Result<Entry, EntryError>)>;

/// Reads the entries of a page.
pub(super) fn decode(page: Vec<Found>) -> Decoded {
    let decode = |found: Found| {
        let entry = found.batch.ok_or(EntryError::Unreadable);
        (found.id, entry.and_then(|batch| Entry::decode(&batch)))
    };
    page.into_iter().map(decode).collect()
}

impl Draft {
    /// Journals of this page whose cursors must be read before it is judged: those not known, and those whose first batch
    /// is not the next one, because what is known may be out of date in either direction.
    pub(super) fn doubtful(&self, page: &Decoded, known: &Known) -> Vec<JournalId> {
        let mut met = HashSet::new();
        let mut doubtful = Vec::new();
        for entry in page.iter().filter_map(|(_, entry)| entry.as_ref().ok()) {
            let id = entry.journal;
            if known.held.contains(&id) || self.places.contains_key(&id) || !met.insert(id) {
                continue;
            }
            let position = known.positions.get(&id);
            if position.is_none_or(|position| entry.first_seq != position + 1) {
                doubtful.push(id);
            }
        }
        doubtful
    }

    /// Judges a page. The positions of its doubtful journals are the cursors, read after the page.
    pub(super) fn judge(&mut self, page: Decoded, known: &mut Known) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for (id, entry) in page {
            match entry {
                Ok(entry) => self.judge_one(id, &entry, known, &mut verdicts),
                Err(EntryError::Unreadable) => {
                    verdicts.unreadable += 1;
                    verdicts.dead.push(id);
                }
                Err(EntryError::UnknownVersion { journal, .. }) => {
                    self.left_behind = true;
                    if known.held.insert(journal) {
                        verdicts.newly_held.push(journal);
                    }
                }
            }
        }
        verdicts
    }

    fn judge_one(&mut self, id: EntryId, entry: &Entry, known: &mut Known, verdicts: &mut Verdicts) {
        let journal = entry.journal;
        if known.held.contains(&journal) {
            self.left_behind = true;
            return;
        }
        if self.blocked.contains(&journal) {
            return;
        }
        let taken = self.places.get(&journal).copied();
        let position = taken.map_or_else(
            || known.positions.get(&journal).copied().unwrap_or(0),
            |place| self.stretches[place].last_seq(),
        );
        match (place(entry, position), taken) {
            (Place::Covered, Some(_)) => self.entries.push((journal, id)),
            (Place::Covered, None) => verdicts.dead.push(id),
            // Behind what was taken; whether it is a gap is known once that is committed.
            (Place::Gap, Some(_)) => {
                self.blocked.insert(journal);
            }
            (Place::Gap, None) => {
                verdicts.gaps += 1;
                verdicts.dead.push(id);
            }
            (Place::Next, taken) => match entry.unpack(position) {
                Ok(stretch) => self.take(id, entry, stretch, taken),
                Err(_) => {
                    verdicts.unreadable += 1;
                    verdicts.dead.push(id);
                }
            },
        }
    }

    /// A lot has one run of each journal: records behind records go on with it, anything else waits for the commit.
    fn take(&mut self, id: EntryId, entry: &Entry, stretch: Stretch, taken: Option<usize>) {
        let journal = entry.journal;
        match taken {
            None => {
                self.places.insert(journal, self.stretches.len());
                self.records += record_count(&stretch);
                self.stretches.push(stretch);
            }
            Some(place) => match (&mut self.stretches[place].items, stretch.items) {
                (Items::Records(before), Items::Records(records)) => {
                    self.records += records.len();
                    before.extend(records);
                }
                _ => {
                    self.blocked.insert(journal);
                    return;
                }
            },
        }
        self.bytes += entry.unpacked_bytes();
        self.entries.push((journal, id));
    }

    pub(super) fn is_full(&self, max_records: usize) -> bool {
        self.records >= max_records || self.bytes >= LOT_MAX_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Whether the next lot must look at the stream's start again.
    pub(super) fn is_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// The lot, and what is to be deleted once it is committed. From now on its journals count as committed.
    pub(super) fn finish(self, shard: u16, known: &mut Known) -> (Lot, Vec<(JournalId, EntryId)>) {
        for stretch in &self.stretches {
            known.positions.insert(stretch.journal, stretch.last_seq());
        }
        let lot = Lot {
            shard,
            stretches: self.stretches,
        };
        (lot, self.entries)
    }
}

fn record_count(stretch: &Stretch) -> usize {
    match &stretch.items {
        Items::Records(records) => records.len(),
        Items::Lost(_) => 0,
    }
}

#[cfg(test)]
#[path = "lot_tests.rs"]
mod tests;
