//! Influencers: the people who share links, with their accounts on platforms.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{Handle, Platform};
use super::tier::{Tier, TierBounds};

/// Accounts that one influencer may have.
pub const MAX_ACCOUNTS: usize = 20;
/// Tags that one influencer may have.
pub const MAX_TAGS: usize = 50;

/// One account on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Account {
    /// Such as `instagram`.
    pub platform: Platform,
    /// The name there.
    pub handle: Handle,
    /// Followers, as last told.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    pub followers: u32,
}

super::object::only_from_objects!(Account);

/// The tier that the largest account gives; `None` without any account.
#[must_use]
pub fn tier(accounts: &[Account], bounds: &TierBounds) -> Option<Tier> {
    let largest = accounts.iter().map(|account| account.followers).max()?;
    Some(bounds.tier_of(u64::from(largest)))
}
