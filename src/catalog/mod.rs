//! What a node must know to answer without asking the store: links, brands, campaigns, keys and visitors' salts.
//!
//! The store's change feed keeps it current; a snapshot on the local disk makes it survive a start
//! without a store. Reading takes no lock; changes are applied one after the other.

mod orphans;
mod rows;
mod salts;
mod snapshot;
#[cfg(test)]
mod snapshot_tests;
mod tables;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Mutex;

use crate::store::{FeedHead, LinkChange, Store, StoreError};
use orphans::Orphans;
pub use rows::LinkRow;
use rows::{Chain, fold};
pub use salts::{Salts, draw_salt};
pub use snapshot::SnapshotError;
pub use tables::{BrandGate, CampaignGate, KeyGate, Tables};

/// The longest slug that a request may ask for.
const SLUG_MAX_BYTES: usize = crate::domain::slug::MAX_LEN;

/// The node's copy of what the control plane decided.
pub struct Catalog {
    links: papaya::HashMap<Box<str>, Chain>,
    tables: ArcSwap<Tables>,
    /// Up to where changes were applied, and of which store.
    position: ArcSwap<FeedHead>,
    count: AtomicUsize,
    orphans: Orphans,
    salts: Salts,
    /// A brand renamed its click parameter, and not all links are rebuilt yet.
    stale: AtomicBool,
    applying: Mutex<()>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            links: papaya::HashMap::new(),
            tables: ArcSwap::from_pointee(Tables::default()),
            position: ArcSwap::default(),
            count: AtomicUsize::new(0),
            orphans: Orphans::default(),
            salts: Salts::default(),
            stale: AtomicBool::new(false),
            applying: Mutex::new(()),
        }
    }
}

impl Catalog {
    /// Looks a slug up and hands the link to `found`. An exact match wins, else one that differs by
    /// case alone (the one that was made first). Allocates nothing.
    pub fn with_link<T>(&self, slug: &str, found: impl FnOnce(&LinkRow) -> T) -> Option<T> {
        let mut folded = [0_u8; SLUG_MAX_BYTES];
        let folded = fold(slug, &mut folded)?;
        let links = self.links.pin();
        links.get(folded).map(|chain| found(chain.pick(slug, folded)))
    }

    /// Brands, campaigns and keys, as they are now.
    pub fn tables(&self) -> Guard<Arc<Tables>> {
        self.tables.load()
    }

    /// Links in memory.
    pub fn links_loaded(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Links that keep serving although a restored store no longer knows them.
    pub const fn orphans(&self) -> &Orphans {
        &self.orphans
    }

    /// What visitors' hashes are made with.
    pub const fn salts(&self) -> &Salts {
        &self.salts
    }

    /// Whether links are being rebuilt for a brand's new click parameter.
    fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    /// The feed's position up to which changes were applied, and whose feed it is.
    pub fn position(&self) -> Arc<FeedHead> {
        self.position.load_full()
    }

    /// Applies everything that the store has committed by now. When it returns, every change that
    /// was committed before the call is in force here.
    ///
    /// A feed whose head lies behind this node's position is a restored store: everything is read
    /// again, and links that the store has lost keep serving, because people hold them in hand. A store with another
    /// token may be a restored one that was written to since, so that its head tells nothing; it is read again too.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; what was applied stays.
    pub async fn catch_up(&self, store: &Store) -> Result<(), StoreError> {
        let _turn = self.applying.lock().await;
        let head = store.feed_head().await?;
        let before = self.position();
        if head == *before && !self.is_stale() {
            return Ok(());
        }
        let position = before.seq;
        let restored = head.seq < position || (position > 0 && head.store != before.store);
        let after = if restored { 0 } else { position };
        let changes = store.changes(after).await?;
        // Prefixes are built with the brand's click parameter: when it changes, all are rebuilt, and
        // should the store fail in between, at the next call.
        if self.apply_tables(&changes, restored) {
            self.stale.store(true, Ordering::Relaxed);
        }
        let after = if self.is_stale() { 0 } else { after };
        if after == 0 {
            // Growing step by step would hold two tables at a time.
            let count = usize::try_from(store.count_links().await?).unwrap_or(0);
            self.links.pin().reserve(count.saturating_sub(self.links_loaded()));
        }
        let mut seen = HashSet::new();
        store
            .changed_links(after, head.seq, |links| {
                for link in links {
                    if restored {
                        seen.insert(link.id);
                    }
                    self.apply_link(&link);
                }
            })
            .await?;
        if restored {
            let links = self.links.pin();
            let lost = links.iter().flat_map(|(folded, chain)| {
                let rows = chain.rows().iter().filter(|row| !seen.contains(&row.id));
                rows.map(move |row| (row.id, row.slug(folded).into()))
            });
            self.orphans.load(lost.collect());
            let (head, lost) = (head.seq, self.orphans.count());
            if head < position || lost > 0 {
                tracing::error!(
                    position,
                    head,
                    lost,
                    some_of_them = %self.orphans.some().join(", "),
                    "the store was put back to an older state: everything was read again, and links that it lost keep serving"
                );
            } else {
                tracing::info!("the store was started again: everything was read again");
            }
        }
        self.position.store(Arc::new(head));
        self.stale.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn apply_tables(&self, changes: &crate::store::Changes, afresh: bool) -> bool {
        let old = self.tables.load_full();
        // A restored store decides alone which keys are in force; brands and campaigns that it lost
        // stay for the links that still need them.
        let mut new = (*old).clone();
        if afresh {
            new.forget_keys();
        }
        let reparametrised = new.apply(changes);
        self.tables.store(Arc::new(new));
        reparametrised
    }

    fn apply_link(&self, change: &LinkChange) {
        let tables = self.tables.load();
        let click_param = tables
            .brand(change.brand)
            .and_then(|brand| brand.click_param.as_deref());
        let row = LinkRow::new(change, click_param);
        let folded = change.slug.to_ascii_lowercase().into_boxed_str();
        let links = self.links.pin();
        let (chain, added) = match links.get(&folded) {
            None => (Chain::one(row), true),
            Some(standing) => standing.with(row),
        };
        self.orphans.forget(change.id, links.get(&folded), &chain);
        links.insert(folded, chain);
        if added {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
