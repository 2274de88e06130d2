//! The journal against a plain `Vec`: whatever is done to it, in whatever order, it returns what was appended, densely, and
//! names what it cannot return. Damage and full disks have their own tests in the room.

use std::error::Error;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use linkledger::journal::{
    AppendError, Budget, JournalError, JournalStats, KeptWhy, Lost, PrunePolicy, Purpose, Reader, Record, Retired,
    Step, Syncer, Writer, WriterOptions, backlog, discover, forget_traces, last_seq, prune, retire, segments,
};
use proptest::prelude::*;

// Shared with the room's own tests. It takes the journal's names from the module above it: here, from the imports.
#[path = "../src/journal/test_support.rs"]
mod support;

use support::*;

#[derive(Debug, Clone)]
enum Op {
    Append { len: usize },
    Sync,
    Read { max_records: usize, max_bytes: usize },
    Rewind,
    Confirm,
    Prune { bytes_to_free: u64, old: bool },
    Kill,
    PowerCut { kept_256ths: u64, tail: Vec<u8> },
}

fn op() -> impl Strategy<Value = Op> {
    let tail = prop_oneof![
        Just(Vec::new()),
        (1..200usize).prop_map(|len| vec![0; len]),
        prop::collection::vec(any::<u8>(), 1..200),
    ];
    prop_oneof![
        12 => (0..300usize).prop_map(|len| Op::Append { len }),
        2 => Just(Op::Sync),
        4 => (0..20usize, 0..2000usize).prop_map(|(max_records, max_bytes)| Op::Read { max_records, max_bytes }),
        1 => Just(Op::Rewind),
        2 => Just(Op::Confirm),
        2 => (0..3000u64, any::<bool>()).prop_map(|(bytes_to_free, old)| Op::Prune { bytes_to_free, old }),
        1 => Just(Op::Kill),
        1 => (0..=256u64, tail).prop_map(|(kept_256ths, tail)| Op::PowerCut { kept_256ths, tail }),
    ]
}

/// One journal and what it should hold.
struct Model {
    root: PathBuf,
    budget: Arc<Budget>,
    writer: Writer,
    reader: Reader,
    appended: Vec<Record>,
    confirmed_seq: u64,
    /// Of the segment that was the last one at the last sync: what a power cut cannot take.
    synced: (PathBuf, u64),
}

impl Model {
    fn start(root: &Path, budget: &Arc<Budget>) -> Result<Self, Box<dyn Error>> {
        let writer = writer(root, 700, budget)?;
        Ok(Self {
            root: root.to_owned(),
            budget: Arc::clone(budget),
            reader: Reader::open(writer.dir(), 0)?,
            appended: Vec::new(),
            confirmed_seq: 0,
            synced: last_segment(writer.dir())?,
            writer,
        })
    }

    fn behind(&self, seq: u64) -> &[Record] {
        &self.appended[usize::try_from(seq).expect("a test has few records")..]
    }

    fn apply(mut self, op: &Op) -> Result<Self, Box<dyn Error>> {
        match op {
            Op::Append { len } => self.appended.push(append(&mut self.writer, *len)?),
            Op::Sync => {
                self.writer.sync()?;
                self.synced = last_segment(self.writer.dir())?;
            }
            Op::Read { max_records, max_bytes } => self.read(*max_records, *max_bytes)?,
            Op::Rewind => self.reader = Reader::open(self.writer.dir(), self.confirmed_seq)?,
            Op::Confirm => self.confirmed_seq = self.confirmed_seq.max(self.reader.next_seq() - 1),
            Op::Prune { bytes_to_free, old } => self.prune(*bytes_to_free, *old)?,
            Op::Kill => return self.kill(),
            Op::PowerCut { kept_256ths, tail } => return self.cut_power(*kept_256ths, tail),
        }
        self.check()?;
        Ok(self)
    }

    fn read(&mut self, max_records: usize, max_bytes: usize) -> Outcome {
        let due = self.behind(self.reader.next_seq() - 1).to_vec();
        match self.reader.read(max_records, max_bytes)? {
            Step::Records(records) => {
                assert_eq!(records, due[..records.len()]);
                let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
                assert!(records.len() == 1 || records.len() <= max_records && bytes <= max_bytes);
            }
            Step::CaughtUp => assert!(due.is_empty()),
            step => panic!("a healthy live journal gave {step:?}"),
        }
        Ok(())
    }

    fn prune(&mut self, bytes_to_free: u64, old: bool) -> Outcome {
        let keep_newer_than_ms = if old { 0 } else { u64::MAX };
        let before = segments(self.writer.dir())?;
        let policy = policy(bytes_to_free, keep_newer_than_ms);
        let pruned = prune(self.writer.dir(), self.confirmed_seq, policy, &self.budget)?;
        let gone = usize::try_from(pruned.segments)?;
        let after = segments(self.writer.dir())?;
        assert_eq!(after, before[gone..], "oldest first");
        let confirmed = |last_seq: Option<u64>| last_seq.is_some_and(|seq| seq <= self.confirmed_seq);
        assert!(before[..gone].iter().all(|segment| confirmed(segment.last_seq)));
        let enough = !old && pruned.bytes >= bytes_to_free;
        assert!(enough || !confirmed(after[0].last_seq), "it stopped too early");
        Ok(())
    }

    fn check(&self) -> Outcome {
        let dir = self.writer.dir();
        let expected = self.behind(self.confirmed_seq);
        assert_eq!(self.writer.next_seq(), self.appended.len() as u64 + 1);
        assert_eq!(last_seq(dir)?, self.appended.len() as u64);
        let found = read_all(dir, self.confirmed_seq)?;
        assert_eq!(found.records, expected);
        assert_eq!((found.losses.len(), found.last), (0, Step::CaughtUp));
        assert_eq!(counted(&found.stats.corrupt_ranges), 0);
        let bytes = Budget::scan(&self.root, 0)?.used_bytes();
        assert_eq!(self.budget.used_bytes(), bytes, "the budget is what is on disk");
        let waiting = backlog(dir, self.confirmed_seq, last_seq(dir)?)?;
        assert_eq!(waiting.segments == 0, expected.is_empty());
        let gone = retire(dir, u64::MAX, 0, LATER_MS, &self.budget)?;
        assert_eq!(gone, Retired::Kept(KeptWhy::Live));
        Ok(())
    }

    /// The process dies: everything appended is still there. Then it starts again.
    fn kill(self) -> Result<Self, Box<dyn Error>> {
        let dir = self.writer.dir().to_owned();
        let expected = self.behind(self.confirmed_seq).to_vec();
        drop(self.writer);
        let found = read_all(&dir, self.confirmed_seq)?;
        assert_eq!(found.records, expected);
        assert_eq!((found.losses.len(), found.last), (0, Step::Ended { torn_bytes: 0 }));
        Self::bury(&self.root, &dir, self.appended.len() as u64, &self.budget)
    }

    /// The machine dies: of the last segment, anything that was not synced may be cut off or overwritten.
    fn cut_power(mut self, kept_256ths: u64, tail: &[u8]) -> Result<Self, Box<dyn Error>> {
        let dir = self.writer.dir().to_owned();
        let (path, bytes) = last_segment(&dir)?;
        let safe = if self.synced.0 == path { self.synced.1 } else { 0 };
        let cut = safe + (bytes - safe) * kept_256ths / 256;
        let expected = self.behind(self.confirmed_seq).to_vec();
        drop(self.writer);
        let file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(cut)?;
        file.write_all_at(tail, cut)?;

        let first_seq = segments(&dir)?.pop().map_or(1, |segment| segment.first_seq);
        let mut whole = first_seq - 1;
        let mut end = HEADER_BYTES;
        for record in &self.appended[usize::try_from(whole)?..] {
            end += FRAME_HEADER_BYTES + record.payload.len() as u64;
            whole += u64::from(end <= cut);
        }
        let found = read_all(&dir, self.confirmed_seq)?;
        assert_eq!(found.records, expected[..found.records.len()], "a dense prefix");
        let reached = self.confirmed_seq + found.records.len() as u64;
        assert!(reached >= whole, "what was on disk is readable");
        assert!(found.losses.is_empty() && matches!(found.last, Step::Ended { .. }));
        self.budget = Arc::new(Budget::scan(&self.root, u64::MAX)?);
        Self::bury(&self.root, &dir, reached, &self.budget)
    }

    /// Retires a dead journal and starts the next one.
    fn bury(root: &Path, dir: &Path, last: u64, budget: &Arc<Budget>) -> Result<Self, Box<dyn Error>> {
        let next = Self::start(root, budget)?;
        let live = |path: &Path| -> Result<Option<bool>, JournalError> {
            Ok(discover(root)?
                .iter()
                .find(|entry| entry.dir == path)
                .map(|entry| entry.live))
        };
        assert_eq!(live(dir)?, Some(false));
        assert_eq!(live(next.writer.dir())?, Some(true));
        // A power cut may take what the store had confirmed already; then nothing unconfirmed is left to keep.
        if last > 0 && last_seq(dir)? == last {
            let kept = retire(dir, last - 1, 0, LATER_MS, budget)?;
            assert_eq!(kept, Retired::Kept(KeptWhy::Unconfirmed));
        }
        let kept = retire(dir, last, u64::MAX, LATER_MS, budget)?;
        assert_eq!(kept, Retired::Kept(KeptWhy::Young));
        match retire(dir, last, 0, LATER_MS, budget)? {
            Retired::Removed(_) => {}
            Retired::Reduced(_) => {
                let (found, last) = (read_all(dir, 0)?, last_seq(dir)?);
                assert_eq!((found.records.len(), found.losses.len()), (0, 1));
                assert_eq!((found.losses[0].from, found.losses[0].to), (1, last));
                assert_eq!(retire(dir, last, 0, LATER_MS, budget)?, Retired::Kept(KeptWhy::Trace));
                assert_eq!(prune(dir, last, policy(u64::MAX, 0), budget)?.segments, 0);
                forget_traces(vec![(0, dir.to_owned())], 0, budget)?;
            }
            Retired::Kept(why) => panic!("it was kept: {why:?}"),
        }
        assert_eq!(live(dir)?, None);
        next.check()?;
        Ok(next)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_behaves_like_a_vec(ops in prop::collection::vec(op(), 1..60)) {
        let run = || -> Outcome {
            let root = tempfile::tempdir()?;
            let mut model = Model::start(root.path(), &endless())?;
            for op in &ops {
                model = model.apply(op)?;
            }
            Ok(())
        };
        run().map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
}

/// Lets the writer run on when the reader is done, or has failed and will never get further.
struct Released<'a>(&'a AtomicU64);

impl Drop for Released<'_> {
    fn drop(&mut self) {
        self.0.store(u64::MAX / 2, Ordering::Relaxed);
    }
}

#[test]
fn a_reader_beside_a_writer_and_a_pruner_gets_everything_exactly_once() -> Outcome {
    const RECORDS: u64 = 6_000;
    // Keeps the two so close that the reader is at the end nearly always, also just when a segment is sealed.
    const LEAD: u64 = 3;
    let root = tempfile::tempdir()?;
    let budget = endless();
    let mut writer = writer(root.path(), 1 << 10, &budget)?;
    let dir = writer.dir().to_owned();
    let syncer = Syncer::start(5)?;
    syncer.register(writer.sync_handle());
    let written = AtomicBool::new(false);
    let reached = AtomicU64::new(0);
    std::thread::scope(|scope| -> Outcome {
        let appending = scope.spawn(|| -> Result<(), AppendError> {
            for seq in 1..=RECORDS {
                while seq > reached.load(Ordering::Relaxed) + LEAD {
                    std::hint::spin_loop();
                }
                append(&mut writer, usize::try_from(seq * 37 % 400).unwrap_or(0))?;
            }
            written.store(true, Ordering::Release);
            drop(writer);
            Ok(())
        });
        let mut reader = Reader::open(&dir, 0)?;
        let _released = Released(&reached);
        let (mut next_seq, mut steps) = (1, 0);
        loop {
            match reader.read(100, 1 << 20)? {
                Step::Records(records) => {
                    for record in records {
                        assert_eq!(record.seq, next_seq);
                        let len = usize::try_from(next_seq * 37 % 400)?;
                        assert_eq!(record.payload, payload(next_seq, len));
                        next_seq += 1;
                    }
                    reached.store(next_seq - 1, Ordering::Relaxed);
                    steps += 1;
                    if steps % 50 == 0 {
                        prune(&dir, next_seq - 1, policy(0, 0), &budget)?;
                    }
                }
                Step::CaughtUp => std::thread::yield_now(),
                Step::Lost(lost) => panic!("{lost:?} of a healthy journal"),
                Step::Ended { torn_bytes } => {
                    assert_eq!((torn_bytes, next_seq), (0, RECORDS + 1));
                    break;
                }
            }
        }
        assert!(written.load(Ordering::Acquire), "the end was seen too early");
        appending.join().map_err(|_| "the writer panicked")??;
        Ok(())
    })?;
    syncer.stop();
    Ok(())
}
