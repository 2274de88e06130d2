//! The clock, injected, so that tests decide what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::Instant;

/// Tells the time. Cheap to clone; clones share a fixed time.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    fixed_ms: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at `at` until [`Clock::set`] moves it.
    #[must_use]
    pub fn fixed(at: Instant) -> Self {
        Self {
            fixed_ms: Some(Arc::new(AtomicI64::new(at.ms()))),
        }
    }

    /// Moves a fixed clock and all its clones; does nothing to the machine's.
    pub fn set(&self, at: Instant) {
        if let Some(fixed_ms) = &self.fixed_ms {
            fixed_ms.store(at.ms(), Ordering::Relaxed);
        }
    }

    /// The time now. A machine clock before 1970 reads as 1970.
    #[must_use]
    pub fn now(&self) -> Instant {
        if let Some(fixed_ms) = &self.fixed_ms {
            return Instant::from_ms(fixed_ms.load(Ordering::Relaxed));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
