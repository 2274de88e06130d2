//! Finds who earned each conversion of a batch.

use std::collections::BTreeSet;

use super::decode::{Undecided, honest};
use crate::domain::attribution::{Attribution, GivenClick, GivenCode, Why, attribute};
use crate::domain::click_id::ClickIdKeys;
use crate::domain::conversion::NewConversion;
use crate::domain::email_hash::EmailKey;
use crate::domain::id::BrandId;
use crate::domain::text::CodeText;
use crate::domain::time::Instant;
use crate::store::commit::Decided;
use crate::store::{Store, StoreError};

pub(super) async fn decide(
    store: &Store,
    keys: &ClickIdKeys,
    emails: &EmailKey,
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

    // What no influencer's code can look like is an ordinary coupon.
    let code_of = |brand: BrandId, text: &str| CodeText::parse(text).ok().map(|code| (brand, code));
    let codes: BTreeSet<_> = conversions
        .iter()
        .map(|undecided| &undecided.conversion)
        .flat_map(|conversion| {
            conversion
                .promo_codes
                .iter()
                .filter_map(|text| code_of(conversion.brand, text))
        })
        .collect();
    let codes: Vec<_> = codes.into_iter().collect();
    let code_owners = store.code_owners(&codes).await?;

    let mut decided = Vec::with_capacity(conversions.len());
    for (undecided, read) in conversions.into_iter().zip(read) {
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
        let codes: Vec<_> = conversion
            .promo_codes
            .iter()
            .map(|text| GivenCode {
                text: text.clone(),
                owner: code_of(conversion.brand, text)
                    .and_then(|code| code_owners.get(&code))
                    .copied(),
            })
            .collect();
        let mut attribution = attribute(conversion.brand, occurred_at, &clicks, &codes);
        if is_self_referral(store, emails, &conversion, &attribution).await? {
            attribution.held = Some(Why::SelfReferral);
        }
        decided.push(Decided {
            part,
            seq,
            conversion,
            occurred_at,
            attribution,
        });
    }
    Ok(decided)
}

/// Whether the buyer's address is that of the influencer who would earn by it.
async fn is_self_referral(
    store: &Store,
    emails: &EmailKey,
    conversion: &NewConversion,
    attribution: &Attribution,
) -> Result<bool, StoreError> {
    let Some(buyer) = &conversion.customer_email_hash else {
        return Ok(false);
    };
    for credit in &attribution.credits {
        let email = store.influencer_email(credit.owner.influencer).await?;
        if email.is_some_and(|email| emails.hash(&email) == *buyer) {
            return Ok(true);
        }
    }
    Ok(false)
}
