//! Addresses of the servers that a scaled-out installation shares. They may hold passwords, so they never print.

use url::Url;

/// A Postgres database.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// # Errors
    /// What is expected, where it is not `postgres://…`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = "expected postgres://user:password@host:5432/database";
        // A host that is a socket's directory is percent-encoded, which `Url` takes.
        let url = Url::parse(text).map_err(|_| wanted.to_owned())?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(wanted.to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// With its password.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrl(redacted)")
    }
}

/// One Redis server, or nodes of one Cluster; at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrls(Vec<String>);

impl RedisUrls {
    /// # Errors
    /// What is expected, where one is not `redis://…`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = "expected redis://host:6379, or several of a Cluster's nodes separated by commas";
        let parse = |part: &str| {
            let url = Url::parse(part.trim()).map_err(|_| wanted.to_owned())?;
            let known = matches!(url.scheme(), "redis" | "rediss") && url.has_host();
            if known {
                Ok(part.trim().to_owned())
            } else {
                Err(wanted.to_owned())
            }
        };
        text.split(',').map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Each with its password.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether these are nodes of a Cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.0.len() > 1
    }
}

impl std::fmt::Debug for RedisUrls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RedisUrls({}, redacted)", self.0.len())
    }
}
