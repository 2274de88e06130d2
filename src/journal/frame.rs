//! One record on disk: a fixed header, then the payload.

use super::directory::JournalId;

/// The largest payload one record can carry. Bounds what a reader must hold, and what a damaged length can ask for.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// Bytes in front of the payload.
pub(super) const FRAME_HEADER_BYTES: usize = 20;

/// Bytes in front of what `len` counts: `len` itself and the checksum.
const UNCOUNTED_BYTES: usize = 8;
const MIN_LEN: usize = FRAME_HEADER_BYTES - UNCOUNTED_BYTES;
const MAX_LEN: usize = MIN_LEN + MAX_PAYLOAD_BYTES;

/// A frame that passed its checksum, without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) seq: u64,
    pub(super) version: u8,
    pub(super) kind: u8,
    /// The whole frame, header included.
    pub(super) bytes: usize,
}

/// What the bytes at a spot turn out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A whole frame with a fitting checksum.
    Frame(Frame),
    /// Cannot be judged before this many bytes are there.
    Incomplete {
        needed: usize,
    },
    Invalid,
}

/// Where a journal's checksums start from.
pub(super) fn seed(id: JournalId) -> u32 {
    crc32c::crc32c(id.as_bytes())
}

/// Fills in the header of `frame`, whose payload already lies behind [`FRAME_HEADER_BYTES`].
pub(super) fn seal(frame: &mut [u8], seed: u32, seq: u64, version: u8, kind: u8) {
    let len = u32::try_from(frame.len() - UNCOUNTED_BYTES).expect("the writer refuses payloads over 1 MiB");
    frame[0..4].copy_from_slice(&len.to_le_bytes());
    frame[8..16].copy_from_slice(&seq.to_le_bytes());
    frame[16..20].copy_from_slice(&[version, kind, 0, 0]);
    let crc = checksum(seed, frame);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// Judges the start of `bytes`.
pub(super) fn decode(bytes: &[u8], seed: u32) -> Decoded {
    let Some(header) = bytes.first_chunk::<FRAME_HEADER_BYTES>() else {
        return Decoded::Incomplete {
            needed: FRAME_HEADER_BYTES,
        };
    };
    let Some((total, seq)) = plausible(header) else {
        return Decoded::Invalid;
    };
    let Some(frame) = bytes.get(..total) else {
        return Decoded::Incomplete { needed: total };
    };
    if checksum(seed, frame) != u32_at(header, 4) {
        return Decoded::Invalid;
    }
    Decoded::Frame(Frame {
        seq,
        version: header[16],
        kind: header[17],
        bytes: total,
    })
}

/// The length of the whole frame and the sequence a header claims, or `None` when no frame can have that length.
pub(super) fn plausible(header: &[u8; FRAME_HEADER_BYTES]) -> Option<(usize, u64)> {
    let len = usize::try_from(u32_at(header, 0)).ok()?;
    if !(MIN_LEN..=MAX_LEN).contains(&len) {
        return None;
    }
    let mut seq = [0; 8];
    seq.copy_from_slice(&header[8..16]);
    Some((UNCOUNTED_BYTES + len, u64::from_le_bytes(seq)))
}

/// Over everything but the checksum's own four bytes.
fn checksum(seed: u32, frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &frame[..4]), &frame[8..])
}

fn u32_at(header: &[u8; FRAME_HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(seed: u32, seq: u64, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; FRAME_HEADER_BYTES];
        frame.extend_from_slice(payload);
        seal(&mut frame, seed, seq, 3, 9);
        frame
    }

    #[test]
    fn a_frame_comes_back_as_it_was_sealed_even_without_payload() {
        for payload in [&b""[..], b"x", b"hello"] {
            let frame = sealed(7, 42, payload);
            let Decoded::Frame(found) = decode(&frame, 7) else {
                panic!("not decoded: {payload:?}");
            };
            assert_eq!((found.seq, found.version, found.kind), (42, 3, 9));
            assert_eq!(&frame[FRAME_HEADER_BYTES..found.bytes], payload);
        }
    }

    #[test]
    fn another_journals_frame_is_invalid() {
        assert_eq!(decode(&sealed(7, 42, b"hello"), 8), Decoded::Invalid);
    }

    #[test]
    fn zeros_are_never_a_frame() {
        for seed in [0, 7, u32::MAX] {
            assert_eq!(decode(&[0; 64], seed), Decoded::Invalid);
        }
    }

    #[test]
    fn a_cut_frame_asks_for_the_rest_and_every_flipped_bit_is_seen() {
        let frame = sealed(7, 42, b"hello");
        for cut in 0..frame.len() {
            assert!(matches!(decode(&frame[..cut], 7), Decoded::Incomplete { .. }));
        }
        for bit in 0..frame.len() * 8 {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(decode(&damaged, 7), Decoded::Frame(_)));
        }
    }
}
