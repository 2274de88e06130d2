//! The data directory: one serving process at a time, and what lies where.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::StartError;
use crate::domain::secret::Secrets;
use crate::stream::JOURNALS_DIR;

const LOCK_FILE: &str = "lock";
const SECRET_FILE: &str = "secret";
const SNAPSHOT_FILE: &str = "catalog.snapshot";
/// Bytes of a secret that a first start makes.
const SECRET_BYTES: usize = 32;

/// Another process serves the data directory.
#[derive(Debug, thiserror::Error)]
#[error(
    "another linkledger{} serves the data directory {path}; stop it first, or give this one its own with \
     LINKLEDGER_DATA_DIR", .holder.as_ref().map_or(String::new(), |pid| format!(" (process {pid})"))
)]
pub struct LockError {
    path: PathBuf,
    holder: Option<String>,
}

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl DataDir {
    /// Makes the directory if need be (for its owner only) and takes its lock.
    ///
    /// # Errors
    /// [`StartError::DataDir`] when the system refuses, [`StartError::Locked`] when somebody holds it.
    pub fn take(path: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::DataDir {
            path: path.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        let lock_path = path.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        let mut lock = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(lock_path)
            .map_err(failed)?;
        if let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            let mut holder = String::new();
            let known = lock.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            return Err(LockError {
                path: path.to_owned(),
                holder: known.then(|| holder.trim().to_owned()),
            }
            .into());
        }
        // For people; the lock itself needs no content.
        let noted = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        noted.map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the journals lie.
    #[must_use]
    pub fn journals(&self) -> PathBuf {
        self.path.join(JOURNALS_DIR)
    }

    /// Where the catalog's snapshot lies.
    #[must_use]
    pub fn snapshot(&self) -> PathBuf {
        self.path.join(SNAPSHOT_FILE)
    }

    /// The installation's secrets: those of the settings, else the ones kept here, made at first.
    ///
    /// # Errors
    /// [`StartError`] when the file cannot be read or written, or holds something else.
    pub fn secrets(&self, configured: Option<&Secrets>) -> Result<Secrets, StartError> {
        if let Some(secrets) = configured {
            return Ok(secrets.clone());
        }
        let path = self.path.join(SECRET_FILE);
        let failed = |source| StartError::DataDir {
            path: path.clone(),
            source,
        };
        if !path.exists() {
            // A service ran here before: its journals are made after its secret.
            if self.journals().exists() {
                tracing::error!(
                    path = %path.display(),
                    "the secret is gone, and a new one is made: click ids that are out there will be foreign, and \
                     customers will count as new; if there is a backup of the file, stop and put it back"
                );
            }
            let mut bytes = [0_u8; SECRET_BYTES];
            getrandom::fill(&mut bytes)?;
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            // Beside it first and renamed: half a secret must never be taken for one.
            let unfinished = path.with_extension("unfinished");
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)
                .map_err(failed)?;
            writeln!(file, "{text}")
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            fs::rename(&unfinished, &path).map_err(failed)?;
            File::open(&self.path).and_then(|dir| dir.sync_all()).map_err(failed)?;
        }
        let text = fs::read_to_string(&path).map_err(failed)?;
        Secrets::parse(text.trim()).map_err(|source| StartError::Secret {
            path: path.clone(),
            source,
        })
    }
}
