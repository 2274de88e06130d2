use super::*;
use crate::domain::agent::Device;
use crate::domain::click::ClickClass;

/// Real ones of people, previews and programs, with the class that each should have.
const SAMPLE: &str = include_str!("../../tests/data/user-agents.tsv");

fn class(user_agent: &str) -> ClickClass {
    read(user_agent).class
}

#[test]
fn browsers_and_browsers_inside_apps_are_people() {
    for person in [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/153.0.0.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 330.0.3.29.90 (iPhone14,5; iOS 17_5; en_US; en; scale=3.00; 1170x2532; 600000000)",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/465.0.0.0;FBBV/600000000;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/17.5]",
        "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.0.0 Mobile Safari/537.36 musical_ly_2023405050 BytedanceWebview/d8a21c6",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [Pinterest/iOS]",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Snapchat/12.88.0.35 (like Safari/8617.2.4.10.8, panda)",
        "Mozilla/5.0 (Linux; Android 12; CUBOT X50) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
        "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; WOW64; Trident/4.0; SLCC2; .NET CLR 2.0.50727)",
        "Opera/9.80 (Windows NT 6.1; U; en) Presto/2.10.229 Version/11.61",
    ] {
        assert_eq!(class(person), ClickClass::Human, "{person}: {}", read(person).reason);
    }
}

#[test]
fn programs_are_not_people_and_say_why() {
    for (program, wanted) in [
        ("", ClickClass::Bot),
        ("curl/8.5.0", ClickClass::Bot),
        ("python-requests/2.32", ClickClass::Bot),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            ClickClass::Bot,
        ),
        (
            "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            ClickClass::Bot,
        ),
        ("Mozilla/5.0 (compatible; SomethingNobodyKnows/1.0)", ClickClass::Bot),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/125.0.0.0 Safari/537.36",
            ClickClass::Bot,
        ),
        (
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            ClickClass::Preview,
        ),
        ("WhatsApp/2.23.20.0 A", ClickClass::Preview),
        ("Mozilla/5.0", ClickClass::Bot),
        ("FooBot", ClickClass::Bot),
    ] {
        let agent = read(program);
        assert_eq!(agent.class, wanted, "{program}");
        assert!(!agent.reason.is_empty(), "{program}");
    }
}

#[test]
fn every_user_agent_of_the_sample_is_told_apart() {
    let rows = SAMPLE.lines().filter(|line| !line.starts_with('#')).skip(1);
    let mut tried = 0;
    for row in rows {
        let (class, rest) = row.split_once('\t').expect("a class");
        let (_, user_agent) = rest.split_once('\t').expect("a referrer");
        let agent = read(user_agent);
        assert_eq!(agent.class.name(), class, "{user_agent}: {}", agent.reason);
        tried += 1;
    }
    assert!(tried >= 200, "{tried}");
}

#[test]
fn a_device_may_have_any_name() {
    for device in [
        "VR BOT 552",
        "M bot tab 10 Build/NRD90M",
        "DART KZ07 Build/LMY47I",
        "ECHO JAVA",
        "K6",
        "HTC_Butterfly Build/JSS15J",
        "RMX3945 Build/AP3A.240617.008; wv",
        "moto g power (2022)",
        "CUBOT_P20",
        "Spider Robot X Build/crawler",
    ] {
        for language in ["", "en-us; ", "de; "] {
            let person = format!(
                "Mozilla/5.0 (Linux; Android 7.0; {language}{device}) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 \
                 Chrome/125.0.0.0 Mobile Safari/537.36"
            );
            assert_eq!(class(&person), ClickClass::Human, "{person}: {}", read(&person).reason);
            // What stands elsewhere counts as ever.
            let program = format!("{person} (compatible; FooBot/1.0)");
            assert_eq!(class(&program), ClickClass::Bot, "{program}");
        }
    }
}

#[test]
fn programs_that_nobody_listed_give_themselves_away() {
    for (program, reason) in [
        ("acme-fetch", "not_a_browser"),
        ("Mozilla/5.0 AcmeLeadRadar/4.0", "no_platform"),
        ("Mozilla/5.0 (Exchange check)", "no_platform"),
        ("Mozilla/5.0 (Windows NT 10.0) Acme/2.1", "no_engine"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 (team@acme.example)",
            "address_in_user_agent",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 linktest.acme.com/1.0",
            "address_in_user_agent",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 AcmeScreenshot-Crawler",
            "program_word",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko; Acme-Preview) Chrome/131.0.0.0 Safari/537.36",
            "program_word",
        ),
    ] {
        assert_eq!(
            (class(program), &*read(program).reason),
            (ClickClass::Bot, reason),
            "{program}"
        );
    }
}

#[test]
fn crawlers_of_language_models_are_programs_and_previews_are_previews() {
    for name in [
        "GPTBot/1.2",
        "ChatGPT-User/1.0",
        "OAI-SearchBot/1.0",
        "ClaudeBot/1.0",
        "Claude-User/1.0",
        "Claude-SearchBot/1.0",
        "PerplexityBot/1.0",
        "Perplexity-User/1.0",
        "Bytespider",
        "meta-externalagent/1.1",
        "Amazonbot/0.1",
        "Applebot/0.1",
        "Applebot-Extended",
        "CCBot/2.0",
        "Google-Extended",
        "DuckAssistBot/1.0",
        "cohere-ai",
        "Diffbot/0.1",
        "MistralAI-User/1.0",
    ] {
        for text in [
            name.to_owned(),
            format!(
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; {name}; +https://acme.example/bot)"
            ),
            format!("Mozilla/5.0 (compatible; {name})"),
        ] {
            assert_eq!(class(&text), ClickClass::Bot, "{text}");
        }
    }
    for preview in [
        "WhatsApp/2.24.20.89 A",
        "TelegramBot (like TwitterBot)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "Twitterbot/1.0",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
        "Mozilla/5.0 (compatible; Pinterestbot/1.0; +https://www.pinterest.com/bot.html)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        "Viber/13.3.0.5 CFNetwork/1121.2.2 Darwin/19.3.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    ] {
        assert_eq!(
            class(preview),
            ClickClass::Preview,
            "{preview}: {}",
            read(preview).reason
        );
    }
}

#[test]
fn browser_system_and_device_are_named() {
    let phone = read(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6 Mobile/15E148 Safari/604.1",
    );
    assert_eq!(
        (phone.browser.as_str(), phone.os.as_str(), phone.device),
        ("Mobile Safari", "iOS", Device::Mobile)
    );
    let tablet = read(
        "Mozilla/5.0 (Linux; Android 13; Lenovo TB-X606F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",
    );
    assert_eq!((tablet.os.as_str(), tablet.device), ("Android", Device::Tablet));
    let desktop = read("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0");
    assert_eq!(
        (desktop.browser.as_str(), desktop.os.as_str(), desktop.device),
        ("Firefox", "Windows", Device::Desktop)
    );
    let unknown = read("");
    assert_eq!((unknown.browser.as_str(), unknown.device), ("Other", Device::Other));
}

#[test]
fn a_remembered_user_agent_reads_the_same() {
    let agents = Agents::default();
    let text = "curl/8.5.0";
    assert_eq!(*agents.read(text), read(text));
    assert_eq!(*agents.read(text), read(text));
}
