use std::sync::atomic::Ordering;

use super::super::{Lost, LostWhy, Reader, Record, Step, Syncer};
use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn create(root: &Path, options: WriterOptions) -> Result<Writer, JournalError> {
    let budget = Arc::new(Budget::new(1 << 30));
    Writer::create(root, Purpose::Redirect, options, budget, Arc::default())
}

fn add(writer: &mut Writer, payload: &[u8]) -> Result<u64, AppendError> {
    writer.append(1, 1, |buffer| buffer.extend_from_slice(payload))
}

fn read_all(dir: &Path) -> Result<(Vec<Record>, Vec<Lost>), JournalError> {
    let mut reader = Reader::open(dir, 0)?;
    let (mut records, mut losses) = (Vec::new(), Vec::new());
    loop {
        match reader.read(100, 10_000)? {
            Step::Records(more) => records.extend(more),
            Step::Lost(lost) => losses.push(lost),
            Step::CaughtUp | Step::Ended { .. } => return Ok((records, losses)),
        }
    }
}

/// Puts a file under the writer whose `fdatasync` fails, as that of a dying disk would.
fn break_disk(writer: &mut Writer) -> Outcome {
    let broken = OpenOptions::new().write(true).open("/dev/null")?;
    writer.segment = Arc::new(SegmentFile::new(broken, writer.good_bytes, 0));
    writer.sync.rotate(Arc::clone(&writer.segment));
    Ok(())
}

#[test]
fn after_a_failed_sync_the_next_record_goes_to_a_new_segment_and_the_loss_is_declared() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut writer = create(root.path(), WriterOptions::default())?;
    for _ in 0..3 {
        add(&mut writer, b"safe")?;
    }
    writer.sync()?;
    break_disk(&mut writer)?;
    assert_eq!(add(&mut writer, b"gone")?, 4);
    assert!(matches!(writer.sync(), Err(SyncError::Io(_))));
    assert!(matches!(writer.sync(), Err(SyncError::Earlier)), "never tried again");
    assert_eq!(writer.stats.sync_failures.load(Ordering::Relaxed), 1);
    assert_eq!(add(&mut writer, b"after")?, 5);
    writer.sync()?;
    let (records, losses) = read_all(writer.dir())?;
    let seqs: Vec<_> = records.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 5]);
    let why = LostWhy::Missing;
    assert_eq!(losses, [Lost { from: 4, to: 4, why }]);
    Ok(())
}

#[test]
fn a_sync_that_failed_in_the_background_is_told_to_the_one_who_waits() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut writer = create(root.path(), WriterOptions::default())?;
    break_disk(&mut writer)?;
    add(&mut writer, b"gone")?;
    assert!(writer.sync_handle().sync().is_err());
    // A new segment is in use by now, and is healthy: the one who waits must hear of the old one all the same.
    add(&mut writer, b"after")?;
    assert!(writer.sync().is_err());
    writer.sync()?;
    Ok(())
}

#[test]
fn a_segment_that_fails_before_its_first_record_is_used_afresh() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut writer = create(root.path(), WriterOptions::default())?;
    break_disk(&mut writer)?;
    assert!(writer.sync_handle().sync().is_err());
    assert_eq!(add(&mut writer, b"first")?, 1);
    assert!(writer.sync().is_err());
    writer.sync()?;
    let (records, losses) = read_all(writer.dir())?;
    assert_eq!((records.len(), losses.len()), (1, 0));
    assert_eq!(fs::read_dir(writer.dir())?.count(), 2);
    Ok(())
}

#[test]
fn a_failed_append_leaves_nothing_and_takes_no_sequence() -> Outcome {
    let root = tempfile::tempdir()?;
    let budget = Arc::new(Budget::new(HEADER_BYTES + 100));
    let stats = Arc::<JournalStats>::default();
    let mut writer = Writer::create(
        root.path(),
        Purpose::Api,
        WriterOptions::default(),
        Arc::clone(&budget),
        Arc::clone(&stats),
    )?;
    assert_eq!(add(&mut writer, &[7; 60])?, 1);
    assert!(matches!(add(&mut writer, &[7; 60]), Err(AppendError::Full)));
    let large = vec![0; MAX_PAYLOAD_BYTES + 1];
    assert!(matches!(add(&mut writer, &large), Err(AppendError::TooLarge { .. })));
    let cleared = writer.append(1, 1, Vec::clear);
    assert!(matches!(cleared, Err(AppendError::Io(_))));
    assert_eq!(add(&mut writer, b"")?, 2);
    assert_eq!(budget.used_bytes(), HEADER_BYTES + 100);
    assert_eq!(stats.appended.load(Ordering::Relaxed), 2);
    // A used-up budget keeps no journal from being made, only from being written to.
    let mut more = Writer::create(
        root.path(),
        Purpose::Api,
        WriterOptions::default(),
        Arc::clone(&budget),
        stats,
    )?;
    assert!(matches!(add(&mut more, b""), Err(AppendError::Full)));
    assert_eq!(budget.used_bytes(), HEADER_BYTES + 100 + HEADER_BYTES);
    assert_eq!(budget.used_bytes(), Budget::scan(root.path(), 0)?.used_bytes());
    Ok(())
}

#[test]
fn an_old_segment_is_sealed_by_the_next_append_but_an_empty_one_is_not() -> Outcome {
    let root = tempfile::tempdir()?;
    let options = WriterOptions {
        segment_max_age_ms: 0,
        ..WriterOptions::default()
    };
    let mut writer = create(root.path(), options)?;
    for _ in 0..3 {
        add(&mut writer, b"x")?;
    }
    let found = super::super::segments(writer.dir())?;
    let firsts: Vec<_> = found.iter().map(|segment| segment.first_seq).collect();
    assert_eq!(firsts, [1, 2, 3]);
    Ok(())
}

#[test]
fn a_syncer_that_stops_leaves_nothing_dirty_and_forgets_writers_that_are_gone() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut writer = create(root.path(), WriterOptions::default())?;
    let handle = writer.sync_handle();
    assert!(!handle.is_dirty(), "a new journal is on disk");
    add(&mut writer, b"x")?;
    assert!(handle.is_dirty());
    assert_eq!(handle.next_seq(), 2);
    let syncer = Syncer::start(3_600_000)?;
    syncer.register(handle.clone());
    syncer.stop();
    assert!(!handle.is_dirty());

    let syncer = Syncer::start(1)?;
    syncer.register(handle);
    add(&mut writer, b"y")?;
    drop(writer);
    while syncer.registered() > 0 {
        std::thread::yield_now();
    }
    Ok(())
}
