//! Click ids: what a visitor carries from the redirect to the order.
//!
//! # Constraints
//! A conversion must be attributable from its click id alone, in the same millisecond in which the
//! redirect was answered and on a node that has never seen the click. A forged or altered id must
//! be known as such. One click has exactly one spelling.
//!
//! # Format
//! 30 bytes, written as exactly 40 characters of URL-safe base 64 without padding; 240 bits fill 40
//! characters to the last bit, so no other spelling decodes to the same bytes.
//!
//! | bits | field |
//! |---|---|
//! | 4 | format version, 1 |
//! | 4 | the link's state at the touch ([`LinkState`]) |
//! | 8 | key id: which secret signed |
//! | 48 | link id |
//! | 32 | the journal's random tag |
//! | 42 | milliseconds since 2020-01-01T00:00:00Z (enough until 2159) |
//! | 38 | sequence in the journal; 0 = the journal was full and the click is not in it |
//! | 64 | SipHash-2-4 of the 22 bytes before it, under a key derived from the secret |
//!
//! # What parsing never does
//! It never repairs: another alphabet, padding, a changed case or a missing character is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;
use subtle::ConstantTimeEq as _;

use super::id::LinkId;
use super::link::LinkState;
use super::secret::{Secret, Secrets};
use super::time::Instant;

/// Characters in every click id.
pub const CLICK_ID_CHARS: usize = 40;
/// The highest sequence that fits; a journal is replaced long before.
pub const MAX_SEQUENCE: u64 = (1 << 38) - 1;

const BODY_BYTES: usize = 22;
const TOTAL_BYTES: usize = 30;
const VERSION: u8 = 1;
const TIME_BITS: u32 = 42;
const SEQUENCE_BITS: u32 = 38;
const CONTEXT: &str = "linkledger 2026 click id v1";

/// What a genuine click id says of its click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClickId {
    /// The link that was followed.
    pub link: LinkId,
    /// The link's state when it was followed.
    pub state: LinkState,
    /// When it was followed, to the millisecond.
    pub at: Instant,
    /// The random tag of the journal that holds the click.
    pub tag: u32,
    /// The click's sequence in that journal; 0 when the journal was full.
    pub seq: u64,
}

/// Why a text is not a click id of this installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClickIdError {
    /// Not 40 characters of the URL-safe alphabet, or of an unknown version.
    #[error("it is not spelled like a click id: cut short, re-encoded or made up")]
    Malformed,
    /// Signed with a key that this installation does not have.
    #[error("it was signed by another installation or with a retired secret")]
    Foreign,
    /// One of our keys, but the signature does not fit.
    #[error("its signature does not match: it was changed after it was issued")]
    Tampered,
}

struct Key {
    id: u8,
    mac: SipHasher24,
}

impl Key {
    fn new(secret: &Secret) -> Self {
        let bytes = secret.derive(CONTEXT);
        let (key, rest) = bytes.split_at(16);
        let key = key.try_into().expect("split at 16");
        Self {
            id: rest[0],
            mac: SipHasher24::new_with_key(key),
        }
    }

    fn sign(&self, body: &[u8]) -> [u8; 8] {
        let mut mac = self.mac;
        mac.write(body);
        mac.finish().to_be_bytes()
    }
}

/// Signs and verifies click ids with the installation's secrets.
pub struct ClickIdKeys {
    keys: Vec<Key>,
}

impl ClickIdKeys {
    /// The keys derived from these secrets; the first signs.
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        Self {
            keys: secrets.all().map(Key::new).collect(),
        }
    }

    /// Writes the id's 40 characters.
    #[must_use]
    pub fn encode(&self, click: &ClickId) -> [u8; CLICK_ID_CHARS] {
        let key = &self.keys[0];
        let mut bytes = [0_u8; TOTAL_BYTES];
        bytes[0] = (VERSION << 4) | click.state.code();
        bytes[1] = key.id;
        bytes[2..8].copy_from_slice(&click.link.number().to_be_bytes()[2..]);
        bytes[8..12].copy_from_slice(&click.tag.to_be_bytes());
        let since = click.at.ms() - Instant::EARLIEST_HONEST.ms();
        // A clock before 2020 or after 2159 is wrong; the nearest time that fits is as good.
        let since = u128::try_from(since).unwrap_or(0).min((1 << TIME_BITS) - 1);
        let seq = u128::from(click.seq.min(MAX_SEQUENCE));
        let time_and_seq = ((since << SEQUENCE_BITS) | seq).to_be_bytes();
        bytes[12..22].copy_from_slice(&time_and_seq[6..]);
        let mac = key.sign(&bytes[..BODY_BYTES]);
        bytes[BODY_BYTES..].copy_from_slice(&mac);
        let mut text = [0_u8; CLICK_ID_CHARS];
        URL_SAFE_NO_PAD
            .encode_slice(bytes, &mut text)
            .expect("30 bytes are exactly 40 characters");
        text
    }

    /// Reads and verifies an id.
    ///
    /// # Errors
    /// [`ClickIdError`] says whether it is misspelled, somebody else's, or was changed.
    pub fn decode(&self, text: &str) -> Result<ClickId, ClickIdError> {
        let mut bytes = [0_u8; TOTAL_BYTES];
        if text.len() != CLICK_ID_CHARS
            || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) != Ok(TOTAL_BYTES)
            || bytes[0] >> 4 != VERSION
        {
            return Err(ClickIdError::Malformed);
        }
        let (body, mac) = bytes.split_at(BODY_BYTES);
        let mut ours = self.keys.iter().filter(|key| key.id == body[1]).peekable();
        if ours.peek().is_none() {
            return Err(ClickIdError::Foreign);
        }
        if !ours.any(|key| bool::from(key.sign(body).ct_eq(mac))) {
            return Err(ClickIdError::Tampered);
        }
        let mut link = [0_u8; 8];
        link[2..].copy_from_slice(&body[2..8]);
        let mut time_and_seq = [0_u8; 16];
        time_and_seq[6..].copy_from_slice(&body[12..22]);
        let time_and_seq = u128::from_be_bytes(time_and_seq);
        let since = i64::try_from(time_and_seq >> SEQUENCE_BITS).expect("42 bits");
        let seq = u64::try_from(time_and_seq & u128::from(MAX_SEQUENCE)).expect("38 bits");
        Ok(ClickId {
            link: LinkId::from_number(i64::from_be_bytes(link)).expect("48 bits"),
            state: LinkState::from_code(body[0] & 15).ok_or(ClickIdError::Malformed)?,
            at: Instant::from_ms(Instant::EARLIEST_HONEST.ms() + since),
            tag: u32::from_be_bytes(body[8..12].try_into().expect("four bytes")),
            seq,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(seed: &str) -> ClickIdKeys {
        ClickIdKeys::new(&Secrets::parse(&seed.repeat(32)).expect("valid"))
    }

    fn sample(seq: u64) -> ClickId {
        ClickId {
            link: LinkId::from_number(0x1234_5678_9abc).expect("48 bits"),
            state: LinkState::Live,
            at: Instant::parse("2026-11-21T12:00:00.123Z").expect("valid"),
            tag: 0xdead_beef,
            seq,
        }
    }

    fn text(keys: &ClickIdKeys, click: &ClickId) -> String {
        String::from_utf8(keys.encode(click).to_vec()).expect("base 64 is ASCII")
    }

    #[test]
    fn every_single_changed_character_is_noticed() {
        let keys = keys("ab");
        let id = text(&keys, &sample(7));
        for place in 0..CLICK_ID_CHARS {
            for other in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=%" {
                let mut changed = id.clone().into_bytes();
                if changed[place] == *other {
                    continue;
                }
                changed[place] = *other;
                let changed = String::from_utf8(changed).expect("ASCII");
                assert!(keys.decode(&changed).is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn cut_padded_and_re_encoded_ids_are_malformed() {
        let keys = keys("ab");
        let id = text(&keys, &sample(7));
        for wrong in [
            &id[..39],
            &id[1..],
            "",
            &format!("{id}="),
            &format!("{id}A"),
            &format!(" {id}"),
            &id.replace(['-', '_'], "/"),
        ] {
            if wrong != id {
                assert_eq!(keys.decode(wrong), Err(ClickIdError::Malformed), "{wrong}");
            }
        }
    }

    #[test]
    fn another_installation_s_id_is_foreign_and_an_older_secret_still_verifies() {
        let id = text(&keys("ab"), &sample(7));
        assert_eq!(keys("cd").decode(&id), Err(ClickIdError::Foreign));
        let rotated = format!("{},{}", "cd".repeat(32), "ab".repeat(32));
        let rotated = ClickIdKeys::new(&Secrets::parse(&rotated).expect("valid"));
        assert_eq!(rotated.decode(&id), Ok(sample(7)));
        assert_ne!(text(&rotated, &sample(7)), id);
    }

    #[test]
    fn a_wrong_clock_still_gives_an_id() {
        let keys = keys("ab");
        let mut click = sample(1);
        click.at = Instant::from_ms(0);
        let read = keys.decode(&text(&keys, &click)).expect("genuine");
        assert_eq!(read.at, Instant::EARLIEST_HONEST);
    }

    proptest! {
        #[test]
        fn an_id_reads_back_as_it_was_written(
            link in 0_i64..1 << 48, tag: u32, seq in 0..=MAX_SEQUENCE, ms in 0_i64..1 << 42, state in 0_u8..6,
        ) {
            let keys = keys("ab");
            let click = ClickId {
                link: LinkId::from_number(link).expect("48 bits"),
                state: LinkState::from_code(state).expect("known"),
                at: Instant::from_ms(Instant::EARLIEST_HONEST.ms() + ms),
                tag,
                seq,
            };
            prop_assert_eq!(keys.decode(&text(&keys, &click)), Ok(click));
        }
    }
}
