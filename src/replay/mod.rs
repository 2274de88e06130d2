//! Recorded clicks, sent through the real redirect path of a service started for them.

mod recording;

use std::collections::{BTreeMap, HashMap};

pub use recording::{Recorded, Recording};
use reqwest::header::{ACCEPT_LANGUAGE, REFERER, USER_AGENT};
use reqwest::{Method, StatusCode};

use crate::app::{self, Roles, Running, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::id::{BrandId, CampaignId, InfluencerId};
use crate::domain::slug::Slug;
use crate::domain::target_url::{TargetPolicy, TargetUrl};
use crate::domain::text::{Handle, Name};
use crate::domain::time::Instant;
use crate::domain::utm::UtmTemplate;
use crate::store::figures::{Entity, EntityKey, Question};
use crate::store::{
    Brand, Campaign, Influencer, LinkDraft, MintTerms, Page, PostChoice, SlugPolicy, Store, StoreError,
};
use crate::traffic::{self, Stuck, Visit};

/// Links made in one transaction.
const MINT_AT_ONCE: usize = 1000;
const HANDLE: &str = "replay";

/// Why a replay did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is nothing in it to replay.
    #[error("{0} holds no clicks in the form of the 1.usa.gov feed (JSON lines with `h` and `u`)")]
    Empty(String),
    /// The service did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client that clicks.
    #[error("a click could not be sent: {0}")]
    Http(#[from] reqwest::Error),
    /// The worker stopped committing.
    #[error(transparent)]
    Stuck(#[from] Stuck),
}

/// How far a replay is.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// Links are made; clicks follow.
    Clicking,
    /// So many more clicks were answered.
    Clicked(u64),
    /// All were; the worker finishes.
    Committing,
}

/// What a replay came to.
#[derive(Debug)]
pub struct Replayed {
    /// Clicks sent.
    pub sent: u64,
    /// Clicks answered with a redirect.
    pub answered: u64,
    /// Clicks of this replay in the store.
    pub in_store: u64,
    /// Of people.
    pub human: u64,
    /// Distinct within a UTC day.
    pub visitors: u64,
    /// Clicks by slug, most clicked first.
    pub links: Vec<(String, u64)>,
    /// Clicks that could not be sent because no link could be made, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// Starts a service on free ports, makes a link for every slug, clicks, waits for the commit.
///
/// # Errors
/// [`ReplayError`].
pub async fn run(
    config: &Config,
    recording: &Recording,
    concurrency: usize,
    mut tell: impl FnMut(Stage),
) -> Result<Replayed, ReplayError> {
    let config = traffic::on_free_ports(config);
    let clock = Clock::system();
    let running = app::start(&config, Roles::ALL, clock.clone()).await?;
    let outcome = replay_on(&running, &config, recording, concurrency, &clock, &mut tell).await;
    running.stop().await;
    outcome
}

async fn replay_on(
    running: &Running,
    config: &Config,
    recording: &Recording,
    concurrency: usize,
    clock: &Clock,
    tell: &mut impl FnMut(Stage),
) -> Result<Replayed, ReplayError> {
    let brand = running.store.brand_named("default").await?;
    let policy = config.target_policy(&running.public_url, &running.api_public_url);
    let refusals = mint(running, &brand, recording, &policy, clock.now()).await?;
    running.catalog.catch_up(&running.store).await?;

    let started = clock.now();
    tell(Stage::Clicking);
    let sendable: Vec<&Recorded> = recording
        .clicks
        .iter()
        .filter(|click| !refusals.contains_key(&click.slug))
        .collect();
    let mut answered = 0;
    let visits = sendable.iter().map(|click| visit(click));
    let count_answers = |_, response: &reqwest::Response| {
        answered += u64::from(response.status() == StatusCode::FOUND);
        tell(Stage::Clicked(1));
    };
    traffic::send(
        &traffic::client()?,
        &running.public_url,
        visits,
        concurrency,
        count_answers,
    )
    .await?;
    tell(Stage::Committing);
    traffic::wait_for_commit(running, answered).await?;

    let mut refused = BTreeMap::new();
    for click in &recording.clicks {
        if let Some(why) = refusals.get(&click.slug) {
            *refused.entry(why.clone()).or_default() += 1;
        }
    }
    let mut replayed = count(&running.store, &brand, started).await?;
    replayed.sent = sendable.len() as u64;
    replayed.answered = answered;
    replayed.refused = refused;
    Ok(replayed)
}

fn visit(click: &Recorded) -> Visit<'_> {
    let headers = [
        (USER_AGENT, &click.user_agent),
        (REFERER, &click.referrer),
        (ACCEPT_LANGUAGE, &click.language),
    ];
    Visit {
        method: Method::GET,
        slug: &click.slug,
        headers: headers
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?)))
            .collect(),
    }
}

/// The brand's influencer and campaign for replays, made at the first one.
async fn owner(store: &Store, brand: BrandId, now: Instant) -> Result<(CampaignId, InfluencerId), ReplayError> {
    let everything = Page {
        limit: u16::MAX,
        after: 0,
        archived: false,
    };
    let influencers = store.list::<Influencer>(Some(brand), &[], everything).await?.data;
    let influencer = match influencers
        .into_iter()
        .find(|influencer| influencer.handle.as_str() == HANDLE)
    {
        Some(standing) => standing.id,
        None => {
            let new = Influencer {
                id: InfluencerId::random(),
                brand_id: brand,
                handle: Handle::parse(HANDLE).expect("a plain word"),
                name: Name::parse("Replayed clicks").expect("plain words"),
                email: None,
                accounts: Vec::new(),
                tags: Vec::new(),
                share_token: uuid::Uuid::new_v4().simple().to_string(),
                created_at: now,
                archived_at: None,
            };
            store.create(new).await?.id
        }
    };
    let new = Campaign {
        id: CampaignId::random(),
        brand_id: brand,
        name: Name::parse(&format!("Replay of {now}")).expect("plain words and a time"),
        destination_url: "https://example.com/".to_owned(),
        fallback_url: None,
        utm: UtmTemplate::default(),
        starts_at: None,
        ends_at: None,
        budget: None,
        goals: Vec::new(),
        attribution: crate::domain::campaign::AttributionRule::default(),
        created_at: now,
        archived_at: None,
    };
    Ok((store.create(new).await?.id, influencer))
}

/// Makes the links that are missing; slugs without a link come back with the reason.
async fn mint(
    running: &Running,
    brand: &Brand,
    recording: &Recording,
    policy: &TargetPolicy,
    now: Instant,
) -> Result<HashMap<String, String>, ReplayError> {
    let (campaign_id, influencer_id) = owner(&running.store, brand.id, now).await?;
    let mut refusals = HashMap::new();
    let mut drafts = Vec::new();
    for (slug_text, url) in recording.destinations() {
        if running.catalog.with_link(slug_text, |link| link.is_spelled(slug_text)) == Some(true) {
            continue;
        }
        // A recorded address is taken as browsers took it, then judged like any other.
        let written = url::Url::parse(url).map_or_else(|_| url.to_owned(), Into::into);
        let draft = Slug::parse_imported(slug_text)
            .map_err(|error| error.to_string())
            .and_then(|slug| {
                Ok((
                    slug,
                    TargetUrl::parse(&written, policy).map_err(|error| error.to_string())?,
                ))
            });
        match draft {
            Ok((slug, url)) => drafts.push(LinkDraft {
                campaign_id,
                influencer_id,
                url: Some(url),
                slug: Some(slug),
                platform: None,
                post: PostChoice::None,
                promo_code_id: None,
                utm: UtmTemplate::default(),
                forward_query: true,
                expires_at: None,
                paused: false,
            }),
            Err(why) => {
                refusals.insert(slug_text.to_owned(), why);
            }
        }
    }
    let terms = MintTerms {
        brand: brand.id,
        policy: SlugPolicy::Import,
        slug_length: crate::domain::slug::MIN_LEN,
        by: None,
        now,
    };
    for chunk in drafts.chunks(MINT_AT_ONCE) {
        let made = running.store.mint_links(terms, chunk.to_vec()).await?;
        for (draft, outcome) in chunk.iter().zip(made) {
            if let (Some(slug), Err(wrong)) = (&draft.slug, outcome) {
                refusals.insert(slug.as_str().to_owned(), wrong.to_string());
            }
        }
    }
    Ok(refusals)
}

/// Counts this replay's clicks in the store: nobody else clicked while it ran.
async fn count(store: &Store, brand: &Brand, started: Instant) -> Result<Replayed, ReplayError> {
    let ended = Instant::from_ms(i64::MAX);
    let question = Question {
        brand: brand.id,
        from: started,
        to: ended,
        by: vec![Entity::Link],
        by_quarter: false,
        only: Vec::new(),
    };
    let mut by_link: HashMap<i64, u64> = HashMap::new();
    let whole = |number: i64| u64::try_from(number).unwrap_or(0);
    let (mut in_store, mut human) = (0, 0);
    for sum in store.sum_clicks(&question).await? {
        if let Some(EntityKey::Number(link)) = sum.keys.first() {
            *by_link.entry(*link).or_default() += whole(sum.clicks);
        }
        in_store += whole(sum.clicks);
        human += whole(sum.human);
    }
    let everybody = Question {
        by: Vec::new(),
        ..question
    };
    let visitors = store
        .count_visitors(&everybody, &[(started, ended)], |_, _| Some(()))
        .await?;
    let visitors = visitors.counts.get(&()).copied().map_or(0, whole);
    let ids: Vec<i64> = by_link.keys().copied().collect();
    let mut links: Vec<(String, u64)> = store
        .labels(Entity::Link, &ids)
        .await?
        .into_iter()
        .map(|(id, slug)| (slug, by_link[&id]))
        .collect();
    links.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(Replayed {
        sent: 0,
        answered: 0,
        in_store,
        human,
        visitors,
        links,
        refused: BTreeMap::new(),
    })
}
