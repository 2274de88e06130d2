//! What rows can be grouped and filtered by, and the columns behind it.

/// What rows can be grouped and filtered by, besides time and tier.
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
    /// Sets of visitors by UTC day and link.
    VisitorDays,
    /// Links alone.
    Links,
    Credits,
    /// Codes that orders carried.
    Uses,
    /// Snapshots of posts' figures.
    Posts,
    /// Snapshots of accounts' followers.
    Followers,
}

/// What a source does not tell, as an expression: Postgres groups by no constant, and compares a text with texts only.
const UNKNOWN_NUMBER: &str = "NULLIF(0, 0)";
const UNKNOWN_TEXT: &str = "NULLIF('', '')";

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

    pub(super) const fn column(self, source: Source) -> &'static str {
        match source {
            Source::Rollups => self.of_rollup(),
            Source::RawClicks => self.of_click(),
            Source::VisitorDays | Source::Links => self.of_link(),
            Source::Credits => self.of_credit(),
            Source::Uses => self.of_use(),
            Source::Posts => self.of_post(),
            Source::Followers => self.of_account(),
        }
    }

    const fn unknown(self) -> &'static str {
        if self.is_thing() { UNKNOWN_NUMBER } else { UNKNOWN_TEXT }
    }

    const fn of_link(self) -> &'static str {
        match self {
            Self::Campaign => "links.campaign_id",
            Self::Influencer => "links.influencer_id",
            Self::Link => "links.id",
            Self::Post => "links.post_id",
            Self::Platform => "links.platform",
            _ => self.unknown(),
        }
    }

    /// An empty text says as little as none.
    const fn of_rollup(self) -> &'static str {
        match self {
            Self::Country => "NULLIF(facets.country, '')",
            Self::Device => "facets.device",
            Self::Os => "facets.os",
            Self::Browser => "facets.browser",
            Self::Referrer => "NULLIF(facets.referrer, '')",
            _ => self.of_link(),
        }
    }

    const fn of_click(self) -> &'static str {
        match self {
            Self::Country => "NULLIF(clicks.country, '')",
            Self::Device => "user_agents.device",
            Self::Os => "user_agents.os",
            Self::Browser => "user_agents.browser",
            Self::Referrer => "NULLIF(referrers.host, '')",
            _ => self.of_link(),
        }
    }

    const fn of_credit(self) -> &'static str {
        match self {
            Self::Campaign => "credits.campaign_id",
            Self::Influencer => "credits.influencer_id",
            Self::Link => "credits.link_id",
            Self::Post => "credits.post_id",
            Self::PromoCode => "credits.promo_code_id",
            // Of a click that was dropped with its day, from what was kept of it.
            Self::Country => "COALESCE(NULLIF(clicks.country, ''), NULLIF(facets.country, ''))",
            Self::Device => "COALESCE(user_agents.device, facets.device)",
            Self::Os => "COALESCE(user_agents.os, facets.os)",
            Self::Browser => "COALESCE(user_agents.browser, facets.browser)",
            Self::Referrer => "COALESCE(NULLIF(referrers.host, ''), NULLIF(facets.referrer, ''))",
            Self::Platform => self.of_link(),
        }
    }

    const fn of_use(self) -> &'static str {
        match self {
            Self::Campaign => "promo_codes.campaign_id",
            Self::Influencer => "promo_codes.influencer_id",
            Self::Post => "promo_codes.post_id",
            Self::Platform => "posts.platform",
            Self::PromoCode => "promo_codes.id",
            _ => self.unknown(),
        }
    }

    const fn of_post(self) -> &'static str {
        match self {
            Self::Campaign => "posts.campaign_id",
            Self::Influencer => "posts.influencer_id",
            Self::Post => "posts.id",
            Self::Platform => "posts.platform",
            _ => self.unknown(),
        }
    }

    const fn of_account(self) -> &'static str {
        match self {
            Self::Influencer => "follower_counts.influencer_id",
            Self::Platform => "follower_counts.platform",
            _ => self.unknown(),
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
        (Source::VisitorDays, _) => "visitor_days JOIN links ON links.id = visitor_days.link_id".to_owned(),
        (Source::Links, _) => "links".to_owned(),
        (Source::Credits, false) => "conversions JOIN credits ON credits.conversion_id = conversions.id
            LEFT JOIN links ON links.id = credits.link_id"
            .to_owned(),
        // The click may be committed after its conversion, so it is looked up here and not stored there.
        (Source::Credits, true) => format!(
            "{} LEFT JOIN clicks ON clicks.at_ms = credits.click_at_ms AND clicks.seq = credits.click_seq
                AND clicks.link_id = credits.link_id
                AND clicks.journal_num IN (SELECT num FROM journals WHERE tag = credits.click_tag){}
                LEFT JOIN sealed_credits ON sealed_credits.click_tag = credits.click_tag
                    AND sealed_credits.click_seq = credits.click_seq
                    AND sealed_credits.click_at_ms = credits.click_at_ms
                LEFT JOIN facets ON facets.id = sealed_credits.facet_id",
            tables(source, false),
            of_click.replace(" JOIN", " LEFT JOIN")
        ),
        (Source::Uses, _) => "conversions JOIN touchpoints ON touchpoints.conversion_id = conversions.id
            JOIN promo_codes ON promo_codes.id = touchpoints.promo_code_id
            LEFT JOIN posts ON posts.id = promo_codes.post_id"
            .to_owned(),
        (Source::Posts, _) => "post_metrics JOIN posts ON posts.id = post_metrics.post_id".to_owned(),
        (Source::Followers, _) => "follower_counts".to_owned(),
    }
}
