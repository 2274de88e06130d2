//! Starting, in the order in which things need each other; listeners last.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use url::Url;

use super::files::DataDir;
use super::listeners::{self, JournalPool};
use super::scale::{self, Pipeline};
use super::{Addresses, Roles, Running, StartError, tasks};
use crate::agents::Agents;
use crate::api::{Api, NewKey, draw_key};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::click_id::ClickIdKeys;
use crate::domain::email_hash::EmailKey;
use crate::domain::key_seed::KeySeed;
use crate::domain::role::Role;
use crate::domain::text::Name;
use crate::intake::Intake;
use crate::journal::{Budget, JournalError, JournalStats, Purpose, Syncer, Writer, WriterOptions};
use crate::metrics::Metrics;
use crate::redirect::{ClientRules, Countries, Redirector, Salts};
use crate::shutdown::Shutdown;
use crate::store::{ApiKey, Location, Store};
use crate::stream::{Keeper, LiveJournal, Progress};
use crate::worker::Worker;

/// The name under which the key of the settings is listed.
const CONFIGURED_KEY: &str = "LINKLEDGER_OPERATOR_KEY";
const FIRST_KEY: &str = "first operator key";

/// Starts the roles. When it returns, every listener answers.
///
/// # Errors
/// [`StartError`] says what stands in the way and what to do.
pub async fn start(config: &Config, roles: Roles, clock: Clock) -> Result<Running, StartError> {
    let wanted = config.geoip_db.as_deref().filter(|_| roles.redirect);
    let countries = wanted.map(Countries::open).transpose()?;
    let data_dir = DataDir::take(&config.data_dir)?;
    let secrets = data_dir.secrets(config.secrets.as_ref())?;
    let metrics = Metrics::new();
    let store = Store::open(&store_location(config)).await?;
    // Before anything is written: a store that was restored is known by a feed that is behind.
    let catalog = Arc::new(load_catalog(&data_dir, &store).await?);
    store.ensure_default_brand(clock.now()).await?;
    configured_key(&store, config, &clock).await?;
    catalog.catch_up(&store).await?;
    metrics.store_up.set(1);
    metrics
        .links_loaded
        .set(i64::try_from(catalog.links_loaded()).unwrap_or(i64::MAX));

    let keys = Arc::new(ClickIdKeys::new(&secrets));
    let email_key = Arc::new(EmailKey::new(&secrets));
    let salts = Arc::new(Salts::default());
    tasks::renew_salts(&store, &salts, &clock).await;
    let progress = Progress::default();
    let (shutdown, stopping) = Shutdown::new();
    let journals = Journals::open(&data_dir, config)?;
    let mut background = JoinSet::new();

    let mut servers = Vec::new();
    let mut redirect_address = None;
    if roles.redirect {
        let clients = ClientRules::new(config.trusted_proxies.clone());
        let redirector = Redirector::new(
            Arc::clone(&catalog),
            Arc::clone(&keys),
            Arc::clone(&salts),
            clients,
            countries,
            clock.clone(),
            &metrics,
        );
        let redirector = actix_web::web::Data::new(redirector);
        background.spawn(tasks::forget_quiet_clients(redirector.clone(), stopping.clone()));
        let pool = journals.pool(config.redirect_threads)?;
        let server = listeners::redirect(config, redirector, pool)?;
        redirect_address = Some(server.address);
        servers.push((server.handle, server.gate));
        background.spawn(server.run);
    }
    let public_url = url_or(&config.public_url, redirect_address.unwrap_or(config.redirect_addr));

    let mut api_address = None;
    let mut intake_thread = None;
    let mut api_public_url = url_or(&config.api_public_url, config.api_addr);
    if roles.api {
        let (intake, thread) = Intake::start(journals.create(Purpose::Api)?).map_err(StartError::Thread)?;
        intake_thread = Some(thread);
        let listener = listeners::ApiListener::bind(config)?;
        api_public_url = url_or(&config.api_public_url, listener.address()?);
        let api = Api {
            store: store.clone(),
            catalog: Arc::clone(&catalog),
            intake,
            progress: progress.clone(),
            clock: clock.clone(),
            targets: config.target_policy(&public_url, &api_public_url),
            public_url: public_url.clone(),
            api_public_url: api_public_url.clone(),
            slug_length: config.slug_length,
            email_key: Arc::clone(&email_key),
            key_seed: KeySeed::new(&secrets),
        };
        let server = listener.serve(api)?;
        api_address = Some(server.address);
        servers.push((server.handle, server.gate));
        background.spawn(server.run);
    }

    let pipeline = Pipeline {
        redis: scale::redis(config, &metrics)?,
        root: data_dir.journals(),
        stats: Arc::clone(&journals.stats),
        store: store.clone(),
        shards: config.stream_shards,
        progress: progress.clone(),
        metrics: metrics.clone(),
    };
    pipeline.forward(&mut background, &stopping);
    if roles.worker {
        let worker = Worker {
            store: store.clone(),
            feed: (),
            agents: Agents::default(),
            keys,
            email_key,
            progress: progress.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        pipeline.work(worker, &mut background, &stopping);
        background.spawn(tasks::fold_visitors(store.clone(), metrics.clone(), stopping.clone()));
        background.spawn(tasks::count_outdated_agents(
            store.clone(),
            metrics.clone(),
            stopping.clone(),
        ));
    }
    let keeper = Keeper {
        root: data_dir.journals(),
        budget: Arc::clone(&journals.budget),
        stats: Arc::clone(&journals.stats),
        live: journals.live(),
        retention_ms: u64::from(config.journal_retention_hours) * 3_600_000,
        metrics: metrics.clone(),
        ended: Mutex::default(),
        sightings: Mutex::default(),
    };
    background.spawn(tasks::keep_journals(
        keeper,
        store.clone(),
        clock.clone(),
        stopping.clone(),
    ));
    background.spawn(tasks::follow_feed(
        Arc::clone(&catalog),
        store.clone(),
        metrics.clone(),
        stopping.clone(),
    ));
    background.spawn(tasks::keep_salts(store.clone(), salts, clock.clone(), stopping.clone()));
    background.spawn(tasks::forget_rejections(store.clone(), clock.clone(), stopping.clone()));
    background.spawn(tasks::write_snapshots(
        Arc::clone(&catalog),
        data_dir.snapshot(),
        stopping,
    ));

    let probes = listeners::Probes {
        metrics: metrics.clone(),
        catalog: Arc::clone(&catalog),
        store: store.clone(),
        redis: pipeline.redis,
        roles,
    };
    let probes = listeners::probes(config, probes)?;
    // Not among the tasks: it answers until the very end of a drain.
    tokio::spawn(probes.run);
    Ok(Running {
        addresses: Addresses {
            redirect: redirect_address,
            api: api_address,
            metrics: probes.address,
        },
        public_url,
        api_public_url,
        store,
        catalog,
        metrics,
        progress,
        servers,
        metrics_server: probes.handle,
        shutdown,
        tasks: background,
        intake: intake_thread,
        syncer: journals.syncer,
        data_dir,
    })
}

/// Where the store of these settings lies.
#[must_use]
pub fn store_location(config: &Config) -> Location {
    match &config.database_url {
        Some(url) => Location::Postgres(url.expose().to_owned()),
        None => Location::Directory(config.data_dir.clone()),
    }
}

fn url_or(configured: &Option<Url>, address: std::net::SocketAddr) -> Url {
    configured
        .clone()
        .unwrap_or_else(|| Url::parse(&format!("http://{address}")).expect("an address makes a URL"))
}

fn operator_key(key: &str, name: &str, clock: &Clock) -> ApiKey {
    ApiKey::from(NewKey {
        key,
        name: Name::parse(name).expect("a constant of this file"),
        role: Role::Operator,
        brand: None,
        now: clock.now(),
    })
}

async fn configured_key(store: &Store, config: &Config, clock: &Clock) -> Result<(), StartError> {
    if let Some(key) = &config.operator_key {
        store
            .set_configured_key(operator_key(key.expose(), CONFIGURED_KEY, clock))
            .await?;
    }
    Ok(())
}

impl Running {
    /// Makes the first operator key where there is none, and returns it: it is shown this once.
    ///
    /// # Errors
    /// [`StartError::Store`] when the store does not answer.
    pub async fn first_operator_key(&self) -> Result<Option<String>, StartError> {
        if self.store.has_operator_key().await? {
            return Ok(None);
        }
        let key = draw_key();
        self.store
            .create(operator_key(&key, FIRST_KEY, &Clock::system()))
            .await?;
        self.catalog.catch_up(&self.store).await?;
        Ok(Some(key))
    }
}

/// From the snapshot and what changed since; a damaged snapshot is said and left aside.
async fn load_catalog(data_dir: &DataDir, store: &Store) -> Result<Catalog, StartError> {
    let path = data_dir.snapshot();
    let read = tokio::task::spawn_blocking(move || Catalog::read_snapshot(&path)).await;
    let catalog = match read {
        Ok(Ok(Some(catalog))) => catalog,
        Ok(Ok(None)) => Catalog::default(),
        Ok(Err(error)) => {
            tracing::error!(%error, "starting from the store");
            Catalog::default()
        }
        Err(error) => {
            tracing::error!(%error, "reading the snapshot ended badly; starting from the store");
            Catalog::default()
        }
    };
    catalog.catch_up(store).await?;
    Ok(catalog)
}

/// The journals of this process and what they share.
struct Journals {
    root: std::path::PathBuf,
    options: WriterOptions,
    budget: Arc<Budget>,
    stats: Arc<JournalStats>,
    syncer: Syncer,
    live: Mutex<Vec<LiveJournal>>,
}

impl Journals {
    fn open(data_dir: &DataDir, config: &Config) -> Result<Self, StartError> {
        let root = data_dir.journals();
        std::fs::create_dir_all(&root).map_err(|source| StartError::DataDir {
            path: root.clone(),
            source,
        })?;
        Ok(Self {
            budget: Arc::new(Budget::scan(&root, config.journal_max_bytes)?),
            options: WriterOptions {
                segment_max_bytes: config.journal_segment_bytes,
                ..WriterOptions::default()
            },
            stats: Arc::default(),
            syncer: Syncer::start(config.journal_sync_ms).map_err(StartError::Thread)?,
            live: Mutex::default(),
            root,
        })
    }

    fn create(&self, purpose: Purpose) -> Result<Writer, JournalError> {
        let writer = Writer::create(
            &self.root,
            purpose,
            self.options,
            Arc::clone(&self.budget),
            Arc::clone(&self.stats),
        )?;
        // The intake syncs its own journal before every answer; a second syncer would only be in its way.
        if purpose == Purpose::Redirect {
            self.syncer.register(writer.sync_handle());
        }
        let journal = LiveJournal {
            id: writer.id(),
            handle: writer.sync_handle(),
        };
        self.live.lock().unwrap_or_else(PoisonError::into_inner).push(journal);
        Ok(writer)
    }

    /// One journal per redirect thread. On a full disk the threads start without: visitors first.
    fn pool(&self, threads: usize) -> Result<JournalPool, StartError> {
        let mut writers = Vec::with_capacity(threads);
        for _ in 0..threads {
            match self.create(Purpose::Redirect) {
                Ok(writer) => writers.push(writer),
                Err(JournalError::Full) => {
                    tracing::error!("no room for a click journal: clicks of this thread will be counted as dropped");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Arc::new(Mutex::new(writers)))
    }

    fn live(&self) -> Vec<LiveJournal> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
