//! The contract of the feeds, held by the one of embedded mode and by the one on Redis alike.

mod harness;

use harness::feeds::{BATCH, Disk, Hand, Ledger, LocalRig, MUCH_LATER_MS, RedisRig, Rig, work_until};
use linkledger::journal::{LostWhy, PrunePolicy, prune, segments};
use linkledger::stream::Feed as _;

/// Nothing is too young to be deleted.
const ALL: PrunePolicy = PrunePolicy {
    keep_newer_than_ms: 0,
    now_ms: MUCH_LATER_MS,
    bytes_to_free: 0,
};

async fn every_record_is_handed_out_in_order_and_counts_once<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let journals = [disk.journal(5000), disk.journal(1), disk.journal(0)];
    let mut rig = R::new(&disk, &ledger);
    let mut hand = Hand::new(rig.feed(), &ledger);
    work_until(&mut rig, &mut hand, &ledger, &[(journals[0], 5000), (journals[1], 1)]).await;
    disk.append(journals[0], 700);
    disk.append(journals[2], 3);
    let late = disk.journal(2000);
    let ends = [(journals[0], 5700), (journals[2], 3), (late, 2000)];
    work_until(&mut rig, &mut hand, &ledger, &ends).await;
    for (journal, records) in ends {
        assert_eq!(ledger.records(journal), records);
    }
    assert_eq!(ledger.lost(), []);
}

async fn a_journal_whose_writer_died_goes_on_from_its_cursor<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let journal = disk.journal(3000);
    disk.kill_writers();
    ledger.restore(journal, 1234);
    let mut rig = R::new(&disk, &ledger);
    let mut hand = Hand::new(rig.feed(), &ledger);
    work_until(&mut rig, &mut hand, &ledger, &[(journal, 3000)]).await;
    assert_eq!(ledger.records(journal), 3000 - 1234);
}

async fn after_a_rewind_it_starts_again_at_the_cursors<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let journal = disk.journal(5000);
    let mut rig = R::new(&disk, &ledger);
    let mut hand = Hand::new(rig.feed(), &ledger);
    let first = loop {
        rig.carry().await;
        let lot = hand.feed.poll(BATCH).await.expect("the feed reads");
        if !lot.stretches.is_empty() {
            break lot;
        }
    };
    hand.feed.rewind();
    let again = hand.feed.poll(BATCH).await.expect("the feed reads");
    assert_eq!(again.stretches[0].after_seq, first.stretches[0].after_seq);
    assert!(hand.commit(&again));
    hand.feed.done().await;
    work_until(&mut rig, &mut hand, &ledger, &[(journal, 5000)]).await;
    assert_eq!(ledger.records(journal), 5000);
}

async fn a_held_journal_waits_and_the_others_go_on<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let held = disk.journal(9000);
    let mut rig = R::new(&disk, &ledger);
    let mut hand = Hand::new(rig.feed(), &ledger);
    work_until(&mut rig, &mut hand, &ledger, &[(held, 9000)]).await;
    hand.feed.hold(held);
    disk.append(held, 9000);
    let other = disk.journal(9000);
    work_until(&mut rig, &mut hand, &ledger, &[(other, 9000)]).await;
    assert_eq!(ledger.cursor(held), 9000);
    // A newer worker knows what to do with it.
    hand.feed.rewind();
    work_until(&mut rig, &mut hand, &ledger, &[(held, 18_000)]).await;
    assert_eq!(ledger.records(held), 18_000);
}

async fn what_a_journal_lost_comes_as_a_loss<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let journal = disk.journal(3000);
    let gone = segments(&disk.dir(journal)).expect("segments").swap_remove(5);
    std::fs::remove_file(&gone.path).expect("a segment");
    let mut rig = R::new(&disk, &ledger);
    let mut hand = Hand::new(rig.feed(), &ledger);
    work_until(&mut rig, &mut hand, &ledger, &[(journal, 3000)]).await;
    let lost = ledger.lost();
    assert_eq!(lost.len(), 1);
    assert_eq!(
        (lost[0].from, Some(lost[0].to), lost[0].why),
        (gone.first_seq, gone.last_seq, LostWhy::Missing)
    );
    assert_eq!(ledger.records(journal), 3000 - (lost[0].to - lost[0].from + 1));
}

async fn a_store_that_went_back_is_followed<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let (quiet, dead) = (disk.journal(2000), disk.journal(2000));
    let mut rig = R::new(&disk, &ledger);
    let mut hand = Hand::new(rig.feed(), &ledger);
    work_until(&mut rig, &mut hand, &ledger, &[(quiet, 2000), (dead, 2000)]).await;
    disk.kill_writers();
    // Time enough to notice that everything is confirmed.
    let late = disk.journal(1000);
    work_until(&mut rig, &mut hand, &ledger, &[(late, 1000)]).await;
    ledger.restore(quiet, 500);
    ledger.restore(dead, 0);
    work_until(&mut rig, &mut hand, &ledger, &[(quiet, 2000), (dead, 2000)]).await;
    assert_eq!(
        (ledger.records(quiet), ledger.records(dead)),
        (2000 + 1500, 2000 + 2000)
    );
    assert_eq!(ledger.lost(), []);
}

async fn a_store_that_went_back_further_than_the_journal_gets_a_loss<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let journal = disk.journal(3000);
    let mut rig = R::new(&disk, &ledger);
    let mut hand = Hand::new(rig.feed(), &ledger);
    work_until(&mut rig, &mut hand, &ledger, &[(journal, 3000)]).await;
    assert!(
        prune(&disk.dir(journal), 3000, ALL, &disk.budget)
            .expect("pruned")
            .segments
            > 2
    );
    let kept = segments(&disk.dir(journal)).expect("segments")[0].first_seq;
    ledger.restore(journal, 100);
    work_until(&mut rig, &mut hand, &ledger, &[(journal, 3000)]).await;
    let lost = ledger.lost();
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].from, lost[0].to), (101, kept - 1));
}

async fn a_retired_journal_is_no_trouble<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let journals = [disk.journal(2000), disk.journal(0)];
    let mut rig = R::new(&disk, &ledger);
    let mut hand = Hand::new(rig.feed(), &ledger);
    work_until(&mut rig, &mut hand, &ledger, &[(journals[0], 2000)]).await;
    disk.kill_writers();
    disk.retire(journals[0], 2000);
    disk.retire(journals[1], 0);
    assert!(!disk.dir(journals[1]).exists(), "it never had a record");
    let next = disk.journal(2000);
    work_until(&mut rig, &mut hand, &ledger, &[(next, 2000)]).await;
    assert_eq!(ledger.lost(), []);
}

async fn a_retired_journal_that_a_restored_store_has_forgotten_is_declared_lost<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let [watched, pruned, unseen] = [disk.journal(2000), disk.journal(3000), disk.journal(10)];
    let mut rig = R::new(&disk, &ledger);
    let mut hand = Hand::new(rig.feed(), &ledger);
    let ends = [(watched, 2000), (pruned, 3000), (unseen, 10)];
    work_until(&mut rig, &mut hand, &ledger, &ends).await;
    disk.kill_writers();
    disk.retire(watched, 2000);
    disk.retire(unseen, 10);
    prune(&disk.dir(pruned), 3000, ALL, &disk.budget).expect("pruned");
    ledger.restore(watched, 500);
    ledger.restore(pruned, 0);
    work_until(&mut rig, &mut hand, &ledger, &[(watched, 2000), (pruned, 3000)]).await;
    // Nor is it forgotten by those who come later.
    let (mut rig, again) = (R::new(&disk, &ledger), disk.journal(1));
    let mut hand = Hand::new(rig.feed(), &ledger);
    work_until(&mut rig, &mut hand, &ledger, &[(again, 1)]).await;
    ledger.restore(unseen, 7);
    work_until(&mut rig, &mut hand, &ledger, &[(unseen, 10)]).await;
    let mut lost: Vec<_> = ledger
        .lost()
        .iter()
        .map(|lost| (lost.from, lost.to, lost.why))
        .collect();
    lost.sort_unstable_by_key(|(from, ..)| *from);
    let missing = LostWhy::Missing;
    assert_eq!(lost, [(1, 3000, missing), (8, 10, missing), (501, 2000, missing)]);
}

async fn of_two_workers_on_the_same_records_one_wins<R: Rig>() {
    let (mut disk, ledger) = (Disk::new(), Ledger::default());
    let journals = [disk.journal(9000), disk.journal(9000)];
    let mut rig = R::new(&disk, &ledger);
    let mut hands = [Hand::new(rig.feed(), &ledger), Hand::new(rig.feed(), &ledger)];
    let (mut won, mut lost) = (0, 0);
    while ledger.cursor(journals[0]) < 9000 || ledger.cursor(journals[1]) < 9000 {
        rig.carry().await;
        let [one, other] = &mut hands;
        let lots = [one.feed.poll(BATCH).await, other.feed.poll(BATCH).await];
        for (hand, lot) in hands.iter_mut().zip(lots) {
            let lot = lot.expect("the feed reads");
            if lot.stretches.is_empty() {
                continue;
            }
            if hand.commit(&lot) {
                won += 1;
                hand.feed.done().await;
            } else {
                lost += 1;
                hand.feed.rewind();
            }
        }
    }
    assert!(won > 0 && lost > 0, "they were to meet: {won} and {lost}");
    assert_eq!(journals.map(|journal| ledger.records(journal)), [9000, 9000]);
}

macro_rules! contract {
    ($($name:ident)*) => {
        mod in_process {
            $(#[tokio::test] async fn $name() { super::$name::<super::LocalRig>().await; })*
        }
        mod on_redis {
            $(#[tokio::test] async fn $name() { super::$name::<super::RedisRig>().await; })*
        }
    };
}

contract! {
    every_record_is_handed_out_in_order_and_counts_once
    a_journal_whose_writer_died_goes_on_from_its_cursor
    after_a_rewind_it_starts_again_at_the_cursors
    a_held_journal_waits_and_the_others_go_on
    what_a_journal_lost_comes_as_a_loss
    a_store_that_went_back_is_followed
    a_store_that_went_back_further_than_the_journal_gets_a_loss
    a_retired_journal_is_no_trouble
    a_retired_journal_that_a_restored_store_has_forgotten_is_declared_lost
    of_two_workers_on_the_same_records_one_wins
}
