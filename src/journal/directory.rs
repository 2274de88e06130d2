//! A journal's directory: its name, its lock, and finding all of them.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::FlockOperation;
use uuid::Uuid;

use super::error::JournalError;
use super::segment::{HeaderRead, Purpose, list, read_header};

/// Names a journal among all journals ever made anywhere. Text form: 32 lowercase hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JournalId(Uuid);

impl JournalId {
    /// A new random id.
    pub(super) fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id that these bytes spell, as they came over the network.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id a directory's name spells. The frames in it are checked against this, so a renamed directory is unreadable.
    ///
    /// # Errors
    /// [`JournalError::NotAJournal`] when the name is not an id.
    pub fn of_dir(dir: &Path) -> Result<Self, JournalError> {
        dir.file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| JournalError::NotAJournal(dir.to_owned()))
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.simple(), f)
    }
}

impl FromStr for JournalId {
    type Err = uuid::Error;

    /// Takes only what [`Display`](fmt::Display) prints, so that one journal has one spelling.
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        let id = Self(Uuid::try_parse(text)?);
        if id.to_string() != text {
            return Err(Uuid::try_parse("").expect_err("an empty text is not a uuid"));
        }
        Ok(id)
    }
}

/// What a journal says of itself in every segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalHeader {
    /// Random, never 0; goes into click ids.
    pub tag: u32,
    /// Whose records these are.
    pub purpose: Purpose,
    /// When the oldest readable segment was made, in milliseconds since 1970.
    pub created_at_ms: u64,
}

/// One directory found under a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The journal's id.
    pub id: JournalId,
    /// Its directory.
    pub dir: PathBuf,
    /// `None` when no segment has an intact header: a journal whose making or retiring was interrupted, or a damaged
    /// one. [`retire`](super::retire) removes it unless it holds records.
    pub header: Option<JournalHeader>,
    /// Whether a writer holds it. Once false, false for ever.
    pub live: bool,
}

/// All journals under `root`, in no particular order. Anything else in there is passed over; a missing root is empty. A
/// journal that cannot be looked into is logged and passed over, so that it does not hide the others.
///
/// # Errors
/// [`JournalError::Io`] when `root` itself cannot be listed.
pub fn discover(root: &Path) -> Result<Vec<JournalEntry>, JournalError> {
    let mut entries = Vec::new();
    for (id, dir, published) in journal_dirs(root)? {
        match look_into(id, &dir, published) {
            Ok(entry) => entries.push(entry),
            // Retired by somebody while we were looking.
            Err(JournalError::Gone(_)) => {}
            Err(error) => tracing::error!(journal = %id, %error, "a journal cannot be looked into"),
        }
    }
    Ok(entries)
}

fn look_into(id: JournalId, dir: &Path, published: bool) -> Result<JournalEntry, JournalError> {
    let live = lock_is_held(dir).map_err(JournalError::io("probe the lock of", dir))?;
    let header = if published { first_header(dir, id)? } else { None };
    Ok(JournalEntry {
        id,
        dir: dir.to_owned(),
        header,
        live,
    })
}

/// The oldest header that is intact.
pub(super) fn first_header(dir: &Path, id: JournalId) -> Result<Option<JournalHeader>, JournalError> {
    for (first_seq, path) in list(dir)? {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(JournalError::io("open", &path)(error)),
        };
        let read = read_header(&file, id, first_seq).map_err(JournalError::io("read", &path))?;
        if let HeaderRead::Intact(header) = read {
            return Ok(Some(JournalHeader {
                tag: header.tag,
                purpose: header.purpose,
                created_at_ms: header.created_at_ms,
            }));
        }
    }
    Ok(None)
}

/// The suffix of a directory that is not complete yet.
const UNPUBLISHED: &str = ".new";

/// Where a journal is put together before it gets its name.
pub(super) fn unpublished_dir(root: &Path, id: JournalId) -> PathBuf {
    root.join(format!("{id}{UNPUBLISHED}"))
}

/// Whether this is the directory of a journal that never got its name, and so never got a record.
pub(super) fn is_unpublished(dir: &Path) -> bool {
    dir.file_name()
        .and_then(|name| name.to_str()?.strip_suffix(UNPUBLISHED))
        .is_some_and(|name| name.parse::<JournalId>().is_ok())
}

/// Every directory under `root` that is named like a journal, and whether under its final name.
pub(super) fn journal_dirs(root: &Path) -> Result<Vec<(JournalId, PathBuf, bool)>, JournalError> {
    let listing = match fs::read_dir(root) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JournalError::io("list", root)(error)),
    };
    let mut dirs = Vec::new();
    for entry in listing {
        let entry = entry.map_err(JournalError::io("list", root))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let plain = name.strip_suffix(UNPUBLISHED);
        if let Ok(id) = plain.unwrap_or(name).parse() {
            dirs.push((id, entry.path(), plain.is_none()));
        }
    }
    Ok(dirs)
}

/// The file whose lock says that a writer lives. Its content means nothing.
pub(super) fn lock_path(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// Makes the lock file of a new journal and holds it; dropping the file lets go.
pub(super) fn take_new_lock(dir: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).open(lock_path(dir))?;
    // Waits, since `discover` may be probing this very moment; nobody else holds it longer than that.
    rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
    Ok(file)
}

/// The outcome of trying for a dead journal's lock.
pub(super) enum DeadLock {
    /// Nobody can take the journal for dead or live until the file is dropped.
    Taken(File),
    /// A writer lives, or somebody is looking whether one does.
    Held,
    /// The lock was deleted already.
    Missing,
}

/// Tries for the lock in order to delete the journal.
pub(super) fn take_dead_lock(dir: &Path) -> io::Result<DeadLock> {
    let file = match File::open(lock_path(dir)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(DeadLock::Missing),
        Err(error) => return Err(error),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(DeadLock::Taken(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(DeadLock::Held),
        Err(error) => Err(error.into()),
    }
}

/// Whether a writer holds the journal. The probe is a shared lock, so two probes never take each other for a writer.
pub(super) fn lock_is_held(dir: &Path) -> io::Result<bool> {
    let file = match File::open(lock_path(dir)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = JournalId::random();
        assert_eq!(id.to_string().parse::<JournalId>().ok(), Some(id));
        assert_eq!(id.to_string().len(), 32);
        let hyphenated = id.0.hyphenated().to_string();
        let upper = format!("{:X}", id.0.simple());
        for other in [hyphenated.as_str(), "", "0", "lock"] {
            assert!(other.parse::<JournalId>().is_err(), "{other}");
        }
        assert!(upper == id.to_string() || upper.parse::<JournalId>().is_err());
    }

    #[test]
    fn a_probe_does_not_disturb_another_probe() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        drop(take_new_lock(dir.path())?);
        let other = File::open(lock_path(dir.path()))?;
        rustix::fs::flock(&other, FlockOperation::NonBlockingLockShared)?;
        assert!(!lock_is_held(dir.path())?);
        Ok(())
    }
}
