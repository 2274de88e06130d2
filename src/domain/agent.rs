//! What a user agent and a referrer say, in the words that reports use.

use std::borrow::Cow;

use super::click::{ClickClass, ClickFlags};

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Device {
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A computer.
    Desktop,
    /// A television or a console.
    Tv,
    /// Anything else, programs among them.
    Other,
}

impl Device {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Desktop => "desktop",
            Self::Tv => "tv",
            Self::Other => "other",
        }
    }
}

/// What is known of a user agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Who clicks, judged by the user agent alone.
    pub class: ClickClass,
    /// Why it is no person; empty for people.
    pub reason: Cow<'static, str>,
    /// The browser's family, such as `Mobile Safari`; `Other` when unknown.
    pub browser: String,
    /// The system's family, such as `iOS`; `Other` when unknown.
    pub os: String,
    /// The kind of device.
    pub device: Device,
}

impl Agent {
    /// What a click by this agent counts as.
    #[must_use]
    pub fn class_of(&self, flags: ClickFlags) -> (ClickClass, Cow<'static, str>) {
        ClickClass::of_click(flags, (self.class, self.reason.clone()))
    }
}

/// The host of a referrer, in lower case and without its port; empty for none.
///
/// Apps name themselves as `android-app://package`: then it is the package.
#[must_use]
pub fn referrer_host(referrer: &str) -> String {
    let Some((_, rest)) = referrer.split_once("://") else {
        return String::new();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.trim_end_matches('.').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_referrer_s_host_is_read_from_every_form() {
        for (referrer, host) in [
            ("http://www.Facebook.com/l/7AQ/1.usa.gov", "www.facebook.com"),
            ("https://t.co", "t.co"),
            ("https://shop.example:8443/a?b", "shop.example"),
            ("android-app://com.google.android.gm/", "com.google.android.gm"),
            ("http://[2001:db8::1]:80/", "2001:db8::1"),
            ("", ""),
            ("direct", ""),
            ("not a url", ""),
        ] {
            assert_eq!(referrer_host(referrer), host, "{referrer}");
        }
    }

    #[test]
    fn what_a_request_says_of_itself_comes_before_its_user_agent() {
        let person = Agent {
            class: ClickClass::Human,
            reason: Cow::Borrowed(""),
            browser: "Chrome".to_owned(),
            os: "Android".to_owned(),
            device: Device::Mobile,
        };
        assert_eq!(person.class_of(ClickFlags::default()).0, ClickClass::Human);
        assert_eq!(person.class_of(ClickFlags::PREFETCH).0, ClickClass::Prefetch);
        assert_eq!(
            person.class_of(ClickFlags::HEAD),
            (ClickClass::Bot, Cow::Borrowed("head_request"))
        );
    }
}
