//! Takes conversions in: appended and synced on one thread of their own before anybody is told.
//!
//! Many requests share one `fdatasync` (group commit): while one sync runs, the next group gathers.
//! Nothing here asks the store, so shops are answered while it is down.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::journal::{AppendError, JournalId, Writer};

/// Submissions that share one sync at most.
const GROUP_MAX: usize = 256;

/// One record to be journaled.
#[derive(Debug)]
pub struct Submission {
    /// Layout of the payload.
    pub version: u8,
    /// What the payload is.
    pub kind: u8,
    /// The record.
    pub payload: Vec<u8>,
}

/// Where a submission came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The API's journal.
    pub journal: JournalId,
    /// The last record's sequence.
    pub last_seq: u64,
}

/// Why nothing was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// No room on the disk or in the journal's budget.
    #[error("the journal is full")]
    Full,
    /// The record is larger than a journal takes.
    #[error("the record is too large")]
    TooLarge,
    /// The disk failed.
    #[error("the journal could not be written")]
    Failed,
    /// The process is going down.
    #[error("the service is shutting down")]
    Stopped,
}

struct Job {
    records: Vec<Submission>,
    answer: oneshot::Sender<Result<Receipt, IntakeError>>,
}

/// Hands submissions to the intake thread. Clones share it; the thread ends with the last clone.
#[derive(Debug, Clone)]
pub struct Intake {
    jobs: Sender<Job>,
}

impl Intake {
    /// Starts the thread on the API's journal.
    ///
    /// # Errors
    /// The system's, when it has no thread to give.
    pub fn start(writer: Writer) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("intake".to_owned())
            .spawn(move || run(writer, &inbox))?;
        Ok((Self { jobs }, thread))
    }

    /// Journals records and syncs them. When this returns `Ok`, a power cut no longer costs them.
    ///
    /// # Errors
    /// [`IntakeError`]: nothing was promised. Some records may lie in the journal all the same;
    /// they carry the same identity as the repeat that the shop will send, and count once.
    pub async fn submit(&self, records: Vec<Submission>) -> Result<Receipt, IntakeError> {
        let (answer, answered) = oneshot::channel();
        self.jobs
            .send(Job { records, answer })
            .map_err(|_| IntakeError::Stopped)?;
        answered.await.map_err(|_| IntakeError::Stopped)?
    }
}

fn run(mut writer: Writer, inbox: &Receiver<Job>) {
    while let Ok(first) = inbox.recv() {
        let group: Vec<Job> = std::iter::once(first)
            .chain(inbox.try_iter().take(GROUP_MAX - 1))
            .collect();
        let appended: Vec<_> = group.iter().map(|job| append(&mut writer, &job.records)).collect();
        let synced = sync_group(&mut writer, appended.iter().any(Result::is_ok));
        fail::fail_point!("after_intake_sync", |_| std::process::abort());
        for (job, outcome) in group.into_iter().zip(appended) {
            let outcome = outcome.and_then(|receipt| synced.map(|()| receipt));
            // A client that hung up no longer wants to know.
            let _ = job.answer.send(outcome);
        }
    }
}

fn append(writer: &mut Writer, records: &[Submission]) -> Result<Receipt, IntakeError> {
    let mut last_seq = 0;
    for record in records {
        let outcome = writer.append(record.version, record.kind, |out| {
            out.extend_from_slice(&record.payload)
        });
        last_seq = outcome.map_err(|error| match error {
            AppendError::Full => IntakeError::Full,
            AppendError::TooLarge { .. } => IntakeError::TooLarge,
            AppendError::Io(error) => {
                tracing::error!(%error, "a conversion could not be journaled");
                IntakeError::Failed
            }
        })?;
    }
    Ok(Receipt {
        journal: writer.id(),
        last_seq,
    })
}

/// The writer's own sync also reports what a background sync has already lost for this group.
fn sync_group(writer: &mut Writer, anything: bool) -> Result<(), IntakeError> {
    if !anything {
        return Ok(());
    }
    writer.sync().map_err(|error| {
        tracing::error!(%error, "conversions could not be synced; the shops are told to send again");
        IntakeError::Failed
    })
}
