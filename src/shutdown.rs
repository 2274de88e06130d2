//! One token tells every long-running task to finish.

use tokio::sync::watch;

/// Held by whoever decides that the process ends.
#[derive(Debug)]
pub struct Shutdown {
    sender: watch::Sender<bool>,
}

/// Held by whoever must notice.
#[derive(Debug, Clone)]
pub struct Stopping {
    receiver: watch::Receiver<bool>,
}

impl Shutdown {
    /// A token and the first listener.
    #[must_use]
    pub fn new() -> (Self, Stopping) {
        let (sender, receiver) = watch::channel(false);
        (Self { sender }, Stopping { receiver })
    }

    /// Tells everybody. May be called again.
    pub fn begin(&self) {
        self.sender.send_replace(true);
    }
}

impl Stopping {
    /// Whether the end was announced (or the announcer is gone).
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.receiver.borrow() || self.receiver.has_changed().is_err()
    }

    /// Waits for the announcement.
    pub async fn wait(&mut self) {
        // An error means that the announcer is gone, which says the same.
        let _ = self.receiver.wait_for(|stopping| *stopping).await;
    }
}
