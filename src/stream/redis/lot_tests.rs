use super::*;
use crate::journal::{Lost, LostWhy, Purpose, Record};
use crate::stream::redis::format::encode;

fn journal(number: u8) -> JournalId {
    JournalId::from_bytes([number; 16])
}

fn entry(number: u8, first_seq: u64, last_seq: u64) -> Entry {
    let record = |seq| Record {
        seq,
        version: 1,
        kind: 1,
        payload: seq.to_le_bytes().to_vec(),
    };
    entry_of(
        number,
        first_seq,
        Items::Records((first_seq..=last_seq).map(record).collect()),
    )
}

fn lost(number: u8, from: u64, to: u64) -> Entry {
    let why = LostWhy::Missing;
    entry_of(number, from, Items::Lost(Lost { from, to, why }))
}

fn entry_of(number: u8, first_seq: u64, items: Items) -> Entry {
    let stretch = Stretch {
        journal: journal(number),
        tag: 1,
        purpose: Purpose::Redirect,
        after_seq: first_seq - 1,
        items,
    };
    Entry::decode(&encode(&stretch).expect("packed")).expect("intact")
}

/// A page of these entries, with the place in it as id.
fn page(entries: Vec<Entry>) -> Decoded {
    let numbered = entries.into_iter().enumerate();
    numbered.map(|(place, entry)| (place.to_string(), Ok(entry))).collect()
}

fn known(positions: &[(u8, u64)]) -> Known {
    Known {
        positions: positions.iter().map(|(number, seq)| (journal(*number), *seq)).collect(),
        held: HashSet::new(),
    }
}

fn runs(lot: &Lot) -> Vec<(u64, u64)> {
    let run = |stretch: &Stretch| (stretch.after_seq + 1, stretch.last_seq());
    lot.stretches.iter().map(run).collect()
}

#[test]
fn batches_of_a_journal_become_one_run_and_repeats_in_it_go_with_the_commit() {
    let mut known = known(&[(1, 10)]);
    let page = page(vec![
        entry(1, 11, 20),
        entry(1, 11, 20),
        entry(1, 15, 25),
        entry(1, 26, 30),
    ]);
    let mut draft = Draft::default();
    assert!(draft.doubtful(&page, &known).is_empty());
    assert_eq!(draft.judge(page, &mut known), Verdicts::default());
    let (lot, entries) = draft.finish(3, &mut known);
    assert_eq!((lot.shard, runs(&lot)), (3, vec![(11, 30)]));
    assert_eq!(entries.len(), 4);
    assert_eq!(known.positions[&journal(1)], 30);
}

#[test]
fn a_first_batch_that_is_not_the_next_one_is_judged_only_by_a_fresh_cursor() {
    let known = known(&[(1, 10), (2, 50)]);
    let page = page(vec![
        entry(1, 12, 20),
        entry(2, 41, 50),
        entry(3, 1, 2),
        entry(2, 51, 60),
    ]);
    let doubtful = Draft::default().doubtful(&page, &known);
    assert_eq!(doubtful, [journal(1), journal(2), journal(3)]);
}

#[test]
fn what_the_cursor_covers_is_deleted_and_what_it_covers_in_part_is_trimmed() {
    let mut known = known(&[(1, 15)]);
    let mut draft = Draft::default();
    let verdicts = draft.judge(page(vec![entry(1, 1, 10), entry(1, 11, 20)]), &mut known);
    assert_eq!(verdicts.dead, ["0"]);
    let (lot, entries) = draft.finish(0, &mut known);
    assert_eq!(runs(&lot), [(16, 20)]);
    assert_eq!(entries, [(journal(1), "1".to_owned())]);
}

#[test]
fn a_batch_behind_a_gap_is_dropped() {
    let mut known = known(&[(1, 10), (2, 0)]);
    let mut draft = Draft::default();
    let verdicts = draft.judge(page(vec![entry(1, 12, 20), entry(2, 1, 5)]), &mut known);
    assert_eq!((verdicts.gaps, verdicts.dead), (1, vec!["0".to_owned()]));
    assert_eq!(runs(&draft.finish(0, &mut known).0), [(1, 5)]);
}

#[test]
fn a_gap_behind_what_was_taken_is_judged_after_its_commit() {
    let mut known = known(&[(1, 0)]);
    let mut draft = Draft::default();
    let verdicts = draft.judge(page(vec![entry(1, 1, 5), entry(1, 8, 9), entry(1, 6, 7)]), &mut known);
    assert_eq!(verdicts, Verdicts::default());
    assert!(draft.is_blocked());
    let (lot, entries) = draft.finish(0, &mut known);
    assert_eq!((runs(&lot), entries.len()), (vec![(1, 5)], 1));
}

#[test]
fn a_loss_is_a_run_of_its_own() {
    let mut known = known(&[(1, 0)]);
    let mut draft = Draft::default();
    draft.judge(page(vec![entry(1, 1, 5), lost(1, 6, 7), entry(1, 8, 9)]), &mut known);
    assert_eq!(runs(&draft.finish(0, &mut known).0), [(1, 5)]);
    let mut draft = Draft::default();
    draft.judge(page(vec![lost(1, 6, 7), entry(1, 8, 9)]), &mut known);
    assert_eq!(runs(&draft.finish(0, &mut known).0), [(6, 7)]);
}

#[test]
fn a_held_journal_stays_and_the_others_go_on() {
    let mut known = known(&[(1, 0), (2, 0)]);
    known.held.insert(journal(1));
    let mut draft = Draft::default();
    let later = EntryError::UnknownVersion {
        journal: journal(3),
        version: 9,
    };
    let mut page = page(vec![entry(1, 1, 5), entry(2, 1, 5), entry(3, 1, 5)]);
    page.insert(0, ("x".to_owned(), Err(later)));
    let verdicts = draft.judge(page, &mut known);
    assert_eq!((verdicts.newly_held, verdicts.dead.len()), (vec![journal(3)], 0));
    assert!(draft.left_behind);
    let (lot, entries) = draft.finish(0, &mut known);
    assert_eq!(
        (lot.stretches.len(), lot.stretches[0].journal, entries.len()),
        (1, journal(2), 1)
    );
}
