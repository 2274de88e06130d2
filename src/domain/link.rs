//! Links: a slug that belongs to one influencer in one campaign, and whether it is live.

use super::deal::DealTerm;
use super::id::{BrandId, CampaignId, InfluencerId, LinkId, PostId};
use super::time::Instant;

/// Whether a link counted when it was followed, and if not, why.
///
/// Click ids carry the code in four bits, so that a later change to the link never rewrites what
/// was true at the touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// Link and campaign are live.
    Live,
    /// The link is paused.
    Paused,
    /// The link's `expires_at` has passed.
    Expired,
    /// The campaign's `ends_at` has passed, or the campaign was archived.
    CampaignOver,
    /// The campaign's `starts_at` is still to come: visitors are sent on, the click earns nothing.
    CampaignNotStarted,
    /// The link was deleted.
    Archived,
}

impl LinkState {
    const ALL: [Self; 6] = [
        Self::Live,
        Self::Paused,
        Self::Expired,
        Self::CampaignOver,
        Self::CampaignNotStarted,
        Self::Archived,
    ];

    /// The code that click ids, the journal and the store carry: 0 to 15.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Its name, for people and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Paused => "paused",
            Self::Expired => "expired",
            Self::CampaignOver => "campaign_over",
            Self::CampaignNotStarted => "campaign_not_started",
            Self::Archived => "archived",
        }
    }

    /// The state with this code; `None` for a code of a newer version.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Whether a visitor is sent to the destination itself; otherwise to the campaign's fallback.
    #[must_use]
    pub const fn reaches_destination(self) -> bool {
        matches!(self, Self::Live | Self::CampaignNotStarted)
    }
}

/// When a campaign counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Season {
    /// First instant that counts; absent: always has.
    pub starts_at: Option<Instant>,
    /// First instant that no longer counts; absent: never ends.
    pub ends_at: Option<Instant>,
    /// Whether the campaign was archived.
    pub archived: bool,
}

/// What decides a link's state, besides its campaign's season.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkSwitches {
    /// Paused by hand.
    pub paused: bool,
    /// Deleted.
    pub archived: bool,
    /// First instant at which the link no longer counts.
    pub expires_at: Option<Instant>,
}

/// The link's state at an instant. The most final reason wins.
#[must_use]
pub fn link_state(link: LinkSwitches, season: Season, at: Instant) -> LinkState {
    let passed = |edge: Option<Instant>| edge.is_some_and(|edge| at >= edge);
    if link.archived {
        LinkState::Archived
    } else if season.archived || passed(season.ends_at) {
        LinkState::CampaignOver
    } else if passed(link.expires_at) {
        LinkState::Expired
    } else if link.paused {
        LinkState::Paused
    } else if season.starts_at.is_some_and(|start| at < start) {
        LinkState::CampaignNotStarted
    } else {
        LinkState::Live
    }
}

/// Who a link belongs to, and the rule its clicks are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkOwner {
    /// The link.
    pub link: LinkId,
    /// Its brand.
    pub brand: BrandId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its influencer.
    pub influencer: InfluencerId,
    /// The post it stands in, where it was named.
    pub post: Option<PostId>,
    /// The campaign's look-back window, in days of 86,400 s.
    pub window_days: u32,
    /// When the influencer's own deal counts.
    pub deal: DealTerm,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_belong_to_what_comes_after() {
        let at = |ms| Instant::from_ms(ms);
        let season = Season {
            starts_at: Some(at(100)),
            ends_at: Some(at(200)),
            archived: false,
        };
        let open = LinkSwitches::default();
        assert_eq!(link_state(open, season, at(99)), LinkState::CampaignNotStarted);
        assert_eq!(link_state(open, season, at(100)), LinkState::Live);
        assert_eq!(link_state(open, season, at(199)), LinkState::Live);
        assert_eq!(link_state(open, season, at(200)), LinkState::CampaignOver);
        let expiring = LinkSwitches {
            expires_at: Some(at(150)),
            ..open
        };
        assert_eq!(link_state(expiring, season, at(149)), LinkState::Live);
        assert_eq!(link_state(expiring, season, at(150)), LinkState::Expired);
    }

    #[test]
    fn every_state_reads_back_from_its_code() {
        for state in LinkState::ALL {
            assert_eq!(LinkState::from_code(state.code()), Some(state));
        }
        assert_eq!(LinkState::from_code(6), None);
    }
}
