//! The small tables: brands, campaigns and keys. Replaced whole at every change.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::id::{BrandId, CampaignId, KeyId};
use crate::domain::link::Season;
use crate::domain::location::LocationTemplate;
use crate::domain::role::Role;
use crate::store::{ApiKey, Brand, Campaign, Changes};

/// What must be known of a brand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrandGate {
    /// Its name, folded.
    pub name: Box<str>,
    /// Its click parameter; `None`: no click ids.
    pub click_param: Option<Box<str>>,
    /// Whether it was archived.
    pub archived: bool,
}

/// What a redirect must know of a campaign.
pub struct CampaignGate {
    /// When it counts.
    pub season: Season,
    /// Where visitors go when their link no longer counts.
    pub fallback: Option<LocationTemplate>,
    pub(super) fallback_url: Option<Box<str>>,
    pub(super) brand: BrandId,
}

/// What a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyGate {
    /// The key's id.
    pub id: KeyId,
    /// Its brand; `None` for operators.
    pub brand: Option<BrandId>,
    /// What it may do.
    pub role: Role,
}

/// The tables.
#[derive(Clone, Default)]
pub struct Tables {
    pub(super) brands: HashMap<BrandId, Arc<BrandGate>>,
    pub(super) campaigns: HashMap<CampaignId, Arc<CampaignGate>>,
    pub(super) keys: HashMap<String, KeyGate>,
}

impl Tables {
    /// The brand with this id.
    #[must_use]
    pub fn brand(&self, id: BrandId) -> Option<&BrandGate> {
        self.brands.get(&id).map(|brand| &**brand)
    }

    /// The brand with this id or name that is not archived; names without regard to case.
    #[must_use]
    pub fn brand_named(&self, id_or_name: &str) -> Option<BrandId> {
        let standing = |brand: &BrandGate| !brand.archived;
        if let Ok(id) = id_or_name.parse::<BrandId>() {
            return self.brand(id).filter(|brand| standing(brand)).map(|_| id);
        }
        let folded = id_or_name.to_lowercase();
        let mut named = self
            .brands
            .iter()
            .filter(|(_, brand)| *brand.name == *folded && standing(brand));
        named.next().map(|(id, _)| *id)
    }

    /// The campaign with this id.
    #[must_use]
    pub fn campaign(&self, id: CampaignId) -> Option<&CampaignGate> {
        self.campaigns.get(&id).map(|campaign| &**campaign)
    }

    /// What the key with this hash opens; `None` when it is unknown or was revoked.
    #[must_use]
    pub fn key(&self, hash: &str) -> Option<KeyGate> {
        self.keys.get(hash).copied()
    }

    pub(super) fn forget_keys(&mut self) {
        self.keys.clear();
    }

    /// Applies changes; whether a known brand's click parameter is now another.
    pub(super) fn apply(&mut self, changes: &Changes) -> bool {
        let mut reparametrised = false;
        for brand in &changes.brands {
            let gate = Arc::new(gate_of(brand));
            if let Some(old) = self.brands.insert(brand.id, Arc::clone(&gate)) {
                reparametrised |= old.click_param != gate.click_param;
            }
        }
        for campaign in &changes.campaigns {
            self.put_campaign(campaign);
        }
        for key in &changes.keys {
            self.put_key(key);
        }
        if reparametrised {
            self.rebuild_fallbacks();
        }
        reparametrised
    }

    fn put_campaign(&mut self, campaign: &Campaign) {
        let season = Season {
            starts_at: campaign.starts_at,
            ends_at: campaign.ends_at,
            archived: campaign.archived_at.is_some(),
        };
        self.put_gate(campaign.id, campaign.brand_id, season, campaign.fallback_url.as_deref());
    }

    pub(super) fn put_gate(&mut self, id: CampaignId, brand: BrandId, season: Season, fallback_url: Option<&str>) {
        let click_param = self.brand(brand).and_then(|gate| gate.click_param.as_deref());
        let gate = CampaignGate {
            season,
            fallback: fallback_url.map(|url| LocationTemplate::new(url, click_param)),
            fallback_url: fallback_url.map(Into::into),
            brand,
        };
        self.campaigns.insert(id, Arc::new(gate));
    }

    fn rebuild_fallbacks(&mut self) {
        let gates: Vec<_> = self
            .campaigns
            .iter()
            .map(|(id, gate)| (*id, Arc::clone(gate)))
            .collect();
        for (id, gate) in gates {
            self.put_gate(id, gate.brand, gate.season, gate.fallback_url.as_deref());
        }
    }

    fn put_key(&mut self, key: &ApiKey) {
        if key.archived_at.is_some() {
            self.keys.remove(&key.hash);
        } else {
            let gate = KeyGate {
                id: key.id,
                brand: key.brand_id,
                role: key.role,
            };
            self.keys.insert(key.hash.clone(), gate);
        }
    }
}

fn gate_of(brand: &Brand) -> BrandGate {
    BrandGate {
        name: brand.name.as_str().to_lowercase().into(),
        click_param: brand.click_param.as_ref().map(|param| param.as_str().into()),
        archived: brand.archived_at.is_some(),
    }
}
