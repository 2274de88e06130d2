//! Where a node's listener can be reached, and whether it may fail right now.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What may happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It must be answered.
    Serving,
    /// The process may die at any moment, so it may be cut off.
    Doomed,
    /// The process was killed.
    Killed,
    /// The process was told to end, and may have ended: what was sent before is answered; later ones find an open
    /// listener or a closed one.
    Draining,
}

#[derive(Debug, Default)]
struct State {
    /// How each process that served here stands, the present one last.
    phases: Vec<Phase>,
    /// Absent once nobody listens.
    address: Option<SocketAddr>,
}

/// One listener of one node, across the node's restarts.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    state: Mutex<State>,
}

/// A listener as it was at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// Counts the processes that served here.
    generation: usize,
    pub(crate) address: SocketAddr,
}

impl Slot {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new process serves here.
    pub(crate) fn serve(&self, address: SocketAddr, phase: Phase) {
        let mut state = self.state();
        state.address = Some(address);
        state.phases.push(phase);
    }

    /// Tells what is about to be done to the process; call it before that is done.
    pub(crate) fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if phase == Phase::Killed {
            state.address = None;
        }
        if let Some(last) = state.phases.last_mut() {
            *last = phase;
        }
    }

    /// Whoever is refused a connection by a process that is ending comes back for the next one only.
    pub(crate) fn refused(&self, seen: View) {
        let mut state = self.state();
        if state.phases.len() == seen.generation {
            state.address = None;
        }
    }

    /// The listener, unless nobody listens.
    pub(crate) fn view(&self) -> Option<View> {
        let state = self.state();
        Some(View {
            generation: state.phases.len(),
            address: state.address?,
        })
    }

    /// What may happen, or have happened, to a request that was sent to `seen`.
    pub(crate) fn phase_of(&self, seen: View) -> Phase {
        self.state().phases[seen.generation - 1]
    }
}
