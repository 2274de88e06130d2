//! A click as the journal carries it.
//!
//! # Constraints
//! Written on the visitor's time, so encoding copies bytes and does nothing else. Read by every
//! later version of the worker, so a change of layout takes a new record version.
//!
//! # Format, version 1
//! All integers little-endian: time `i64` (ms), link `u64` in 6 bytes, state `u8`, flags `u8`,
//! visitor `u64`, country 2 bytes (zero: unknown), then user agent, referrer and language, each a
//! `u16` length and its bytes. Texts are as received, cut to their limits; they need not be UTF-8.

use super::id::LinkId;
use super::link::LinkState;
use super::time::Instant;

/// The record kind of clicks in the journal.
pub const CLICK_KIND: u8 = 1;
/// The layout written by this version.
pub const CLICK_VERSION: u8 = 1;
/// User agents are cut here, in bytes; real ones stay below 300.
pub const USER_AGENT_MAX_BYTES: usize = 512;
/// Referrers (already without query) are cut here, in bytes.
pub const REFERRER_MAX_BYTES: usize = 512;
/// Accept-Language is cut here, in bytes.
pub const LANGUAGE_MAX_BYTES: usize = 64;

const FIXED_BYTES: usize = 26;

/// What the request said about itself, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClickFlags(u8);

impl ClickFlags {
    /// The request was a HEAD.
    pub const HEAD: Self = Self(1);
    /// A browser fetched ahead (`Sec-Purpose: prefetch` and its older forms).
    pub const PREFETCH: Self = Self(2);
    /// A preview was drawn (`Purpose: preview`).
    pub const PREVIEW: Self = Self(4);
    /// The node had no shared salt for the day: its visitors cannot be matched with other nodes'.
    pub const LOCAL_SALT: Self = Self(8);

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From bits; unknown ones are kept.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One click, borrowed from the request or from a journal record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Click<'a> {
    /// When the redirect was answered, by the node's clock.
    pub at: Instant,
    /// The link.
    pub link: LinkId,
    /// The link's state at that moment.
    pub state: LinkState,
    /// What the request said about itself.
    pub flags: ClickFlags,
    /// The visitor's hash for this brand and UTC day.
    pub visitor: u64,
    /// Two-letter country from a trusted proxy; zeros when unknown.
    pub country: [u8; 2],
    /// The `User-Agent` as received, cut.
    pub user_agent: &'a [u8],
    /// The `Referer` without query and fragment, cut.
    pub referrer: &'a [u8],
    /// The `Accept-Language` as received, cut.
    pub language: &'a [u8],
}

/// The bytes are not a click of a known layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record is not a click of version {CLICK_VERSION}")]
pub struct ClickDecodeError;

fn put_text(out: &mut Vec<u8>, text: &[u8], max_bytes: usize) {
    let text = &text[..text.len().min(max_bytes)];
    let length = u16::try_from(text.len()).expect("limits are below 64 KiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text);
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], ClickDecodeError> {
    let (head, tail) = rest.split_at_checked(count).ok_or(ClickDecodeError)?;
    *rest = tail;
    Ok(head)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], ClickDecodeError> {
    let length = take(rest, 2)?;
    let length = u16::from_le_bytes([length[0], length[1]]);
    take(rest, usize::from(length))
}

impl<'a> Click<'a> {
    /// Appends the record's payload to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.at.ms().to_le_bytes());
        out.extend_from_slice(&self.link.number().to_le_bytes()[..6]);
        out.extend_from_slice(&[self.state.code(), self.flags.bits()]);
        out.extend_from_slice(&self.visitor.to_le_bytes());
        out.extend_from_slice(&self.country);
        debug_assert_eq!(out.len() - start, FIXED_BYTES);
        put_text(out, self.user_agent, USER_AGENT_MAX_BYTES);
        put_text(out, self.referrer, REFERRER_MAX_BYTES);
        put_text(out, self.language, LANGUAGE_MAX_BYTES);
    }

    /// Reads a payload of [`CLICK_VERSION`].
    ///
    /// # Errors
    /// [`ClickDecodeError`] when it is cut short, has a rest, or a field is out of range.
    pub fn decode(payload: &'a [u8]) -> Result<Self, ClickDecodeError> {
        let mut rest = payload;
        let fixed = take(&mut rest, FIXED_BYTES)?;
        let eight = |from: usize| -> [u8; 8] { fixed[from..from + 8].try_into().expect("eight bytes") };
        let mut link = [0_u8; 8];
        link[..6].copy_from_slice(&fixed[8..14]);
        let click = Self {
            at: Instant::from_ms(i64::from_le_bytes(eight(0))),
            link: LinkId::from_number(i64::from_le_bytes(link)).ok_or(ClickDecodeError)?,
            state: LinkState::from_code(fixed[14]).ok_or(ClickDecodeError)?,
            flags: ClickFlags::from_bits(fixed[15]),
            visitor: u64::from_le_bytes(eight(16)),
            country: [fixed[24], fixed[25]],
            user_agent: take_text(&mut rest)?,
            referrer: take_text(&mut rest)?,
            language: take_text(&mut rest)?,
        };
        if rest.is_empty() {
            Ok(click)
        } else {
            Err(ClickDecodeError)
        }
    }
}

/// What a click counts as: `clicks` = human + bot, bot = everything that is not human.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClickClass {
    /// A person followed the link.
    Human,
    /// A program did, by its user agent or because it asked with HEAD.
    Bot,
    /// A browser fetched ahead; nobody may ever look.
    Prefetch,
    /// A messenger or network drew a preview.
    Preview,
}

impl ClickClass {
    /// The class with its reason, from what the request said about itself.
    #[must_use]
    pub fn of_request(flags: ClickFlags) -> (Self, &'static str) {
        if flags.has(ClickFlags::PREFETCH) {
            (Self::Prefetch, "purpose_prefetch")
        } else if flags.has(ClickFlags::PREVIEW) {
            (Self::Preview, "purpose_preview")
        } else if flags.has(ClickFlags::HEAD) {
            (Self::Bot, "head_request")
        } else {
            (Self::Human, "")
        }
    }

    /// The class with its reason: what the request said about itself comes first, because a person's browser
    /// prefetches, too; then what its user agent says.
    #[must_use]
    pub fn of_click<R: From<&'static str>>(flags: ClickFlags, by_agent: (Self, R)) -> (Self, R) {
        match Self::of_request(flags) {
            (Self::Human, _) => by_agent,
            (class, reason) => (class, reason.into()),
        }
    }

    /// The code that the store keeps.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The class with this code; `None` for a code of a newer version.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Human, Self::Bot, Self::Prefetch, Self::Preview]
            .into_iter()
            .find(|class| class.code() == code)
    }

    /// The name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Bot => "bot",
            Self::Prefetch => "prefetch",
            Self::Preview => "preview",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_click_reads_back_as_it_was_written(
            ms in 0_i64..4_000_000_000_000, link in 0_i64..1 << 48, visitor: u64, bits: u8,
            agent in proptest::collection::vec(any::<u8>(), 0..600),
            referrer in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let click = Click {
                at: Instant::from_ms(ms),
                link: LinkId::from_number(link).expect("48 bits"),
                state: LinkState::Paused,
                flags: ClickFlags::from_bits(bits),
                visitor,
                country: *b"DE",
                user_agent: &agent,
                referrer: &referrer,
                language: b"de",
            };
            let mut payload = Vec::new();
            click.encode(&mut payload);
            let read = Click::decode(&payload).expect("just written");
            let cut = Click { user_agent: &agent[..agent.len().min(USER_AGENT_MAX_BYTES)], ..click };
            prop_assert_eq!(read, cut);
            for end in 0..payload.len() {
                prop_assert!(Click::decode(&payload[..end]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused_but_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Click::decode(&bytes);
        }
    }
}
