//! What the benches stand on: a data directory with a brand, influencers, a campaign and links in
//! it, all made through the store's own calls.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::error::Error;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use linkledger::clock::Clock;
use linkledger::config::Config;
use linkledger::domain::campaign::AttributionRule;
use linkledger::domain::id::{CampaignId, InfluencerId, LinkId};
use linkledger::domain::text::{Handle, Name, Platform};
use linkledger::domain::utm::{UtmPattern, UtmTemplate};
use linkledger::store::{Brand, Campaign, Influencer, LinkDraft, MintTerms, PostChoice, SlugPolicy, Store};

/// Whatever goes wrong ends the bench and is printed.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Links made in one transaction.
const MINT_AT_ONCE: usize = 10_000;
const INFLUENCERS: usize = 1_000;
const SLUG_LENGTH: usize = 8;
/// A typical shop address; with the UTM parameters a final URL comes to about 160 characters.
const DESTINATION: &str = "https://shop.example.com/collections/spring-2026/products/linen-shirt";
const PLATFORMS: [&str; 4] = ["instagram", "tiktok", "youtube", "pinterest"];

/// A bar that moves on a terminal and is silent elsewhere.
pub(crate) fn bar(length: usize, doing: &'static str) -> ProgressBar {
    let template = "{msg:<22} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length as u64).with_style(style).with_message(doing)
}

/// A private directory that goes away with the value, under `parent` or the system's own.
pub(crate) fn directory(parent: Option<&Path>) -> std::io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("linkledger-bench-");
    match parent {
        Some(parent) => builder.tempdir_in(parent),
        None => builder.tempdir(),
    }
}

/// The default settings on free ports, and quiet.
pub(crate) fn config(data_dir: PathBuf) -> Config {
    let anywhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        data_dir,
        redirect_addr: anywhere,
        api_addr: anywhere,
        metrics_addr: anywhere,
        log: "error".to_owned(),
        ..Config::default()
    }
}

/// Makes the brand `default`, 1,000 influencers, one campaign with UTM parameters and so many links.
pub(crate) async fn links(store: &Store, count: usize) -> Outcome<Vec<LinkId>> {
    let now = Clock::system().now();
    store.ensure_default_brand(now).await?;
    let brand: Brand = store.brand_named("default").await?;
    let pattern = |text: &str| UtmPattern::parse(text).map(Some);
    let campaign = Campaign {
        id: CampaignId::random(),
        brand_id: brand.id,
        name: Name::parse("Spring")?,
        destination_url: DESTINATION.to_owned(),
        fallback_url: None,
        utm: UtmTemplate {
            source: pattern("{platform}")?,
            medium: pattern("influencer")?,
            campaign: pattern("{campaign}")?,
            content: pattern("{influencer}")?,
            ..UtmTemplate::default()
        },
        starts_at: None,
        ends_at: None,
        budget: None,
        goals: Vec::new(),
        attribution: AttributionRule::default(),
        created_at: now,
        archived_at: None,
    };
    let campaign = store.create(campaign).await?.id;
    let mut influencers = Vec::with_capacity(INFLUENCERS);
    for number in 0..INFLUENCERS {
        let influencer = Influencer {
            id: InfluencerId::random(),
            brand_id: brand.id,
            handle: Handle::parse(&format!("creator{number:04}"))?,
            name: Name::parse(&format!("Creator {number}"))?,
            email: None,
            accounts: Vec::new(),
            tags: Vec::new(),
            share_token: format!("bench-{number}"),
            created_at: now,
            archived_at: None,
        };
        influencers.push(store.create(influencer).await?.id);
    }

    let bar = bar(count, "minting links");
    let mut made = Vec::with_capacity(count);
    let terms = MintTerms {
        brand: brand.id,
        policy: SlugPolicy::Strict,
        slug_length: SLUG_LENGTH,
        by: None,
        now,
    };
    while made.len() < count {
        let drafts = (made.len()..count.min(made.len() + MINT_AT_ONCE)).map(|number| {
            Ok(LinkDraft {
                campaign_id: campaign,
                influencer_id: influencers[number % INFLUENCERS],
                url: None,
                slug: None,
                platform: Some(Platform::parse(PLATFORMS[number % PLATFORMS.len()])?),
                post: PostChoice::None,
                promo_code_id: None,
                utm: UtmTemplate::default(),
                forward_query: true,
                expires_at: None,
                paused: false,
            })
        });
        let drafts = drafts.collect::<Outcome<Vec<_>>>()?;
        for link in store.mint_links(terms, drafts).await? {
            made.push(link.map_err(|wrong| wrong.to_string())?.id);
        }
        bar.set_position(made.len() as u64);
    }
    bar.finish_and_clear();
    Ok(made)
}

/// Events that are committed, all journals together: where their cursors stand.
pub(crate) async fn committed(store: &Store) -> Outcome<u64> {
    let seqs = store.journals().await?.into_values().map(|row| row.seq);
    Ok(u64::try_from(seqs.sum::<i64>())?)
}
