//! Where settings come from, before they have types.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use super::SETTING_NAMES;

const PREFIX: &str = "LINKLEDGER_";
/// The variable that names the settings file; the same as `--config`.
const FILE_VARIABLE: &str = "LINKLEDGER_CONFIG";

/// A setting that cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be opened.
    #[error("cannot read the settings file {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML of `name = value` lines.
    #[error("the settings file {path} cannot be understood: {message}")]
    NotToml {
        /// The file.
        path: String,
        /// Where and why.
        message: String,
    },
    /// No setting has this name.
    #[error("there is no setting {name}{}", .nearest.as_ref().map_or(String::new(), |n| format!("; did you mean {n}?")))]
    Unknown {
        /// As it was written.
        name: String,
        /// The known name that is spelled most alike.
        nearest: Option<String>,
    },
    /// The value does not fit.
    #[error("{name}: {message}")]
    Wrong {
        /// The setting.
        name: String,
        /// What is wrong and what would be right.
        message: String,
    },
}

impl ConfigError {
    pub(super) fn wrong(name: &str, message: String) -> Self {
        Self::Wrong {
            name: format!("{PREFIX}{}", name.to_uppercase()),
            message,
        }
    }
}

/// The texts of all settings that were given, by name.
#[derive(Debug)]
pub struct Sources {
    given: BTreeMap<String, String>,
}

impl Sources {
    /// Reads the process's environment and the file, if one is named on the command line or in
    /// `LINKLEDGER_CONFIG`.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read or a name is unknown.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let from_environment = std::env::var_os(FILE_VARIABLE).map(std::path::PathBuf::from);
        let path = file.map(Path::to_path_buf).or(from_environment);
        let text = match &path {
            None => None,
            Some(path) => {
                let shown = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                    path: shown.clone(),
                    source,
                })?;
                Some((shown, text))
            }
        };
        let file = text.as_ref().map(|(path, text)| (path.as_str(), text.as_str()));
        Self::new(
            file,
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )
    }

    /// From a file's name and text, and an environment.
    ///
    /// # Errors
    /// [`ConfigError`] as for [`Sources::read`].
    pub fn new(
        file: Option<(&str, &str)>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut given = BTreeMap::new();
        if let Some((path, text)) = file {
            let not_toml = |message: String| ConfigError::NotToml {
                path: path.to_owned(),
                message,
            };
            let table: toml::Table = text.parse().map_err(|e: toml::de::Error| not_toml(e.to_string()))?;
            for (name, value) in table {
                let value = plain_text(&value)
                    .ok_or_else(|| not_toml(format!("`{name}` must be a text, a number, true, false or a list")))?;
                given.insert(known(&name, &name, false)?, value);
            }
        }
        for (variable, value) in environment {
            let Some(name) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            if variable == FILE_VARIABLE || injected_by_kubernetes(name) {
                continue;
            }
            given.insert(known(&name.to_lowercase(), &variable, true)?, value);
        }
        Ok(Self { given })
    }

    /// Gives a setting to a command that has a default of its own; what was given stays.
    pub fn unless_given(&mut self, name: &str, value: &str) {
        self.given.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }

    pub(super) fn take_with<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.given.remove(name) else {
            return Ok(None);
        };
        parse(&text)
            .map(Some)
            .map_err(|message| ConfigError::wrong(name, message))
    }

    pub(super) fn set<T: FromStr>(&mut self, name: &str, into: &mut T, wanted: &str) -> Result<(), ConfigError> {
        let parse = |text: &str| text.trim().parse().map_err(|_| format!("`{text}` is not {wanted}"));
        if let Some(value) = self.take_with(name, parse)? {
            *into = value;
        }
        Ok(())
    }

    pub(super) fn set_in<T>(&mut self, name: &str, into: &mut T, range: RangeInclusive<T>) -> Result<(), ConfigError>
    where
        T: FromStr + PartialOrd + std::fmt::Display + Copy,
    {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let mut value = *into;
        self.set(name, &mut value, &wanted)?;
        if !range.contains(&value) {
            return Err(ConfigError::wrong(name, format!("`{value}` is not {wanted}")));
        }
        *into = value;
        Ok(())
    }

    /// Every known name must have been taken by now.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        match self.given.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(ConfigError::Unknown { name, nearest: None }),
        }
    }
}

fn plain_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(list) => {
            let parts: Option<Vec<_>> = list.iter().map(plain_text).collect();
            Some(parts?.join(","))
        }
        _ => None,
    }
}

/// A service named `linkledger…` makes Kubernetes set `LINKLEDGER_SERVICE_HOST`, `LINKLEDGER_PORT`
/// and the like in every container of its namespace.
fn injected_by_kubernetes(name: &str) -> bool {
    let marks = ["SERVICE_HOST", "SERVICE_PORT", "PORT"];
    marks
        .iter()
        .any(|mark| name == *mark || name.ends_with(&format!("_{mark}")))
        || name.contains("SERVICE_PORT_")
        || name.starts_with("PORT_")
        || name.contains("_PORT_")
}

fn known(name: &str, written: &str, in_environment: bool) -> Result<String, ConfigError> {
    if SETTING_NAMES.contains(&name) {
        return Ok(name.to_owned());
    }
    let nearest = SETTING_NAMES
        .iter()
        .map(|candidate| (letters_apart(name, candidate), *candidate))
        .min()
        .filter(|(apart, _)| *apart <= 3)
        .map(|(_, candidate)| {
            if in_environment {
                format!("{PREFIX}{}", candidate.to_uppercase())
            } else {
                candidate.to_owned()
            }
        });
    Err(ConfigError::Unknown {
        name: written.to_owned(),
        nearest,
    })
}

/// Levenshtein's distance: enough to find a slip of the finger.
fn letters_apart(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}
