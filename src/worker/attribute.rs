//! Finds who earned each conversion of a batch.

use std::collections::BTreeSet;

use super::decode::{Undecided, honest};
use crate::domain::attribution::{GivenClick, attribute};
use crate::domain::click_id::ClickIdKeys;
use crate::domain::time::Instant;
use crate::store::commit::Decided;
use crate::store::{Store, StoreError};

pub(super) async fn decide(
    store: &Store,
    keys: &ClickIdKeys,
    conversions: Vec<Undecided>,
    now: Instant,
) -> Result<Vec<Decided>, StoreError> {
    let read: Vec<Vec<_>> = conversions
        .iter()
        .map(|undecided| {
            undecided
                .conversion
                .click_ids
                .iter()
                .map(|text| (text.clone(), keys.decode(text)))
                .collect()
        })
        .collect();
    let links: BTreeSet<_> = read
        .iter()
        .flatten()
        .filter_map(|(_, read)| Some(read.ok()?.link))
        .collect();
    let links: Vec<_> = links.into_iter().collect();
    let owners = store.link_owners(&links).await?;

    let decided = conversions.into_iter().zip(read).map(|(undecided, read)| {
        let Undecided { part, seq, conversion } = undecided;
        // A shop's own date is history and is kept; only a date that our node's clock made up for it
        // can be wrong in the way that clicks are.
        let occurred_at = conversion
            .occurred_at
            .unwrap_or_else(|| honest(conversion.accepted_at, now));
        let clicks: Vec<_> = read
            .into_iter()
            .map(|(text, read)| GivenClick {
                text,
                read,
                owner: read.ok().and_then(|click| owners.get(&click.link).copied()),
            })
            .collect();
        let attribution = attribute(conversion.brand, occurred_at, &clicks, &conversion.promo_codes);
        Decided {
            part,
            seq,
            conversion,
            occurred_at,
            attribution,
        }
    });
    Ok(decided.collect())
}
