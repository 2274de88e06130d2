//! What the commands do, and what they print.

mod demo;
mod drain;
mod progress;
mod reclassify;
mod replay;
mod serve;
mod tail;
mod written;

use std::process::ExitCode;

use crate::agents::AGENT_DATA_VERSION;
use crate::api::{NewKey, draw_key};
use crate::app::{StartError, store_location};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::demo::DemoError;
use crate::domain::role::Role;
use crate::domain::text::{Name, TextError};
use crate::replay::ReplayError;
use crate::store::{ApiKey, Store, StoreError};
pub use demo::{Asked, demo};
pub use drain::drain;
pub use reclassify::reclassify;
pub use replay::replay;
pub use serve::serve;
pub use tail::tail;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log filter.
    #[error("LINKLEDGER_LOG: {0}")]
    Log(String),
    /// The start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A replay.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A demo.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A key's name.
    #[error("--name: {0}")]
    Name(#[from] TextError),
    /// Something the system refused.
    #[error("{doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Two of them would undo each other's work.
    #[error("another `linkledger reclassify` is under way on this store")]
    UnderWay,
    /// There are no streams without Redis.
    #[error("there are no streams: LINKLEDGER_REDIS_URL is not set")]
    NoRedis,
    /// Redis.
    #[error("{0}")]
    Redis(String),
    /// There is nothing to work on.
    #[error("there is no store in {0}; start `linkledger` once, or name another LINKLEDGER_DATA_DIR")]
    NoStore(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Start(error.into())
    }
}

/// A role by its name, for the command line.
///
/// # Errors
/// The names that there are.
pub fn parse_role(name: &str) -> Result<Role, String> {
    Role::from_name(name).ok_or_else(|| "expected operator, admin, ingest or read".to_owned())
}

async fn existing_store(config: &Config) -> Result<Store, Failure> {
    if config.database_url.is_none() && !config.data_dir.join(crate::store::STORE_FILE).exists() {
        return Err(Failure::NoStore(config.data_dir.display().to_string()));
    }
    let store = Store::at(&store_location(config))?;
    // Nodes of another version may be working on it: these commands take it as it is, or leave it alone.
    store.check_schema().await?;
    Ok(store)
}

/// Makes a key and prints it. A serving process takes it up within a second.
///
/// # Errors
/// [`Failure`].
pub async fn create_key(config: &Config, brand: &str, role: Role, name: &str) -> Result<ExitCode, Failure> {
    let name = Name::parse(name)?;
    let store = existing_store(config).await?;
    let now = Clock::system().now();
    let brand = match role {
        Role::Operator => None,
        _ => Some(store.brand_named(brand).await?.id),
    };
    let key = draw_key();
    let stored = store
        .create(ApiKey::from(NewKey {
            key: &key,
            name,
            role,
            brand,
            now,
        }))
        .await?;
    store.close().await;
    println!("{key}");
    eprintln!(
        "{} ({}): the key is shown this once; a running service takes it up within a second.",
        stored.id,
        role.name()
    );
    Ok(ExitCode::SUCCESS)
}

/// Brings the schema up to date.
///
/// # Errors
/// [`Failure`].
pub async fn migrate(config: &Config) -> Result<ExitCode, Failure> {
    let made = |source| StartError::DataDir {
        path: config.data_dir.clone(),
        source,
    };
    std::fs::create_dir_all(&config.data_dir).map_err(made)?;
    Store::open(&store_location(config)).await?.close().await;
    match config.database_url {
        Some(_) => println!("The schema of LINKLEDGER_DATABASE_URL is up to date."),
        None => println!("The schema in {} is up to date.", config.data_dir.display()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Recounts everything; exit status 1 and the places where the books do not agree.
///
/// # Errors
/// [`Failure`].
pub async fn verify(config: &Config) -> Result<ExitCode, Failure> {
    let store = existing_store(config).await?;
    let bar = progress::steps(Store::verify_steps());
    let verified = store
        .verify(AGENT_DATA_VERSION, |check| {
            bar.set_message(check);
            bar.inc(1);
        })
        .await?;
    bar.finish_and_clear();
    store.close().await;
    println!(
        "Recounted {} clicks and {} conversions of {} journals.",
        verified.clicks, verified.conversions, verified.journals
    );
    if verified.lost > 0 {
        println!(
            "{} records were declared lost: no journal has them any more.",
            verified.lost
        );
    }
    if verified.outdated_agents > 0 {
        println!(
            "{} user agents were read by data of another version; `linkledger reclassify` reads them again.",
            verified.outdated_agents
        );
    }
    if verified.mismatches.is_empty() {
        println!("The books agree.");
        return Ok(ExitCode::SUCCESS);
    }
    for mismatch in &verified.mismatches {
        println!("MISMATCH ({}): {}", mismatch.check, mismatch.detail);
    }
    Ok(ExitCode::FAILURE)
}
