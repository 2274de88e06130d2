//! How far this process and its store have come: what the probes tell, and what tasks wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::shutdown::Stopping;

/// Clones share the knowledge.
#[derive(Debug, Clone)]
pub(super) struct Health {
    serving: Arc<AtomicBool>,
    whole: Arc<watch::Sender<bool>>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            serving: Arc::default(),
            whole: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Every listener of the roles answers.
    pub(super) fn set_serving(&self) {
        self.serving.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed)
    }

    /// The store was reached, has this program's schema, and what it knows was read.
    pub(super) fn set_whole(&self) {
        self.whole.send_replace(true);
    }

    pub(super) fn is_whole(&self) -> bool {
        *self.whole.borrow()
    }

    /// Waits for the store; `false` when the process ends first.
    pub(super) async fn wait_until_whole(&self, stopping: &mut Stopping) -> bool {
        let mut whole = self.whole.subscribe();
        tokio::select! {
            answer = whole.wait_for(|whole| *whole) => answer.is_ok(),
            () = stopping.wait() => false,
        }
    }
}
