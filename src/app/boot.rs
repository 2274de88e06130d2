//! Starting, in the order in which things need each other. The probes answer first, so that a node that waits for its
//! store is seen to be alive; visitors and shops come last.

use std::sync::Arc;

use tokio::task::JoinSet;
use url::Url;

use super::files::DataDir;
use super::health::Health;
use super::journals::Journals;
use super::opening::{self, Opening, store_location};
use super::scale::{self, Pipeline};
use super::{Addresses, Roles, Running, StartError, listeners, partitions, probes, tasks};
use crate::agents::Agents;
use crate::api::Api;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::click_id::ClickIdKeys;
use crate::domain::email_hash::EmailKey;
use crate::domain::key_seed::KeySeed;
use crate::intake::Intake;
use crate::journal::{Purpose, discover};
use crate::metrics::Metrics;
use crate::redirect::{ClientRules, Countries, Redirector};
use crate::shutdown::{Shutdown, Stopping};
use crate::store::Store;
use crate::stream::Progress;
use crate::worker::Worker;

/// What the roles of one process share.
struct Shared<'s> {
    config: &'s Config,
    clock: Clock,
    metrics: Metrics,
    health: Health,
    store: Store,
    catalog: Arc<Catalog>,
    keys: Arc<ClickIdKeys>,
    email_key: Arc<EmailKey>,
    progress: Progress,
    stopping: Stopping,
}

/// Starts the roles. When it returns, every listener answers.
///
/// # Errors
/// [`StartError`] says what stands in the way and what to do.
pub async fn start(config: &Config, roles: Roles, clock: Clock) -> Result<Running, StartError> {
    let wanted = config.geoip_db.as_deref().filter(|_| roles.redirect);
    let countries = wanted.map(Countries::open).transpose()?;
    let data_dir = DataDir::take(&config.data_dir)?;
    let secrets = data_dir.secrets(config.secrets.as_ref())?;
    let snapshot = if roles.need_links() {
        opening::read_snapshot(&data_dir, &clock).await
    } else {
        None
    };
    let metrics = Metrics::new();
    let redis = scale::redis(config, &metrics)?;
    let from_snapshot = snapshot.is_some();
    let written = snapshot.as_ref().map(tasks::Written::of);
    let (shutdown, stopping) = Shutdown::new();
    let shared = Shared {
        config,
        clock,
        metrics,
        health: Health::new(),
        store: Store::at(&store_location(config))?,
        catalog: Arc::new(snapshot.unwrap_or_default()),
        keys: Arc::new(ClickIdKeys::new(&secrets)),
        email_key: Arc::new(EmailKey::new(&secrets)),
        progress: Progress::default(),
        stopping,
    };

    let probes = probes::Probes {
        metrics: shared.metrics.clone(),
        catalog: Arc::clone(&shared.catalog),
        store: shared.store.clone(),
        roles,
        health: shared.health.clone(),
        redis: redis.clone(),
    };
    let probes = listeners::probes(config, probes)?;
    let mut lasting = JoinSet::new();
    lasting.spawn(probes.run);
    let feel_store = tasks::feel_store(shared.store.clone(), shared.metrics.clone());
    let mut background = JoinSet::new();
    if config.database_url.is_some() {
        lasting.spawn(feel_store);
        background.spawn(shared.open(roles, from_snapshot).await?);
    } else {
        // A file that is just being made is left alone.
        background.spawn(shared.open(roles, from_snapshot).await?);
        lasting.spawn(feel_store);
    }

    // A worker that reads a stream has nothing to do with journals, unless this directory once served another role.
    let has_journals = roles.need_links() || config.redis_urls.is_none() || !discover(&data_dir.journals())?.is_empty();
    let journals = has_journals.then(|| Journals::open(&data_dir, config)).transpose()?;
    let mut servers = Vec::new();
    let mut redirect_address = None;
    if let Some(journals) = journals.as_ref().filter(|_| roles.redirect) {
        let server = shared.redirect(countries, journals, &mut background)?;
        redirect_address = Some(server.address);
        servers.push((server.handle, server.gate));
        background.spawn(server.run);
    }
    let public_url = url_or(&config.public_url, redirect_address.unwrap_or(config.redirect_addr));
    let mut api_address = None;
    let mut intake_thread = None;
    let mut api_public_url = url_or(&config.api_public_url, config.api_addr);
    if let Some(journals) = journals.as_ref().filter(|_| roles.api) {
        let (intake, thread) = Intake::start(journals.create(Purpose::Api)?).map_err(StartError::Thread)?;
        intake_thread = Some(thread);
        let listener = listeners::ApiListener::bind(config)?;
        api_public_url = url_or(&config.api_public_url, listener.address()?);
        let api = shared.api(intake, (&public_url, &api_public_url), KeySeed::new(&secrets));
        let server = listener.serve(api)?;
        api_address = Some(server.address);
        servers.push((server.handle, server.gate));
        background.spawn(server.run);
    }
    let pipeline = Pipeline {
        redis,
        root: data_dir.journals(),
        stats: journals
            .as_ref()
            .map(|journals| Arc::clone(&journals.stats))
            .unwrap_or_default(),
        store: shared.store.clone(),
        shards: config.stream_shards,
        progress: shared.progress.clone(),
        metrics: shared.metrics.clone(),
    };
    if journals.is_some() {
        pipeline.forward(&mut background, &shared.stopping);
    }
    if roles.worker {
        background.spawn(shared.work(pipeline));
        shared.work_behind(&mut background);
    }
    if let Some(journals) = &journals {
        let keeper = journals.keeper(config, &shared.metrics);
        background.spawn(tasks::keep_journals(
            keeper,
            shared.store.clone(),
            shared.clock.clone(),
            shared.stopping.clone(),
        ));
    }
    if roles.need_links() {
        background.spawn(tasks::follow_feed(
            Arc::clone(&shared.catalog),
            shared.store.clone(),
            shared.health.clone(),
            shared.stopping.clone(),
        ));
        background.spawn(tasks::keep_salts(
            shared.store.clone(),
            Arc::clone(&shared.catalog),
            shared.clock.clone(),
            shared.health.clone(),
            shared.stopping.clone(),
        ));
        background.spawn(tasks::write_snapshots(
            Arc::clone(&shared.catalog),
            data_dir.snapshot(),
            shared.clock.clone(),
            written,
            shared.stopping.clone(),
        ));
    }
    shared.health.set_serving();
    Ok(Running {
        addresses: Addresses {
            redirect: redirect_address,
            api: api_address,
            metrics: probes.address,
        },
        public_url,
        api_public_url,
        store: shared.store,
        catalog: shared.catalog,
        metrics: shared.metrics,
        progress: shared.progress,
        servers,
        metrics_server: probes.handle,
        roles,
        health: shared.health,
        shutdown,
        tasks: background,
        lasting,
        intake: intake_thread,
        syncer: journals.map(|journals| journals.syncer),
        data_dir,
    })
}

fn url_or(configured: &Option<Url>, address: std::net::SocketAddr) -> Url {
    configured
        .clone()
        .unwrap_or_else(|| Url::parse(&format!("http://{address}")).expect("an address makes a URL"))
}

impl Shared<'_> {
    /// The store, or the certainty that this node can do without for now.
    async fn open(
        &self,
        roles: Roles,
        from_snapshot: bool,
    ) -> Result<impl Future<Output = ()> + Send + use<>, StartError> {
        let catalog = roles.need_links().then(|| Arc::clone(&self.catalog));
        let opening = Opening::new(&self.store, catalog, self.config, &self.clock, &self.health);
        opening.open(from_snapshot, self.stopping.clone()).await
    }

    fn redirect(
        &self,
        countries: Option<Countries>,
        journals: &Journals,
        background: &mut JoinSet<()>,
    ) -> Result<listeners::Server, StartError> {
        let clients = ClientRules::new(self.config.trusted_proxies.clone());
        let redirector = Redirector::new(
            Arc::clone(&self.catalog),
            Arc::clone(&self.keys),
            clients,
            countries,
            self.clock.clone(),
            &self.metrics,
        );
        let redirector = actix_web::web::Data::new(redirector);
        background.spawn(tasks::forget_quiet_clients(redirector.clone(), self.stopping.clone()));
        let pool = journals.pool(self.config.redirect_threads)?;
        listeners::redirect(self.config, redirector, pool)
    }

    fn api(&self, intake: Intake, (public_url, api_public_url): (&Url, &Url), key_seed: KeySeed) -> Api {
        Api {
            store: self.store.clone(),
            catalog: Arc::clone(&self.catalog),
            intake,
            progress: self.progress.clone(),
            clock: self.clock.clone(),
            targets: self.config.target_policy(public_url, api_public_url),
            public_url: public_url.clone(),
            api_public_url: api_public_url.clone(),
            slug_length: self.config.slug_length,
            email_key: Arc::clone(&self.email_key),
            key_seed,
        }
    }

    /// The worker, from the moment on that the store is whole.
    fn work(&self, pipeline: Pipeline) -> impl Future<Output = ()> + Send + use<> {
        let worker = Worker {
            store: self.store.clone(),
            feed: (),
            agents: Agents::default(),
            keys: Arc::clone(&self.keys),
            email_key: Arc::clone(&self.email_key),
            progress: self.progress.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        let (health, mut stopping) = (self.health.clone(), self.stopping.clone());
        async move {
            if health.wait_until_whole(&mut stopping).await {
                // Before the first commit, so that today's clicks do not begin in the default partition.
                partitions::make(&worker.store, &worker.metrics, &worker.clock).await;
                pipeline.work(worker, stopping).await;
            }
        }
    }

    /// What goes on behind the worker.
    fn work_behind(&self, background: &mut JoinSet<()>) {
        let (store, metrics, health) = (&self.store, &self.metrics, &self.health);
        background.spawn(tasks::fold_visitors(
            store.clone(),
            metrics.clone(),
            health.clone(),
            self.stopping.clone(),
        ));
        background.spawn(tasks::count_outdated_agents(
            store.clone(),
            metrics.clone(),
            health.clone(),
            self.stopping.clone(),
        ));
        background.spawn(tasks::forget_rejections(
            store.clone(),
            self.clock.clone(),
            health.clone(),
            self.stopping.clone(),
        ));
        let keeper = partitions::Keeper {
            store: store.clone(),
            metrics: metrics.clone(),
            clock: self.clock.clone(),
            retention_days: self.config.clicks_retention_days,
        };
        background.spawn(keeper.run(health.clone(), self.stopping.clone()));
    }
}
