//! Countries of addresses, from a database of the operator's.
//!
//! Looked up while the visitor is answered, because afterwards nobody knows the address any more.
//! The file is read into memory once: a lookup touches no disk, and whoever replaces the file
//! restarts the service.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions};

/// Where databases keep an address's country, in the order in which they are asked: where the
/// address is, else where its network is registered (both `MaxMind`'s), else the flat form of others.
const PLACES: [&[PathElement<'static>]; 3] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("registered_country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
];
/// How databases and proxies say that they do not know.
const UNKNOWN: [&[u8; 2]; 2] = [b"XX", b"ZZ"];

/// Why a database cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// The file cannot be read.
    #[error("LINKLEDGER_GEOIP_DB: cannot read {path}: {source}; name a file that this user can read, or leave it out")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("LINKLEDGER_GEOIP_DB: {path} is not an .mmdb database: {source}; unpack it, or fetch it again")]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: MaxMindDbError,
    },
    /// A database of something else.
    #[error(
        "LINKLEDGER_GEOIP_DB: {path} is a database of the type `{kind}`, which knows no countries; \
         take one of countries or cities"
    )]
    NoCountries {
        /// The file.
        path: PathBuf,
        /// What it calls itself.
        kind: String,
    },
}

/// The countries of addresses.
pub struct Countries {
    reader: Reader<Vec<u8>>,
}

impl Countries {
    /// Reads a database in the `MaxMind` DB format.
    ///
    /// # Errors
    /// [`GeoError`] when the file is missing, is none, or knows no country.
    pub fn open(path: &Path) -> Result<Self, GeoError> {
        let bytes = std::fs::read(path).map_err(|source| GeoError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let not_a_database = |source| GeoError::NotADatabase {
            path: path.to_owned(),
            source,
        };
        let reader = Reader::from_source(bytes).map_err(not_a_database)?;
        let mut networks = reader.networks(WithinOptions::default()).map_err(not_a_database)?;
        // Nearly always the first; a database of something else is walked to its end once.
        if !networks.any(|network| network.is_ok_and(|found| country_in(&found).is_some())) {
            return Err(GeoError::NoCountries {
                path: path.to_owned(),
                kind: reader.metadata().database_type.clone(),
            });
        }
        Ok(Self { reader })
    }

    /// The country of an address; `None` where the database knows nothing.
    pub(super) fn of(&self, address: IpAddr) -> Option<[u8; 2]> {
        // A database of IPv4 alone answers IPv6 with an error: it knows nothing, either.
        country_in(&self.reader.lookup(address).ok()?)
    }
}

fn country_in(found: &LookupResult<'_, Vec<u8>>) -> Option<[u8; 2]> {
    // A record of another shape than asked for is one that does not know.
    let text = |place: &&[PathElement<'static>]| found.decode_path::<&str>(place).ok().flatten();
    PLACES.iter().filter_map(text).find_map(|text| code(text.as_bytes()))
}

/// A country's two letters, as stated by a database or a proxy.
pub(super) fn code(text: &[u8]) -> Option<[u8; 2]> {
    let code = <[u8; 2]>::try_from(text).ok()?;
    // Proxies also say T1 (Tor), which is no country.
    let known = code.iter().all(u8::is_ascii_alphabetic) && !UNKNOWN.contains(&&code.map(|b| b.to_ascii_uppercase()));
    known.then_some(code)
}

#[cfg(test)]
#[path = "../../tests/harness/mmdb.rs"]
mod mmdb;

#[cfg(test)]
mod tests {
    use super::mmdb::{Database, Value};
    use super::*;

    fn open(bytes: &[u8]) -> Result<Countries, GeoError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        Countries::open(file.path())
    }

    fn of(countries: &Countries, address: &str) -> Option<String> {
        let code = countries.of(address.parse().expect("an address"))?;
        Some(String::from_utf8(code.to_vec()).expect("letters"))
    }

    #[test]
    fn a_country_is_found_in_every_form_of_record_and_for_both_kinds_of_address() {
        let countries = open(
            &Database::new("Test-Country")
                .with("203.0.113.0/24", Value::country("DE"))
                .with(
                    "198.51.100.0/25",
                    Value::Map(vec![("registered_country", Value::iso_code("FR"))]),
                )
                .with(
                    "198.51.100.128/25",
                    Value::Map(vec![
                        ("country", Value::iso_code("NL")),
                        ("registered_country", Value::iso_code("FR")),
                    ]),
                )
                .with("192.0.2.7/32", Value::Map(vec![("country_code", Value::Text("BR"))]))
                .with("192.0.2.8/32", Value::Map(vec![("country_code", Value::Text("ZZ"))]))
                .with(
                    "192.0.2.9/32",
                    Value::Map(vec![
                        ("country", Value::Text("Japan")),
                        ("country_code", Value::Text("JP")),
                    ]),
                )
                .with("2001:db8:1::/48", Value::country("JP"))
                .bytes(),
        )
        .expect("a database");
        for (address, country) in [
            ("203.0.113.255", Some("DE")),
            ("203.0.114.0", None),
            ("198.51.100.127", Some("FR")),
            ("198.51.100.128", Some("NL")),
            ("192.0.2.7", Some("BR")),
            ("192.0.2.8", None),
            ("192.0.2.9", Some("JP")),
            ("2001:db8:1:ffff::1", Some("JP")),
            ("2001:db8:2::1", None),
        ] {
            assert_eq!(of(&countries, address).as_deref(), country, "{address}");
        }
    }

    #[test]
    fn what_cannot_tell_countries_is_refused_with_what_to_do() {
        let refusal = |bytes: &[u8]| open(bytes).err().expect("refused").to_string();
        assert!(refusal(b"").contains("is not an .mmdb database"));
        assert!(refusal(b"\x1f\x8b gzip").contains("unpack it"));
        let numbers = Value::Map(vec![("autonomous_system_number", Value::Whole(64500))]);
        let asn = Database::new("Test-ASN").with("203.0.113.0/24", numbers).bytes();
        assert!(refusal(&asn).contains("`Test-ASN`, which knows no countries"));
        let whole = Database::new("Test")
            .with("203.0.113.0/24", Value::country("DE"))
            .bytes();
        assert!(refusal(&whole[..whole.len() / 2]).contains("is not an .mmdb database"));
        let missing = Countries::open(Path::new("/nonexistent/countries.mmdb"))
            .err()
            .expect("refused");
        assert!(
            missing.to_string().contains("cannot read /nonexistent/countries.mmdb"),
            "{missing}"
        );
    }
}
