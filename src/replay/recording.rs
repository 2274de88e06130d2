//! Reading a recording: JSON lines, of which not every one is a click.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::ReplayError;

/// One recorded click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// `h`.
    pub slug: String,
    /// `u`.
    pub url: String,
    /// `a`.
    pub user_agent: Option<String>,
    /// `r`, unless it was `direct`.
    pub referrer: Option<String>,
    /// `al`.
    pub language: Option<String>,
}

/// The clicks of a file, in its order.
#[derive(Debug)]
pub struct Recording {
    /// The clicks.
    pub clicks: Vec<Recorded>,
    /// Lines read, empty ones aside.
    pub lines: u64,
    /// Lines that are no clicks, by reason.
    pub left_out: BTreeMap<String, u64>,
}

/// A line of the feed; it also sends heartbeats, which have no slug.
#[derive(Deserialize)]
struct Line {
    h: Option<String>,
    u: Option<String>,
    a: Option<String>,
    r: Option<String>,
    al: Option<String>,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ReplayError::File`] when it cannot be read, [`ReplayError::Empty`] when no line is a click.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::File {
            path: path.display().to_string(),
            source,
        };
        let file = BufReader::new(File::open(path).map_err(failed)?);
        let mut recording = Self {
            clicks: Vec::new(),
            lines: 0,
            left_out: BTreeMap::new(),
        };
        for line in file.split(b'\n') {
            recording.take(&line.map_err(failed)?);
        }
        if recording.clicks.is_empty() {
            return Err(ReplayError::Empty(path.display().to_string()));
        }
        Ok(recording)
    }

    fn take(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        self.lines += 1;
        let why = match serde_json::from_slice::<Line>(line) {
            Ok(Line {
                h: Some(slug),
                u: Some(url),
                a,
                r,
                al,
            }) => {
                let said = |text: Option<String>| text.filter(|text| !text.is_empty());
                self.clicks.push(Recorded {
                    slug,
                    url,
                    user_agent: said(a),
                    referrer: said(r).filter(|referrer| referrer != "direct"),
                    language: said(al),
                });
                return;
            }
            Ok(_) => "a line without slug or url (such as a heartbeat)",
            Err(_) => "a line that is not JSON of this form",
        };
        *self.left_out.entry(why.to_owned()).or_default() += 1;
    }

    /// Every slug once, with the first destination that was recorded for it.
    pub fn destinations(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut seen = HashSet::new();
        self.clicks
            .iter()
            .filter(move |click| seen.insert(click.slug.as_str()))
            .map(|click| (click.slug.as_str(), click.url.as_str()))
    }
}
