//! Torn, flipped, deleted: what a reader makes of files that are not as they were written.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::test_support::*;
use super::{
    Budget, JournalError, KeptWhy, Lost, LostWhy, Reader, Record, Retired, Step, discover, prune, retire, segments,
};

/// A dead journal of `lens` records in segments of at most `segment_max_bytes`.
fn dead_journal(root: &Path, segment_max_bytes: u64, lens: &[usize]) -> Result<(PathBuf, Vec<Record>), Box<dyn Error>> {
    let mut writer = writer(root, segment_max_bytes, &endless())?;
    let mut records = Vec::new();
    for len in lens {
        records.push(append(&mut writer, *len)?);
    }
    Ok((writer.dir().to_owned(), records))
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_the_record_it_tears() -> Outcome {
    let root = tempfile::tempdir()?;
    let (dir, records) = dead_journal(root.path(), u64::MAX, &[5, 0, 40, 1, 19])?;
    let (path, bytes) = last_segment(&dir)?;
    let file = OpenOptions::new().write(true).open(path)?;
    for cut in (0..=bytes).rev() {
        file.set_len(cut)?;
        let (mut whole, mut good) = (0, if cut < HEADER_BYTES { 0 } else { HEADER_BYTES });
        for record in &records {
            let end = good + FRAME_HEADER_BYTES + record.payload.len() as u64;
            if cut < HEADER_BYTES || end > cut {
                break;
            }
            (whole, good) = (whole + 1, end);
        }
        let found = read_all(&dir, 0)?;
        assert_eq!(found.records, records[..whole], "cut at {cut}");
        assert_eq!(found.last, Step::Ended { torn_bytes: cut - good }, "cut at {cut}");
        assert_eq!(counted(&found.stats.torn_tails), u64::from(cut > good));
        assert_eq!(counted(&found.stats.corrupt_ranges), 0);
    }
    Ok(())
}

#[test]
fn a_flipped_bit_costs_only_the_record_it_hits_and_is_declared() -> Outcome {
    let root = tempfile::tempdir()?;
    let (dir, records) = dead_journal(root.path(), 200, &[30, 7, 30, 30, 0, 40, 30, 30, 9])?;
    let found = segments(&dir)?;
    assert_eq!(found.len(), 3);
    let mut seq = 0;
    for segment in &found {
        let bytes = fs::read(&segment.path)?;
        // Which record each byte belongs to; the header's belong to none.
        let mut owners = vec![None; 64];
        while owners.len() < bytes.len() {
            let record = &records[usize::try_from(seq)?];
            seq += 1;
            owners.extend(vec![Some(seq); 20 + record.payload.len()]);
        }
        for (at, owner) in owners.iter().enumerate() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&segment.path, &damaged)?;
            let found = read_all(&dir, 0)?;
            let untouched: Vec<_> = records
                .iter()
                .filter(|record| Some(record.seq) != *owner)
                .cloned()
                .collect();
            assert_eq!(found.records, untouched, "byte {at} of {:?}", segment.path);
            let is_last = *owner == Some(records.len() as u64);
            let declared = owner.filter(|_| !is_last).map(|seq| Lost {
                from: seq,
                to: seq,
                why: LostWhy::Corrupt,
            });
            assert_eq!(found.losses, Vec::from_iter(declared));
            assert!(matches!(found.last, Step::Ended { torn_bytes } if (torn_bytes > 0) == is_last));
            assert_eq!(counted(&found.stats.corrupt_ranges), u64::from(!is_last));
            assert_eq!(counted(&found.stats.lost_records), found.losses.len() as u64);
        }
        fs::write(&segment.path, &bytes)?;
    }
    Ok(())
}

#[test]
fn a_deleted_segment_is_declared_missing_and_a_missing_journal_is_gone() -> Outcome {
    let root = tempfile::tempdir()?;
    let (dir, _) = dead_journal(root.path(), 200, &[100; 4])?;
    let found = segments(&dir)?;
    for at in [0, 2] {
        fs::remove_file(&found[at].path)?;
    }
    let found = read_all(&dir, 0)?;
    let seqs: Vec<_> = found.records.iter().map(|record| record.seq).collect();
    let lost = |seq| Lost {
        from: seq,
        to: seq,
        why: LostWhy::Missing,
    };
    assert_eq!((seqs, found.losses), (vec![2, 4], vec![lost(1), lost(3)]));
    assert!(
        read_all(&dir, 99)?.records.is_empty(),
        "a cursor past the end finds the end"
    );

    for segment in segments(&dir)? {
        fs::remove_file(segment.path)?;
    }
    let entries = discover(root.path())?;
    assert!(
        entries.len() == 1 && entries[0].header.is_none(),
        "as a crash while retiring leaves it"
    );
    assert!(matches!(retire(&dir, 0, 0, LATER_MS, &endless())?, Retired::Removed(_)));
    assert!(matches!(Reader::open(&dir, 0), Err(JournalError::Gone(_))));
    Ok(())
}

#[test]
fn a_journal_without_an_intact_header_is_read_and_not_retired_unread() -> Outcome {
    let root = tempfile::tempdir()?;
    let (dir, records) = dead_journal(root.path(), u64::MAX, &[100; 2])?;
    OpenOptions::new()
        .write(true)
        .open(last_segment(&dir)?.0)?
        .write_all_at(&[0xff], 0)?;
    assert_eq!(discover(root.path())?[0].header, None);
    assert_eq!(read_all(&dir, 0)?.records, records);
    assert_eq!(
        retire(&dir, 1, 0, LATER_MS, &endless())?,
        Retired::Kept(KeptWhy::Unconfirmed)
    );
    Ok(())
}

#[test]
fn a_confirmed_dead_journal_can_be_freed_before_its_time_when_room_is_needed() -> Outcome {
    let root = tempfile::tempdir()?;
    let (dir, _) = dead_journal(root.path(), 200, &[100; 3])?;
    let budget = Budget::scan(root.path(), u64::MAX)?;
    assert_eq!(prune(&dir, 2, policy(u64::MAX, u64::MAX), &budget)?.segments, 2);
    assert_eq!(prune(&dir, 3, policy(u64::MAX, u64::MAX), &budget)?.segments, 1);
    assert_eq!(budget.used_bytes(), HEADER_BYTES);
    let found = read_all(&dir, 0)?;
    assert_eq!(
        (found.losses[0].from, found.losses[0].to, found.losses.len()),
        (1, 3, 1)
    );
    Ok(())
}
