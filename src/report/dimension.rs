//! What rows are grouped and filtered by, by name.

use super::bucket::Bucket;
use super::question::{QuestionError, wrong};
use crate::domain::id::{CampaignId, Id, IdKind, InfluencerId, LinkId, PostId, PromoCodeId};
use crate::domain::text::Platform;
use crate::domain::tier::Tier;
use crate::store::figures::{Entity, EntityKey};

/// Dimensions of one report at most.
const DIMENSIONS_MAX: usize = 2;

/// What rows are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// A thing.
    Entity(Entity),
    /// How big the influencer is.
    Tier,
    /// A span of time.
    Time(Bucket),
}

pub(super) const DIMENSIONS: [(&str, Dimension); 16] = [
    ("campaign", Dimension::Entity(Entity::Campaign)),
    ("influencer", Dimension::Entity(Entity::Influencer)),
    ("tier", Dimension::Tier),
    ("link", Dimension::Entity(Entity::Link)),
    ("post", Dimension::Entity(Entity::Post)),
    ("platform", Dimension::Entity(Entity::Platform)),
    ("promo_code", Dimension::Entity(Entity::PromoCode)),
    ("country", Dimension::Entity(Entity::Country)),
    ("device", Dimension::Entity(Entity::Device)),
    ("os", Dimension::Entity(Entity::Os)),
    ("browser", Dimension::Entity(Entity::Browser)),
    ("referrer", Dimension::Entity(Entity::Referrer)),
    ("hour", Dimension::Time(Bucket::Hour)),
    ("day", Dimension::Time(Bucket::Day)),
    ("week", Dimension::Time(Bucket::Week)),
    ("month", Dimension::Time(Bucket::Month)),
];

impl Dimension {
    /// The name in `by` and in keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        DIMENSIONS
            .iter()
            .find(|(_, dimension)| *dimension == self)
            .map_or("", |(name, _)| name)
    }

    fn named(name: &str) -> Option<Self> {
        DIMENSIONS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, dimension)| *dimension)
    }
}

pub(super) fn dimension_names() -> String {
    DIMENSIONS.map(|(name, _)| name).join(", ")
}

pub(super) fn dimensions(value: &str) -> Result<Vec<Dimension>, QuestionError> {
    if value == "total" {
        return Ok(Vec::new());
    }
    let mut by = Vec::new();
    for name in value.split(',') {
        let Some(dimension) = Dimension::named(name) else {
            return wrong(
                "by",
                format!("`{name}` is none of {} (or total, alone)", dimension_names()),
            );
        };
        if by.contains(&dimension) {
            return wrong("by", format!("names {name} twice"));
        }
        by.push(dimension);
    }
    if by.len() > DIMENSIONS_MAX {
        return wrong("by", "takes at most two dimensions");
    }
    let times = by
        .iter()
        .filter(|dimension| matches!(dimension, Dimension::Time(_)))
        .count();
    if times > 1 {
        wrong("by", "takes at most one of hour, day, week and month")
    } else {
        Ok(by)
    }
}

/// What rows are narrowed down to.
pub(super) enum Filter {
    /// Things of one kind and key.
    Only(Entity, EntityKey),
    /// Influencers of one tier; nothing: of an unknown one.
    Tier(EntityKey),
}

/// The key of a tier.
pub(super) fn tier_key(tier: Option<Tier>) -> EntityKey {
    tier.map_or(EntityKey::Nothing, |tier| EntityKey::Text(tier.as_str().to_owned()))
}

pub(super) fn filter(name: &str, value: &str) -> Result<Filter, QuestionError> {
    fn number<K: IdKind>(name: &str, value: &str, of: fn(Id<K>) -> i64) -> Result<EntityKey, QuestionError> {
        match value.parse() {
            Ok(id) => Ok(EntityKey::Number(of(id))),
            Err(error) => wrong(name, error.to_string()),
        }
    }
    let entity = match Dimension::named(name) {
        Some(Dimension::Entity(entity)) => entity,
        Some(Dimension::Tier) if value.is_empty() => return Ok(Filter::Tier(EntityKey::Nothing)),
        Some(Dimension::Tier) => match Tier::parse(value) {
            Ok(tier) => return Ok(Filter::Tier(tier_key(Some(tier)))),
            Err(error) => return wrong(name, error.to_string()),
        },
        Some(Dimension::Time(_)) | None => return wrong(name, "is not a parameter of reports"),
    };
    // What has no name is asked for by an empty one.
    if value.is_empty() {
        return Ok(Filter::Only(entity, EntityKey::Nothing));
    }
    let key = match entity {
        Entity::Campaign => number(name, value, CampaignId::number)?,
        Entity::Influencer => number(name, value, InfluencerId::number)?,
        Entity::Link => number(name, value, LinkId::number)?,
        Entity::Post => number(name, value, PostId::number)?,
        Entity::PromoCode => number(name, value, PromoCodeId::number)?,
        Entity::Platform => match Platform::parse(value) {
            Ok(platform) => EntityKey::Text(platform.as_str().to_owned()),
            Err(error) => return wrong(name, error.to_string()),
        },
        Entity::Country => EntityKey::Text(value.to_uppercase()),
        Entity::Device | Entity::Os | Entity::Browser | Entity::Referrer => EntityKey::Text(value.to_owned()),
    };
    Ok(Filter::Only(entity, key))
}
