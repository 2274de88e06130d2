//! One file of a journal: its name, its header, and the list of them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::directory::JournalId;
use super::error::JournalError;

const MAGIC: [u8; 8] = *b"lnkldgrJ";
const FORMAT: u16 = 1;

/// Bytes in front of the first frame.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
const CHECKED_BYTES: usize = SEGMENT_HEADER_BYTES - 4;

/// Whose records a journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Clicks, from one redirect thread.
    Redirect,
    /// Conversions and other facts taken in by the API.
    Api,
}

impl Purpose {
    fn code(self) -> u8 {
        match self {
            Self::Redirect => 1,
            Self::Api => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Redirect),
            2 => Some(Self::Api),
            _ => None,
        }
    }
}

/// What stands at the start of every segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) id: JournalId,
    pub(super) tag: u32,
    pub(super) purpose: Purpose,
    pub(super) first_seq: u64,
    pub(super) created_at_ms: u64,
}

/// What a header turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderRead {
    Intact(SegmentHeader),
    /// Intact, but of a format this release does not know.
    UnknownFormat(u16),
    /// Cut short, damaged, or of another journal or place.
    Unreadable,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[10] = self.purpose.code();
        bytes[12..16].copy_from_slice(&self.tag.to_le_bytes());
        bytes[16..32].copy_from_slice(self.id.as_bytes());
        bytes[32..40].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.created_at_ms.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES], id: JournalId, first_seq: u64) -> HeaderRead {
        let crc = crc32c::crc32c(&bytes[..CHECKED_BYTES]);
        if bytes[0..8] != MAGIC || bytes[CHECKED_BYTES..] != crc.to_le_bytes() {
            return HeaderRead::Unreadable;
        }
        let format = u16::from_le_bytes([bytes[8], bytes[9]]);
        if format != FORMAT {
            return HeaderRead::UnknownFormat(format);
        }
        let tag = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        let Some(purpose) = Purpose::from_code(bytes[10]) else {
            return HeaderRead::Unreadable;
        };
        if bytes[16..32] != *id.as_bytes() || u64_at(bytes, 32) != first_seq || tag == 0 {
            return HeaderRead::Unreadable;
        }
        HeaderRead::Intact(Self {
            id,
            tag,
            purpose,
            first_seq,
            created_at_ms: u64_at(bytes, 40),
        })
    }
}

fn u64_at(bytes: &[u8; SEGMENT_HEADER_BYTES], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// Reads the header of the segment that `id`'s directory names `first_seq`.
pub(super) fn read_header(file: &File, id: JournalId, first_seq: u64) -> io::Result<HeaderRead> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(SegmentHeader::decode(&bytes, id, first_seq)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(HeaderRead::Unreadable),
        Err(error) => Err(error),
    }
}

/// The file that starts with `first_seq`. Zero-padded, so that names sort as sequences do.
pub(super) fn segment_path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}.seg"))
}

fn first_seq_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// First sequence and path of every segment, oldest first.
pub(super) fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let mut found = Vec::new();
    let listing = fs::read_dir(dir).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => JournalError::Gone(dir.to_owned()),
        _ => JournalError::io("list", dir)(error),
    })?;
    for entry in listing {
        let entry = entry.map_err(JournalError::io("list", dir))?;
        if let Some(first_seq) = entry.file_name().to_str().and_then(first_seq_of) {
            found.push((first_seq, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// One segment, as far as the directory tells without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The file.
    pub path: PathBuf,
    /// The sequence of its first record.
    pub first_seq: u64,
    /// The sequence of its last record, known from where the next segment starts; `None` for the last segment.
    pub last_seq: Option<u64>,
    /// Its size, header included.
    pub bytes: u64,
    /// When it was last written to, in milliseconds since 1970.
    pub modified_ms: u64,
}

/// The segments of the journal in `dir`, oldest first. One that is deleted meanwhile is left out.
///
/// # Errors
/// [`JournalError::Gone`] when the directory does not exist, [`JournalError::Io`] when it cannot be listed.
pub fn segments(dir: &Path) -> Result<Vec<SegmentInfo>, JournalError> {
    let listed = list(dir)?;
    let mut infos = Vec::with_capacity(listed.len());
    for (index, (first_seq, path)) in listed.iter().enumerate() {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(JournalError::io("inspect", path)(error)),
        };
        let modified = metadata.modified().map_err(JournalError::io("inspect", path))?;
        infos.push(SegmentInfo {
            path: path.clone(),
            first_seq: *first_seq,
            last_seq: listed
                .get(index + 1)
                .map(|(next_first_seq, _)| next_first_seq.saturating_sub(1)),
            bytes: metadata.len(),
            modified_ms: unix_ms(modified),
        });
    }
    Ok(infos)
}

/// Milliseconds since 1970; a clock before that counts as 1970.
pub(super) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            id: JournalId::random(),
            tag: 5,
            purpose: Purpose::Api,
            first_seq: 77,
            created_at_ms: 1_700_000_000_000,
        }
    }

    #[test]
    fn a_header_comes_back_only_for_its_own_journal_and_place() {
        let header = header();
        let bytes = header.encode();
        let read = |id, first_seq| SegmentHeader::decode(&bytes, id, first_seq);
        assert_eq!(read(header.id, 77), HeaderRead::Intact(header));
        assert_eq!(read(header.id, 78), HeaderRead::Unreadable);
        assert_eq!(read(JournalId::random(), 77), HeaderRead::Unreadable);
    }

    #[test]
    fn a_later_format_is_told_apart_from_damage() {
        let header = header();
        let mut bytes = header.encode();
        bytes[8] = 2;
        let read = |bytes: &_| SegmentHeader::decode(bytes, header.id, 77);
        assert_eq!(read(&bytes), HeaderRead::Unreadable);
        let crc = crc32c::crc32c(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read(&bytes), HeaderRead::UnknownFormat(2));
    }

    #[test]
    fn only_names_of_segments_are_segments() {
        assert_eq!(first_seq_of("00000000000000000042.seg"), Some(42));
        for name in [
            "42.seg",
            "lock",
            "00000000000000000042.seg.bak",
            "+0000000000000000042.seg",
            "99999999999999999999.seg",
        ] {
            assert_eq!(first_seq_of(name), None, "{name}");
        }
    }
}
