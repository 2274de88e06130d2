//! Who plays: invented influencers of every size, and the campaigns of an invented shop.

/// An influencer.
#[derive(Debug)]
pub(super) struct Creator {
    pub(super) handle: &'static str,
    pub(super) name: &'static str,
    pub(super) topic: &'static str,
    /// Of the largest account; the others are smaller.
    pub(super) followers: usize,
    /// The first is the largest account.
    pub(super) platforms: &'static [&'static str],
}

const fn creator(
    handle: &'static str,
    name: &'static str,
    topic: &'static str,
    followers: usize,
    platforms: &'static [&'static str],
) -> Creator {
    Creator {
        handle,
        name,
        topic,
        followers,
        platforms,
    }
}

const INSTAGRAM: &[&str] = &["instagram"];
const TIKTOK: &[&str] = &["tiktok"];
const BOTH: &[&str] = &["instagram", "tiktok"];
const VIDEO: &[&str] = &["youtube", "instagram"];
const PINS: &[&str] = &["pinterest", "instagram"];
const EVERYWHERE: &[&str] = &["tiktok", "instagram", "youtube"];

/// The influencers: by size nano, micro, mid, macro and mega under a brand's usual bounds.
pub(super) const CREATORS: [Creator; 24] = [
    creator("garden.with.jo", "Jo Ashdown", "garden", 2_100, INSTAGRAM),
    creator("tinybakes", "Priya Nair", "food", 3_400, BOTH),
    creator("novarides", "Nova Lindqvist", "cycling", 4_800, TIKTOK),
    creator("oldtownknits", "Marta Kowal", "craft", 6_200, PINS),
    creator("sunday.pots", "Elif Demir", "craft", 7_700, INSTAGRAM),
    creator("theo_reads", "Theo Mbeki", "books", 9_300, BOTH),
    creator("miaruns", "Mia Torres", "fitness", 14_000, BOTH),
    creator("slowkitchen", "Anneke de Wit", "food", 22_500, VIDEO),
    creator("kaiandcamera", "Kai Nakamura", "photo", 31_000, INSTAGRAM),
    creator("plantdadluis", "Luis Ortega", "garden", 38_000, TIKTOK),
    creator("hanna.home", "Hanna Berg", "home", 52_000, PINS),
    creator("deskmode", "Arjun Rao", "tech", 67_000, VIDEO),
    creator("wildmornings", "Isla McRae", "outdoors", 88_000, BOTH),
    creator("lenaloves", "Lena Fischer", "beauty", 120_000, BOTH),
    creator("chefnoor", "Noor Haddad", "food", 165_000, EVERYWHERE),
    creator("fitwithobi", "Obi Eze", "fitness", 210_000, TIKTOK),
    creator("thetinyhouse", "Clara Jensen", "home", 285_000, VIDEO),
    creator("saraoutside", "Sara Lopes", "outdoors", 340_000, BOTH),
    creator("gadgetgrace", "Grace Kim", "tech", 460_000, VIDEO),
    creator("dailydario", "Dario Conti", "lifestyle", 580_000, BOTH),
    creator("zoe.style", "Zoe Laurent", "fashion", 720_000, EVERYWHERE),
    creator("buildwithben", "Ben Carter", "craft", 910_000, VIDEO),
    creator("amaramakes", "Amara Okafor", "beauty", 1_600_000, EVERYWHERE),
    creator("jaxplays", "Jax Rivera", "gaming", 2_900_000, EVERYWHERE),
];

/// The creator whose code is under review: it leaked to a coupon site.
pub(super) const LEAKED_CODE_OF: usize = 13;
/// Creators at these places have a promo code.
pub(super) const WITH_CODE: [usize; 14] = [1, 3, 5, 6, 7, 9, 10, 12, 13, 14, 16, 18, 20, 22];

impl Creator {
    pub(super) fn email(&self) -> String {
        format!("{}@creators.example", self.handle)
    }

    /// Of a hundred people who mean to buy, how many do: small audiences trust more.
    pub(super) const fn persuades_percent(&self) -> usize {
        match self.followers {
            0..10_000 => 100,
            10_000..100_000 => 80,
            100_000..500_000 => 55,
            500_000..1_000_000 => 40,
            _ => 30,
        }
    }
}

/// A campaign.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) name: &'static str,
    pub(super) destination: &'static str,
    pub(super) window_days: u32,
    /// What the API calls its rule for a code against a click.
    pub(super) conflict: &'static str,
    /// The same, as what it means.
    pub(super) code_wins: bool,
}

/// The campaigns.
pub(super) const CAMPAIGNS: [Campaign; 3] = [
    Campaign {
        name: "Spring launch",
        destination: "https://shop.example.com/collections/spring",
        window_days: 30,
        conflict: "code_wins",
        code_wins: true,
    },
    Campaign {
        name: "Flash week",
        destination: "https://shop.example.com/flash",
        window_days: SHORT_WINDOW_DAYS,
        conflict: "code_wins",
        code_wins: true,
    },
    Campaign {
        name: "Creators' picks",
        destination: "https://shop.example.com/picks?sort=new",
        window_days: 30,
        conflict: "link_wins",
        code_wins: false,
    },
];

/// The place of the campaign whose clicks may grow too old within a demo.
pub(super) const SHORT_WINDOW: usize = 1;
/// Its look-back window.
const SHORT_WINDOW_DAYS: u32 = 7;

/// The campaigns that a creator is in.
pub(super) const fn campaigns_of(creator: usize) -> [usize; 2] {
    [creator % CAMPAIGNS.len(), (creator + 1) % CAMPAIGNS.len()]
}

/// What the shop sells things for, in cents.
pub(super) const PRICES: [i64; 8] = [1_290, 1_999, 2_450, 3_200, 4_900, 5_995, 8_900, 12_900];
/// The shop's own coupon: no influencer's.
pub(super) const COUPON: &str = "WELCOME10";
