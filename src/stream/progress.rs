//! Tells whoever waits that the worker has committed something, and the worker that there is work.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

/// Shared by the API, the worker and the keeper. Clones share the state.
#[derive(Debug, Clone)]
pub struct Progress {
    commits: watch::Sender<u64>,
    work: Arc<Notify>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            commits: watch::Sender::new(0),
            work: Arc::default(),
        }
    }
}

impl Progress {
    /// A batch was committed.
    pub fn committed(&self) {
        self.commits.send_modify(|count| *count += 1);
    }

    /// Changes whenever a batch is committed by a worker of this process.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Somebody waits for something that was just journaled: do not sleep.
    pub fn hurry(&self) {
        self.work.notify_one();
    }

    /// Waits for [`Progress::hurry`].
    pub async fn hurried(&self) {
        self.work.notified().await;
    }
}
