//! The kind of device, from the words that browsers themselves use for it.

use crate::domain::agent::Device;

const TV: [&str; 12] = [
    "SmartTV",
    "SMART-TV",
    "Smart-TV",
    "AppleTV",
    "GoogleTV",
    "HbbTV",
    "Web0S",
    "BRAVIA",
    "PlayStation",
    "Xbox",
    "Roku",
    "Nintendo",
];
const TABLET: [&str; 6] = ["iPad", "Tablet", "PlayBook", "Kindle", "Silk/", "SM-T"];
const PHONE: [&str; 9] = [
    "Mobile",
    "iPhone",
    "iPod",
    "BlackBerry",
    "IEMobile",
    "Opera Mini",
    "Nokia",
    "Symbian",
    "webOS",
];

/// Android tablets are those that leave out `Mobile`: Chrome's own rule.
pub(super) fn device(user_agent: &str, os: &str) -> Device {
    let says = |words: &[&str]| words.iter().any(|word| user_agent.contains(word));
    if says(&TV) {
        Device::Tv
    } else if says(&TABLET) {
        Device::Tablet
    } else if says(&PHONE) {
        Device::Mobile
    } else if user_agent.contains("Android") {
        Device::Tablet
    } else if [
        "Windows",
        "Mac OS X",
        "Linux",
        "Chrome OS",
        "Ubuntu",
        "Fedora",
        "FreeBSD",
        "OpenBSD",
        "Debian",
    ]
    .contains(&os)
    {
        Device::Desktop
    } else {
        Device::Other
    }
}
