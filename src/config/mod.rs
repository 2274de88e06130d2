//! Typed settings from defaults, a TOML file and the environment, in that order; the later wins.
//!
//! Unknown names are refused, because a mistyped setting that is silently ignored is found in
//! production. Secrets never print. What contradicts itself is refused before anything starts.

mod scale;
mod sources;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

use crate::domain::secret::Secrets;
use crate::domain::target_url::TargetPolicy;
pub use scale::{DatabaseUrl, RedisUrls};
pub use sources::{ConfigError, Sources};

/// Every setting's name, as in the file; the environment adds `LINKLEDGER_` and upper case.
pub const SETTING_NAMES: &[&str] = &[
    "data_dir",
    "redirect_addr",
    "api_addr",
    "metrics_addr",
    "public_url",
    "api_public_url",
    "database_url",
    "redis_url",
    "stream_shards",
    "clicks_retention_days",
    "secret",
    "operator_key",
    "trusted_proxies",
    "geoip_db",
    "journal_sync_ms",
    "journal_max_bytes",
    "journal_segment_bytes",
    "journal_retention_hours",
    "slug_length",
    "redirect_threads",
    "allow_private_destinations",
    "log",
];

/// The settings of one process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where journals, snapshot, secrets and the SQLite store lie.
    pub data_dir: PathBuf,
    /// Visitors come here. Port 0 takes a free one.
    pub redirect_addr: SocketAddr,
    /// Brands and shops come here.
    pub api_addr: SocketAddr,
    /// Prometheus and probes come here.
    pub metrics_addr: SocketAddr,
    /// What short links start with; absent: the redirect listener's own address.
    pub public_url: Option<Url>,
    /// What share and webhook addresses start with; absent: the API listener's own address.
    pub api_public_url: Option<Url>,
    /// The Postgres database; absent: SQLite in the data directory.
    pub database_url: Option<DatabaseUrl>,
    /// One Redis, or several nodes of a Cluster; absent: the worker reads this process's journals itself.
    pub redis_urls: Option<RedisUrls>,
    /// Shards of the stream that are written to.
    pub stream_shards: u16,
    /// Raw clicks older than this many days are dropped, once their days are sealed; 0 keeps them for ever.
    pub clicks_retention_days: u32,
    /// The installation's secrets; absent: made at the first start and kept in the data directory.
    pub secrets: Option<Secrets>,
    /// Sets the operator key.
    pub operator_key: Option<OperatorKey>,
    /// Peers whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// The database of countries; absent: only a trusted proxy's header tells the country.
    pub geoip_db: Option<PathBuf>,
    /// Between two `fdatasync` of the click journals, in ms: what a power cut can cost.
    pub journal_sync_ms: u64,
    /// All journals of this data directory together, in bytes.
    pub journal_max_bytes: u64,
    /// One journal segment, in bytes.
    pub journal_segment_bytes: u64,
    /// How long confirmed segments are kept, in hours.
    pub journal_retention_hours: u32,
    /// Characters of a minted slug.
    pub slug_length: usize,
    /// Threads that answer visitors.
    pub redirect_threads: usize,
    /// Whether links may lead into private networks.
    pub allow_private_destinations: bool,
    /// Log filter.
    pub log: String,
}

/// An operator key given in the settings: at least 20 characters, never printed.
#[derive(Clone)]
pub struct OperatorKey(String);

impl OperatorKey {
    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OperatorKey(redacted)")
    }
}

const LOCALHOST: [u8; 4] = [127, 0, 0, 1];

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            redirect_addr: SocketAddr::from((LOCALHOST, 8080)),
            api_addr: SocketAddr::from((LOCALHOST, 8081)),
            metrics_addr: SocketAddr::from((LOCALHOST, 9464)),
            public_url: None,
            api_public_url: None,
            database_url: None,
            redis_urls: None,
            stream_shards: 8,
            clicks_retention_days: 0,
            secrets: None,
            operator_key: None,
            trusted_proxies: Vec::new(),
            geoip_db: None,
            journal_sync_ms: 200,
            journal_max_bytes: 10 << 30,
            journal_segment_bytes: 64 << 20,
            journal_retention_hours: 24,
            slug_length: 8,
            redirect_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            allow_private_destinations: false,
            log: "info,actix_server=warn,actix_http=off".to_owned(),
        }
    }
}

impl Config {
    /// Reads every source and checks the whole.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting, what is wrong and what would be right.
    pub fn load(mut sources: Sources) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        sources.set("data_dir", &mut config.data_dir, "a directory")?;
        if config.data_dir.as_os_str().is_empty() {
            return Err(ConfigError::wrong("data_dir", "`` is not a directory".to_owned()));
        }
        sources.set(
            "redirect_addr",
            &mut config.redirect_addr,
            "an address such as 0.0.0.0:8080",
        )?;
        sources.set("api_addr", &mut config.api_addr, "an address such as 0.0.0.0:8081")?;
        sources.set(
            "metrics_addr",
            &mut config.metrics_addr,
            "an address such as 0.0.0.0:9464",
        )?;
        config.public_url = sources.take_with("public_url", parse_public_url)?;
        config.api_public_url = sources.take_with("api_public_url", parse_public_url)?;
        config.database_url = sources.take_with("database_url", DatabaseUrl::parse)?;
        config.redis_urls = sources.take_with("redis_url", RedisUrls::parse)?;
        config.secrets = sources.take_with("secret", |text| Secrets::parse(text).map_err(|e| e.to_string()))?;
        config.operator_key = sources.take_with("operator_key", parse_operator_key)?;
        if let Some(proxies) = sources.take_with("trusted_proxies", parse_networks)? {
            config.trusted_proxies = proxies;
        }
        config.geoip_db = sources.take_with("geoip_db", parse_file)?;
        let set = &mut sources;
        set.set_in("journal_sync_ms", &mut config.journal_sync_ms, 1..=60_000)?;
        set.set_in("journal_max_bytes", &mut config.journal_max_bytes, 1 << 20..=1 << 50)?;
        set.set_in(
            "journal_segment_bytes",
            &mut config.journal_segment_bytes,
            4 << 10..=1 << 32,
        )?;
        set.set_in("journal_retention_hours", &mut config.journal_retention_hours, 0..=8760)?;
        set.set_in("stream_shards", &mut config.stream_shards, 1..=256)?;
        set.set_in("clicks_retention_days", &mut config.clicks_retention_days, 0..=36_500)?;
        set.set_in("slug_length", &mut config.slug_length, 4..=32)?;
        set.set_in("redirect_threads", &mut config.redirect_threads, 1..=256)?;
        set.set(
            "allow_private_destinations",
            &mut config.allow_private_destinations,
            "true or false",
        )?;
        set.set("log", &mut config.log, "a filter such as info")?;
        sources.finish()?;
        config.check()
    }

    fn check(self) -> Result<Self, ConfigError> {
        let addresses = [
            ("redirect_addr", self.redirect_addr),
            ("api_addr", self.api_addr),
            ("metrics_addr", self.metrics_addr),
        ];
        for (i, (name, address)) in addresses.iter().enumerate() {
            if let Some((other, _)) = addresses[..i].iter().find(|(_, a)| a == address && a.port() != 0) {
                return Err(ConfigError::wrong(
                    name,
                    format!("is the same address as {other}; give each its own"),
                ));
            }
        }
        if self.redis_urls.is_some() && self.database_url.is_none() {
            return Err(ConfigError::wrong(
                "redis_url",
                "needs LINKLEDGER_DATABASE_URL too: workers of other nodes cannot write to this node's SQLite file"
                    .to_owned(),
            ));
        }
        if self.redis_urls.is_some() && self.secrets.is_none() {
            return Err(ConfigError::wrong(
                "secret",
                "is needed with Redis: every node must sign and read the same click ids".to_owned(),
            ));
        }
        if self.clicks_retention_days > 0 && self.database_url.is_none() {
            return Err(ConfigError::wrong(
                "clicks_retention_days",
                "needs LINKLEDGER_DATABASE_URL: raw clicks are dropped by day only in Postgres".to_owned(),
            ));
        }
        Ok(self)
    }

    /// Where destinations may lead, given the addresses that the listeners really have.
    #[must_use]
    pub fn target_policy(&self, public_url: &Url, api_public_url: &Url) -> TargetPolicy {
        let host_of = |url: &Url| {
            let host = url.host_str()?;
            Some(
                url.port()
                    .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            )
        };
        TargetPolicy {
            allow_private: self.allow_private_destinations,
            own_hosts: [public_url, api_public_url].into_iter().filter_map(host_of).collect(),
        }
    }
}

fn parse_public_url(text: &str) -> Result<Url, String> {
    let wanted = "expected an address such as https://go.example.com, without a path";
    let url = Url::parse(text).map_err(|_| wanted.to_owned())?;
    let plain = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
    if plain && url.fragment().is_none() && url.username().is_empty() {
        Ok(url)
    } else {
        Err(wanted.to_owned())
    }
}

fn parse_operator_key(text: &str) -> Result<OperatorKey, String> {
    let usable = text.len() >= 20 && text.bytes().all(|b| b.is_ascii_graphic());
    if usable {
        Ok(OperatorKey(text.to_owned()))
    } else {
        Err("expected at least 20 printable characters without spaces".to_owned())
    }
}

fn parse_file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("`` is not a file".to_owned());
    }
    Ok(PathBuf::from(text))
}

fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    let parse = |part: &str| {
        let part = part.trim();
        let address = part.parse::<std::net::IpAddr>().map(IpNet::from);
        part.parse::<IpNet>()
            .or(address)
            .map_err(|_| format!("`{part}` is not a network such as 10.0.0.0/8"))
    };
    text.split(',')
        .filter(|part| !part.trim().is_empty())
        .map(parse)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pairs: &[(&str, &str)], file: &str) -> Result<Config, ConfigError> {
        let environment = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load(Sources::new(Some(("test.toml", file)), environment)?)
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
        let file = "slug_length = 6\njournal_sync_ms = 50\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]";
        let config = load(&[("LINKLEDGER_SLUG_LENGTH", "7")], file).expect("valid");
        assert_eq!((config.slug_length, config.journal_sync_ms), (7, 50));
        assert_eq!(config.trusted_proxies.len(), 2);
        assert_eq!(config.redirect_addr.port(), 8080);
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest_known_one() {
        let error = load(&[("LINKLEDGER_SLUG_LENGHT", "7")], "").expect_err("mistyped");
        assert!(error.to_string().contains("LINKLEDGER_SLUG_LENGTH"), "{error}");
        let error = load(&[], "slug_len = 3").expect_err("unknown");
        assert!(error.to_string().contains("slug_len"), "{error}");
    }

    #[test]
    fn what_kubernetes_puts_into_the_environment_is_not_a_setting() {
        let injected = [
            ("LINKLEDGER_SERVICE_HOST", "10.0.0.1"),
            ("LINKLEDGER_PORT", "tcp://10.0.0.1:80"),
            ("LINKLEDGER_REDIRECT_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ];
        assert!(load(&injected, "").is_ok());
    }

    #[test]
    fn values_out_of_range_and_contradictions_are_refused() {
        assert!(load(&[("LINKLEDGER_SLUG_LENGTH", "0")], "").is_err());
        assert!(load(&[("LINKLEDGER_SECRET", "abc")], "").is_err());
        assert!(load(&[("LINKLEDGER_API_ADDR", "127.0.0.1:8080")], "").is_err());
        assert!(load(&[("LINKLEDGER_PUBLIC_URL", "ftp://x")], "").is_err());
        assert!(load(&[("LINKLEDGER_DATABASE_URL", "mysql://x/y")], "").is_err());
        assert!(load(&[], "slug_length = [").is_err());
    }

    #[test]
    fn redis_needs_a_shared_store_and_a_shared_secret() {
        let secret = "ab".repeat(32);
        let redis = ("LINKLEDGER_REDIS_URL", "redis://a:6379,redis://b:6379");
        let database = ("LINKLEDGER_DATABASE_URL", "postgres://ll@db/ll");
        assert!(load(&[redis, ("LINKLEDGER_SECRET", &secret)], "").is_err());
        assert!(load(&[redis, database], "").is_err());
        let config = load(&[redis, database, ("LINKLEDGER_SECRET", &secret)], "").expect("whole");
        assert!(config.redis_urls.is_some_and(|urls| urls.is_cluster()));
    }

    #[test]
    fn secrets_never_print() {
        let secret = "ab".repeat(32);
        let pairs = [
            ("LINKLEDGER_DATABASE_URL", "postgres://ll:0123456789abcdefgh@db/ll"),
            ("LINKLEDGER_SECRET", secret.as_str()),
            ("LINKLEDGER_OPERATOR_KEY", "llk_0123456789abcdefgh"),
        ];
        let printed = format!("{:?}", load(&pairs, "").expect("valid"));
        assert!(!printed.contains(&secret) && !printed.contains("0123456789abcdefgh"));
    }
}
