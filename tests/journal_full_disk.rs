//! No room for the journal: on the disk, and within one file.
//!
//! These tests start programs, so they have a process of their own and take turns in it: a program that is just being
//! started holds, for a moment, a copy of every lock of its parent, and a dead journal looks alive for as long.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use linkledger::journal::{
    AppendError, Budget, JournalError, JournalStats, Lost, PrunePolicy, Purpose, Reader, Record, Retired, Step, Writer,
    WriterOptions, discover, retire, segments,
};

// Shared with the room's own tests. It takes the journal's names from the module above it: here, from the imports.
#[path = "../src/journal/test_support.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod support;

use support::*;

static TURN: Mutex<()> = Mutex::new(());

/// Unmounts when the test is over, however it ends.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _best_effort = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_an_error_that_goes_away_with_room() -> Outcome {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let root = tempfile::tempdir()?;
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "none"])
        .arg(root.path())
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "SKIPPED: cannot mount a small tmpfs here, so a full disk was NOT tested; see the file size limit below"
        );
        return Ok(());
    }
    let mounted = Mounted(root.path().to_owned());
    // One size fills the disk within a segment, the other mostly while rotating.
    for segment_max_bytes in [u64::MAX, 4000] {
        let budget = endless();
        let mut writer = writer(&mounted.0, segment_max_bytes, &budget)?;
        let ballast = mounted.0.join("ballast");
        fs::write(&ballast, vec![1; 64 << 10])?;
        let mut records = Vec::new();
        let full = loop {
            match append(&mut writer, 300) {
                Ok(record) => records.push(record),
                Err(error) => break error,
            }
        };
        assert!(matches!(full, AppendError::Full), "{full}");
        assert!(matches!(append(&mut writer, 9000), Err(AppendError::Full)));
        let other = self::writer(&mounted.0, u64::MAX, &budget);
        assert!(matches!(other, Err(JournalError::Full)));
        assert_eq!(discover(&mounted.0)?.len(), 1, "nothing is left behind");
        assert_eq!(read_all(writer.dir(), 0)?.records, records);
        fs::remove_file(ballast)?;
        for _ in 0..50 {
            records.push(append(&mut writer, 300)?);
        }
        assert_eq!(read_all(writer.dir(), 0)?.records, records);
        assert_eq!(budget.used_bytes(), Budget::scan(&mounted.0, 0)?.used_bytes());
        let dir = writer.dir().to_owned();
        drop(writer);
        assert!(matches!(
            retire(&dir, u64::MAX, 0, LATER_MS, &budget)?,
            Retired::Reduced(_)
        ));
        fs::remove_dir_all(dir)?;
    }
    Ok(())
}

/// Set for the child of the test below, which runs under a file size limit.
const LIMITED: &str = "LINKLEDGER_TEST_LIMITED_FILE_SIZE";

#[test]
fn a_segment_that_the_system_lets_grow_no_further_is_followed_by_another() -> Outcome {
    const NAME: &str = "a_segment_that_the_system_lets_grow_no_further_is_followed_by_another";
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if std::env::var_os(LIMITED).is_none() {
        // The limit holds for a whole process and comes with a signal that must be ignored before it starts.
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact \"$1\""])
            .arg(std::env::current_exe()?)
            .arg(NAME)
            .env(LIMITED, "1")
            .output()?;
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return Ok(());
    }
    let root = tempfile::tempdir()?;
    let mut writer = writer(root.path(), u64::MAX, &endless())?;
    let (mut records, mut refused) = (Vec::new(), 0);
    while records.len() < 40 {
        match append(&mut writer, 900) {
            Ok(record) => records.push(record),
            Err(AppendError::Full) => refused += 1,
            Err(error) => return Err(error.into()),
        }
    }
    let found = read_all(writer.dir(), 0)?;
    assert_eq!((found.records, counted(&found.stats.corrupt_ranges)), (records, 0));
    assert!(refused > 0 && refused + 1 == segments(writer.dir())?.len());
    Ok(())
}
