//! Links that keep serving although a restored store no longer knows them: people hold them in hand.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rows::Chain;
use crate::domain::id::LinkId;

/// So many are named; the others are counted.
const NAMED: usize = 20;

/// The orphaned links by id, with their slugs.
#[derive(Default)]
pub struct Orphans {
    known: Mutex<BTreeMap<LinkId, Box<str>>>,
}

impl Orphans {
    fn known(&self) -> MutexGuard<'_, BTreeMap<LinkId, Box<str>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.known().len()
    }

    /// The slugs of some of them.
    pub fn some(&self) -> Vec<String> {
        self.known().values().take(NAMED).map(ToString::to_string).collect()
    }

    pub(super) fn all(&self) -> BTreeMap<LinkId, Box<str>> {
        self.known().clone()
    }

    pub(super) fn load(&self, orphans: BTreeMap<LinkId, Box<str>>) {
        *self.known() = orphans;
    }

    /// The store knows this link, and whatever gave way to it serves no more.
    pub(super) fn forget(&self, known_again: LinkId, before: Option<&Chain>, after: &Chain) {
        let mut known = self.known();
        if known.is_empty() {
            return;
        }
        known.remove(&known_again);
        let stands = |id: LinkId| after.rows().iter().any(|row| row.id == id);
        for row in before.map_or(&[][..], Chain::rows) {
            if !stands(row.id) {
                known.remove(&row.id);
            }
        }
    }
}
