//! The `Location` of a redirect: a link's final URL, what the visitor's query adds, the click id, the fragment.
//!
//! Nothing in a request changes scheme, host, path or fragment: it only adds pairs to the query, and of those none
//! that the destination has already and none that poses as the click id. Whatever bytes come in, visible ASCII goes
//! out. Millions of templates lie in memory and every click writes one, so a template is one text and one index, and
//! without a request query nothing is allocated but in `out`.

use std::borrow::Cow;

use url::form_urlencoded;

/// How much of a request's query is looked at, and how much of it goes into the header, in bytes. Pairs that end
/// beyond are dropped whole: ad networks stay far below, and proxies refuse long headers.
pub const FORWARDED_MAX_BYTES: usize = 2048;

/// A final URL, ready to be written with a click id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationTemplate {
    /// The URL through its query, always ending in the `?` or `&` before the next pair; then `#` and the fragment.
    text: Box<str>,
    /// Where the fragment begins.
    split: u32,
}

impl LocationTemplate {
    /// Prepares a final URL, as [`super::utm::apply`] gives it, for the brand's click parameter: a pair of the
    /// destination's own with that name is dropped, or the shop might read the wrong id. So a brand that renames its
    /// parameter needs new templates. An empty query (`?` alone) and trailing `&` are dropped as well.
    #[must_use]
    pub fn new(final_url: &str, click_param: Option<&str>) -> Self {
        let (head, fragment) = final_url.split_at(final_url.find('#').unwrap_or(final_url.len()));
        let (base, query) = head.split_once('?').unwrap_or((head, ""));
        let kept: Vec<&str> = query
            .split('&')
            .filter(|pair| !is_click_pair(pair.as_bytes(), click_param))
            .collect();
        let kept = kept.join("&");
        let kept = kept.trim_end_matches('&');

        let mut text = Vec::with_capacity(final_url.len() + 1);
        // A serialised URL is visible ASCII already; nothing else may ever become a header.
        push_escaped(&mut text, base.as_bytes(), |b| b.is_ascii_graphic());
        text.push(b'?');
        push_escaped(&mut text, kept.as_bytes(), |b| b.is_ascii_graphic());
        if !kept.is_empty() {
            text.push(b'&');
        }
        let split = u32::try_from(text.len()).expect("a URL is shorter than 4 GiB");
        push_escaped(&mut text, fragment.as_bytes(), |b| b.is_ascii_graphic());
        let text = String::from_utf8(text).expect("only ASCII was pushed").into_boxed_str();
        Self { text, split }
    }

    /// Appends the location to `out`. `forwarded_query` is the short link's query as it came, without its `?`, or
    /// `None` for a link that forwards none; without `click_param` no click id is written.
    pub fn write(&self, out: &mut Vec<u8>, forwarded_query: Option<&[u8]>, click_param: Option<&str>, click_id: &str) {
        let (prefix, fragment) = self.parts();
        out.reserve(self.text.len() + click_param.map_or(0, str::len) + 1 + click_id.len());
        out.extend_from_slice(prefix.as_bytes());
        if let Some(query) = forwarded_query.filter(|query| !query.is_empty()) {
            push_forwarded(out, query, prefix, click_param);
        }
        // Here `out` ends in `?` or `&`. The click id comes last: readers that take the last of two same names,
        // or that fold names (`ll.click`), still read ours.
        if let Some(name) = click_param {
            push_escaped(out, name.as_bytes(), is_unreserved);
            out.push(b'=');
            push_escaped(out, click_id.as_bytes(), is_unreserved);
        } else {
            out.pop();
        }
        out.extend_from_slice(fragment.as_bytes());
    }

    /// The URL without a click id: what this was made from, save for what [`Self::new`] drops.
    #[must_use]
    pub fn final_url(&self) -> String {
        let (prefix, fragment) = self.parts();
        format!("{}{fragment}", &prefix[..prefix.len() - 1])
    }

    fn parts(&self) -> (&str, &str) {
        // A u32 always fits where this runs; the length is only what the types ask for.
        self.text
            .split_at(usize::try_from(self.split).unwrap_or(self.text.len()))
    }
}

/// Appends what may be forwarded, each pair followed by `&`.
fn push_forwarded(out: &mut Vec<u8>, query: &[u8], prefix: &str, click_param: Option<&str>) {
    let (_, own_query) = prefix.split_once('?').unwrap_or((prefix, ""));
    // Sorted, so that a long query on a long destination stays cheap.
    let mut own_names: Vec<Cow<'_, str>> = form_urlencoded::parse(own_query.as_bytes())
        .map(|(name, _)| name)
        .collect();
    own_names.sort_unstable();

    let start = out.len();
    let mut read = 0;
    for pair in query.split(|b| *b == b'&') {
        read += pair.len() + 1;
        // The last `&` counts for nothing, so a query of exactly the limit passes.
        if read > FORWARDED_MAX_BYTES + 1 {
            break;
        }
        let Some((name, _)) = form_urlencoded::parse(pair).next() else {
            continue;
        };
        if own_names.binary_search(&name).is_ok() || is_click_pair(pair, click_param) {
            continue;
        }
        let before = out.len();
        push_query(out, pair);
        if out.len() - start > FORWARDED_MAX_BYTES {
            out.truncate(before);
            break;
        }
        out.push(b'&');
    }
}

/// Whether a pair's name, once a shop decodes it, is the click parameter.
fn is_click_pair(pair: &[u8], click_param: Option<&str>) -> bool {
    click_param.is_some_and(|param| form_urlencoded::parse(pair).any(|(name, _)| name.eq_ignore_ascii_case(param)))
}

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// Appends bytes that are a query already: escapes stay as they are, and a `%` that escapes nothing becomes `%25`.
fn push_query(out: &mut Vec<u8>, pair: &[u8]) {
    for (at, &b) in pair.iter().enumerate() {
        let is_escape = b == b'%'
            && matches!(pair.get(at + 1..at + 3), Some([x, y]) if x.is_ascii_hexdigit() && y.is_ascii_hexdigit());
        if is_escape {
            out.push(b);
        } else {
            // What RFC 3986 lets stand in a query, but for the apostrophe, which ends attributes in HTML.
            push_escaped(out, &[b], |b| is_unreserved(b) || b"!$&()*+,;=:@/?".contains(&b));
        }
    }
}

/// Appends bytes, percent-encoding those that may not stand as they are.
fn push_escaped(out: &mut Vec<u8>, bytes: &[u8], may_stand: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &b in bytes {
        if may_stand(b) {
            out.push(b);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 0xf)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    const ID: &str = "Zx-9_k.A~b";

    fn location(final_url: &str, query: &[u8], param: Option<&str>) -> String {
        let mut out = Vec::new();
        LocationTemplate::new(final_url, param).write(&mut out, Some(query), param, ID);
        String::from_utf8(out).expect("visible ASCII")
    }

    /// The location after `https://a.example/p`, with the click parameter `ll_click`.
    fn rest(final_rest: &str, query: &[u8]) -> String {
        let base = "https://a.example/p";
        let location = location(&format!("{base}{final_rest}"), query, Some("ll_click"));
        location.strip_prefix(base).expect("the same base").replace(ID, "ID")
    }

    #[test]
    fn the_click_id_comes_after_the_query_and_before_the_fragment() {
        for (given, expected) in [
            ("", "?ll_click=ID"),
            ("?", "?ll_click=ID"),
            ("#f?x=1&y", "?ll_click=ID#f?x=1&y"),
            ("?a=1", "?a=1&ll_click=ID"),
            ("?a=1&&b&", "?a=1&&b&ll_click=ID"),
            ("?a=b?", "?a=b?&ll_click=ID"),
            ("??", "??&ll_click=ID"),
            ("??&", "??&ll_click=ID"),
            ("?&&", "?ll_click=ID"),
            ("?a=%0d%0A+%2f#%20", "?a=%0d%0A+%2f&ll_click=ID#%20"),
            ("?ll_click=x&a=1&LL%5fClick=y&ll_click", "?a=1&ll_click=ID"),
        ] {
            assert_eq!(rest(given, b""), expected);
        }
    }

    #[test]
    fn without_a_click_parameter_the_final_url_stands_alone() {
        for url in [
            "https://a.example/",
            "https://a.example/?a=1#f",
            "https://a.example/?ll_click=x",
        ] {
            assert_eq!(location(url, b"", None), url);
        }
        assert_eq!(location("https://a.example/?", b"", None), "https://a.example/");
        assert_eq!(
            location("https://a.example/#f", b"x=1", None),
            "https://a.example/?x=1#f"
        );
    }

    #[test]
    fn a_request_adds_pairs_but_neither_the_destinations_nor_the_click_id() {
        for (query, expected) in [
            (
                &b"fbclid=1&gclid=2"[..],
                "?a=1&utm_source=s&fbclid=1&gclid=2&ll_click=ID",
            ),
            (b"x=1&x=2&&=&x", "?a=1&utm_source=s&x=1&x=2&=&x&ll_click=ID"),
            (b"a=2&%61=3&a&A=4&utm%5Fsource=x", "?a=1&utm_source=s&A=4&ll_click=ID"),
            (
                b"ll_click=x&LL_CLICK=y&ll%5fclick=z&%6cl_click",
                "?a=1&utm_source=s&ll_click=ID",
            ),
            (b"?b", "?a=1&utm_source=s&?b&ll_click=ID"),
        ] {
            assert_eq!(rest("?a=1&utm_source=s", query), expected);
        }
        assert_eq!(
            location("https://a.example/", b"my+id=1&my%20ID=2", Some("my id")),
            format!("https://a.example/?my%20id={ID}")
        );
    }

    #[test]
    fn bytes_that_a_header_or_a_page_would_misread_are_escaped() {
        for (query, expected) in [
            (&b"x=\r\nSet-Cookie: a"[..], "?x=%0D%0ASet-Cookie:%20a&ll_click=ID"),
            (b"x=%0d%0a%zz%&%4", "?x=%0d%0a%25zz%25&%254&ll_click=ID"),
            (
                b"x=<'\">#[\\]^`{|}",
                "?x=%3C%27%22%3E%23%5B%5C%5D%5E%60%7B%7C%7D&ll_click=ID",
            ),
            (b"x=\xff\xc3\xa9\0\x7f", "?x=%FF%C3%A9%00%7F&ll_click=ID"),
            (b"x=%%41", "?x=%25%41&ll_click=ID"),
        ] {
            assert_eq!(rest("", query), expected);
        }
        let hostile = location("https://a.example/\r\n?\u{e9} #\"\n", b"", Some("p&q=\n"));
        assert_eq!(
            hostile,
            format!("https://a.example/%0D%0A?%C3%A9%20&p%26q%3D%0A={ID}#\"%0A")
        );
    }

    #[test]
    fn a_long_query_is_cut_between_pairs() {
        let long = |times| format!("x={}", "y".repeat(times));
        let fits = long(FORWARDED_MAX_BYTES - 2);
        assert_eq!(rest("", fits.as_bytes()), format!("?{fits}&ll_click=ID"));
        assert_eq!(rest("", long(FORWARDED_MAX_BYTES - 1).as_bytes()), "?ll_click=ID");
        assert_eq!(rest("", format!("a=1&{fits}&b=2").as_bytes()), "?a=1&ll_click=ID");
        let grows = format!("a=1&x={}&b=2", " ".repeat(700));
        assert_eq!(rest("", grows.as_bytes()), "?a=1&ll_click=ID");
        let pairs = "k=v&".repeat(10_000);
        assert_eq!(
            rest("", pairs.as_bytes()),
            format!("?{}ll_click=ID", "k=v&".repeat(512))
        );
    }

    #[test]
    fn a_template_is_small() {
        assert!(size_of::<LocationTemplate>() <= 24);
    }

    proptest! {
        #[test]
        fn no_request_changes_where_a_link_leads(
            query in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                "([&=%?#+]|%[0-9a-fA-F]{2}|ll_click|LL%5fclick|%6cl_click|utm_source|[ -~]){0,40}"
                    .prop_map(String::into_bytes),
            ],
            rest in prop::sample::select(vec![
                "", "?", "?#", "#frag?ll_click=1", "?a=1&utm_source=s#f", "?ll_click=old&b", "?x&&LL_CLICK=1&",
                "??&", "/p%0a?q=%26#/r",
            ]),
        ) {
            let before = Url::parse(&format!("https://a.example:8443/p{rest}")).expect("a URL");
            let location = location(before.as_str(), &query, Some("ll_click"));
            prop_assert!(location.bytes().all(|b| b.is_ascii_graphic()));

            let after = Url::parse(&location).expect("a URL");
            prop_assert_eq!(after.as_str(), &location, "the browser sees what we sent");
            prop_assert_eq!(after.origin(), before.origin());
            prop_assert_eq!(after.path(), before.path());
            prop_assert_eq!(after.fragment(), before.fragment());
            let is_click = |name: &str| name.eq_ignore_ascii_case("ll_click");
            let ids: Vec<String> =
                after.query_pairs().filter(|(name, _)| is_click(name)).map(|(_, id)| id.into_owned()).collect();
            prop_assert_eq!(ids, [ID]);
            for (name, value) in before.query_pairs().filter(|(name, _)| !is_click(name)) {
                let kept = after.query_pairs().filter(|(other, _)| *other == name).collect::<Vec<_>>();
                prop_assert_eq!(kept, [(name, value)]);
            }
        }
    }
}
