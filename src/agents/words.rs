//! What the words of a user agent give away, where no crawler is known by its pattern.

use serde::Deserialize;

const WORDS: &str = include_str!("data/apps.json");
/// Endings of host names that programs leave behind to be found by.
const HOST_ENDINGS: [&str; 8] = ["com", "net", "org", "de", "io", "ai", "dev", "app"];
/// Letters before such an ending that make a host's name.
const HOST_MIN_LETTERS: usize = 3;

/// Words and parts of texts, all in lower case but the apps' own names.
#[derive(Deserialize)]
pub(super) struct Words {
    in_app: Vec<InApp>,
    browser_starts: Vec<String>,
    browser_marks: Vec<String>,
    compatible_browsers: Vec<String>,
    platforms: Vec<String>,
    engines: Vec<String>,
    program_words: Vec<String>,
    program_endings: Vec<String>,
    program_marks: Vec<String>,
    people_words: Vec<String>,
    people_marks: Vec<String>,
}

#[derive(Deserialize)]
struct InApp {
    token: String,
}

fn holds(text: &str, parts: &[String]) -> bool {
    parts.iter().any(|part| text.contains(part.as_str()))
}

fn names_an_address(text: &str) -> bool {
    text.contains("http://") || text.contains("https://") || text.contains("www.")
}

/// Whether some word is a mail address or a bare host name, such as `who.example.com/1.0`.
fn names_a_host(text: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+')));
    words.into_iter().any(|word| {
        let Some((name, ending)) = word.trim_matches('.').rsplit_once('.') else {
            return false;
        };
        let mail = name.contains('@') && ending.len() >= 2 && ending.bytes().all(|b| b.is_ascii_lowercase());
        let letters = name.bytes().filter(u8::is_ascii_alphabetic).count();
        mail || letters >= HOST_MIN_LETTERS && HOST_ENDINGS.contains(&ending)
    })
}

impl Words {
    /// # Errors
    /// When the data is no longer what this room reads.
    pub(super) fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(WORDS)
    }

    /// A browser inside an app names the app behind a whole browser's text, or the app comes first.
    pub(super) fn is_in_app(&self, text: &str) -> bool {
        let whole = text.starts_with("Mozilla/") && text.contains("AppleWebKit") || text.starts_with("Dalvik/");
        !text.contains("compatible;")
            && !names_an_address(text)
            && self.in_app.iter().any(|app| {
                let first = text.strip_prefix('[').unwrap_or(text);
                first.starts_with(&app.token) || whole && text.contains(&app.token)
            })
    }

    /// Why this text, in lower case and without its device's name, is no browser's; `None` for a
    /// browser's.
    pub(super) fn program(&self, text: &str) -> Option<&'static str> {
        let text = text.trim_start_matches(['"', '\'', ' ']);
        let starts = |start: &String| text.starts_with(start.as_str());
        if !self.browser_starts.iter().any(starts) && !holds(text, &self.browser_marks) {
            return Some("not_a_browser");
        }
        if self.has_program_word(text) || holds(text, &self.program_marks) {
            return Some("program_word");
        }
        // Toolbars and internet providers wrote their own addresses into the brackets of Internet
        // Explorer's text, and some small browsers write theirs.
        let signed = match text.split_once(')') {
            Some((brackets, behind)) if brackets.contains("msie ") && !brackets.contains("+http") => behind,
            _ => text,
        };
        if (names_an_address(signed) || names_a_host(signed)) && !holds(text, &self.people_marks) {
            return Some("address_in_user_agent");
        }
        if let Some((_, behind)) = text.split_once("(compatible;")
            && !holds(behind, &self.compatible_browsers)
        {
            return Some("compatible_with_no_browser");
        }
        if text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') == "mozilla/" {
            return Some("bare_mozilla");
        }
        if text.starts_with("mozilla/") && !holds(text, &self.platforms) {
            return Some("no_platform");
        }
        if text.starts_with("mozilla/5.0") && !holds(text, &self.engines) {
            return Some("no_engine");
        }
        None
    }

    fn has_program_word(&self, text: &str) -> bool {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        words.map(|word| word.trim_matches('-')).any(|word| {
            let is_one_of = |known: &[String], word: &str| known.iter().any(|known| known == word);
            // Names like `foobot` or `barcrawler-images`; no browser's word ends so.
            let ends_so = |part: &str| {
                let mut endings = self.program_endings.iter();
                !is_one_of(&self.people_words, part) && endings.any(|ending| part.ends_with(ending.as_str()))
            };
            !is_one_of(&self.people_words, word)
                && (is_one_of(&self.program_words, word) || word.split('-').any(ends_so))
        })
    }
}

/// The text without the device's name and build: any word may stand there (`VR BOT 552`, `DART`,
/// `HTC Butterfly`), and none of them says who clicks.
pub(super) fn without_device(text: &str) -> String {
    let Some((before, rest)) = text.find("Android").map(|at| text.split_at(at)) else {
        return text.to_owned();
    };
    if !before.contains('(') && !before.ends_with("Linux; ") {
        return text.to_owned();
    }
    let end = [")", " AppleWebKit"].iter().filter_map(|end| rest.find(end)).min();
    let (platform, behind) = rest.split_at(end.unwrap_or(rest.len()));
    let mut named = false;
    let kept = platform.split(';').enumerate().filter(|(place, part)| {
        let part = part.trim();
        if *place == 0 || matches!(part, "U" | "wv" | "Mobile" | "Tablet") || is_language(part) {
            return true;
        }
        let device = !named || part.starts_with("Build/");
        named = true;
        !device
    });
    let kept: Vec<&str> = kept.map(|(_, part)| part).collect();
    format!("{before}{}{behind}", kept.join(";"))
}

/// `en`, `en-us`, `en_US`: comes before the device, where it comes at all.
fn is_language(part: &str) -> bool {
    let (language, region) = part.split_at_checked(2).unwrap_or((part, ""));
    language.len() == 2
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && (region.is_empty() || region.len() == 3 && region.starts_with(['-', '_']))
}
