//! The background thread that bounds what a power cut can cost.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::sync::{SyncHandle, locked};

#[derive(Debug, Default)]
struct State {
    handles: Vec<SyncHandle>,
    stopping: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

/// One thread that syncs every registered journal that is dirty, once per interval.
///
/// One after the other: on a disk that takes longer than the interval the rounds follow each other without a pause of
/// their own making, and what a power cut costs grows to the length of a round.
#[derive(Debug)]
pub struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(interval_ms: u64) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || run(&theirs, Duration::from_millis(interval_ms)))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Syncs this journal from now on, until its writer is gone and everything is on disk.
    pub fn register(&self, handle: SyncHandle) {
        locked(&self.shared.state).handles.push(handle);
    }

    /// How many journals are still looked after.
    pub fn registered(&self) -> usize {
        locked(&self.shared.state).handles.len()
    }

    /// Syncs everything once more and waits for that. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        locked(&self.shared.state).stopping = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's sync thread panicked");
        }
    }
}

fn run(shared: &Shared, interval: Duration) {
    loop {
        let (handles, stopping) = {
            let (state, _) = shared
                .wake
                .wait_timeout_while(locked(&shared.state), interval, |state| !state.stopping)
                .unwrap_or_else(PoisonError::into_inner);
            (state.handles.clone(), state.stopping)
        };
        for handle in handles.iter().filter(|handle| handle.is_dirty()) {
            // Counted and logged where it happened; the appender finds the segment marked.
            let _reported = handle.sync();
        }
        if stopping {
            return;
        }
        // Gone first, dirty second: in the other order a last append could slip in between.
        locked(&shared.state)
            .handles
            .retain(|handle| !handle.is_writer_gone() || handle.is_dirty());
    }
}
