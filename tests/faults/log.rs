//! What the clients know, which is all that the service has promised.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A click whose 302 was received to its last byte.
#[derive(Debug, Clone)]
pub(crate) struct Click {
    pub(crate) id: String,
    /// The node that answered.
    pub(crate) node: String,
}

/// An order whose 202 was received, with what was sent back of it.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) cents: i64,
}

/// A refund whose 202 was received.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) cents: i64,
}

/// More than these would only hide the first.
const VIOLATIONS_KEPT: usize = 20;

#[derive(Debug, Default)]
pub(crate) struct Log {
    clicks: Mutex<Vec<Click>>,
    orders: Mutex<Vec<Order>>,
    refunds: Mutex<Vec<Refund>>,
    violations: Mutex<Vec<String>>,
    /// Clicks that were sent.
    pub(crate) sent: AtomicUsize,
    /// Clicks that were answered.
    pub(crate) answered: AtomicUsize,
    /// Clicks that were under way when their node was killed.
    pub(crate) in_flight: AtomicUsize,
    slowest_us: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    pub(crate) fn clicked(&self, id: String, node: &str) {
        let node = node.to_owned();
        lock(&self.clicks).push(Click { id, node });
        self.answered.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn ordered(&self, id: String, cents: i64) {
        lock(&self.orders).push(Order { id, cents });
    }

    pub(crate) fn refunded(&self, id: String, cents: i64) {
        lock(&self.refunds).push(Refund { id, cents });
    }

    /// Something that must not have happened. The row goes on, and fails at its end.
    pub(crate) fn violate(&self, what: String) {
        let mut violations = lock(&self.violations);
        if violations.len() < VIOLATIONS_KEPT {
            violations.push(what);
        }
    }

    pub(crate) fn took(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.slowest_us.fetch_max(us, Ordering::SeqCst);
    }

    /// The slowest redirect so far.
    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_micros(self.slowest_us.load(Ordering::SeqCst))
    }

    pub(crate) fn clicks(&self) -> Vec<Click> {
        lock(&self.clicks).clone()
    }

    pub(crate) fn orders(&self) -> Vec<Order> {
        lock(&self.orders).clone()
    }

    pub(crate) fn refunds(&self) -> Vec<Refund> {
        lock(&self.refunds).clone()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        lock(&self.violations).clone()
    }

    pub(crate) fn answers(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}
