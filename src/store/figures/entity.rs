//! What rows can be grouped and filtered by, and the columns behind it.

/// What rows can be grouped and filtered by, besides time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// Campaigns.
    Campaign,
    /// Influencers.
    Influencer,
    /// Links.
    Link,
    /// Posts; links without one stand under nothing.
    Post,
    /// Platforms; links without one stand under nothing.
    Platform,
    /// Promo codes; clicks have none.
    PromoCode,
    /// Countries, as two letters.
    Country,
    /// Kinds of device.
    Device,
    /// Operating systems.
    Os,
    /// Browsers.
    Browser,
    /// Hosts of referrers.
    Referrer,
}

/// Which table a sum is made from: the same thing stands in different columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Rollups,
    RawClicks,
    Credits,
}

impl Entity {
    /// Whether it is named by an id; otherwise by its own text.
    pub(super) const fn is_thing(self) -> bool {
        matches!(
            self,
            Self::Campaign | Self::Influencer | Self::Link | Self::Post | Self::PromoCode
        )
    }

    /// Whether it is a property of a click, not of its link.
    pub(super) const fn is_facet(self) -> bool {
        matches!(
            self,
            Self::Country | Self::Device | Self::Os | Self::Browser | Self::Referrer
        )
    }

    /// An empty text says as little as none.
    pub(super) const fn column(self, source: Source) -> &'static str {
        match (self, source) {
            (Self::Campaign, Source::Credits) => "credits.campaign_id",
            (Self::Campaign, _) => "links.campaign_id",
            (Self::Influencer, Source::Credits) => "credits.influencer_id",
            (Self::Influencer, _) => "links.influencer_id",
            (Self::Link, Source::Credits) => "credits.link_id",
            (Self::Link, _) => "links.id",
            (Self::Post, Source::Credits) => "credits.post_id",
            (Self::Post, _) => "links.post_id",
            (Self::Platform, _) => "links.platform",
            (Self::PromoCode, Source::Credits) => "credits.promo_code_id",
            (Self::PromoCode, _) => "NULL",
            (Self::Country, Source::Rollups) => "NULLIF(facets.country, '')",
            (Self::Country, _) => "NULLIF(clicks.country, '')",
            (Self::Device, Source::Rollups) => "facets.device",
            (Self::Device, _) => "user_agents.device",
            (Self::Os, Source::Rollups) => "facets.os",
            (Self::Os, _) => "user_agents.os",
            (Self::Browser, Source::Rollups) => "facets.browser",
            (Self::Browser, _) => "user_agents.browser",
            (Self::Referrer, Source::Rollups) => "NULLIF(facets.referrer, '')",
            (Self::Referrer, _) => "NULLIF(referrers.host, '')",
        }
    }

    /// Where the names of things stand.
    pub(super) const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Campaign => ("campaigns", "name"),
            Self::Influencer => ("influencers", "handle"),
            Self::Link => ("links", "slug"),
            Self::PromoCode => ("promo_codes", "code"),
            _ => ("posts", "label"),
        }
    }
}

/// The tables behind a sum; those of facets only where they are asked for.
pub(super) fn tables(source: Source, facets: bool) -> String {
    let of_click = " JOIN user_agents ON user_agents.id = clicks.user_agent_id
        JOIN referrers ON referrers.id = clicks.referrer_id";
    match (source, facets) {
        (Source::Rollups, false) => "click_rollups JOIN links ON links.id = click_rollups.link_id".to_owned(),
        (Source::Rollups, true) => {
            format!(
                "{} JOIN facets ON facets.id = click_rollups.facet_id",
                tables(source, false)
            )
        }
        (Source::RawClicks, false) => "clicks JOIN links ON links.id = clicks.link_id".to_owned(),
        (Source::RawClicks, true) => format!("{}{of_click}", tables(source, false)),
        (Source::Credits, false) => "conversions JOIN credits ON credits.conversion_id = conversions.id
            LEFT JOIN links ON links.id = credits.link_id"
            .to_owned(),
        // The click may be committed after its conversion, so it is looked up here and not stored there.
        (Source::Credits, true) => format!(
            "{} LEFT JOIN clicks ON clicks.at_ms = credits.click_at_ms AND clicks.seq = credits.click_seq
                AND clicks.link_id = credits.link_id
                AND clicks.journal_num IN (SELECT num FROM journals WHERE tag = credits.click_tag){}",
            tables(source, false),
            of_click.replace(" JOIN", " LEFT JOIN")
        ),
    }
}
