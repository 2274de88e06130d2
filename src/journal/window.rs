//! Buffered, positioned reads of one segment that may still be growing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::frame::{self, Decoded, FRAME_HEADER_BYTES, Frame};

/// How much is read at a time.
const READ_BYTES: usize = 256 << 10;

/// A cursor over a file, with what was read ahead of it.
#[derive(Debug)]
pub(super) struct Window {
    file: File,
    seed: u32,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were read from the file.
    filled: usize,
    /// The cursor, within `buffer`.
    at: usize,
    /// Where in the file `buffer` starts.
    start: u64,
}

/// What lies between a spot and the end of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) bytes: u64,
    pub(super) all_zero: bool,
}

impl Window {
    /// A cursor at `offset`, for frames of the journal whose checksums start from `seed`.
    pub(super) fn new(file: File, seed: u32, offset: u64) -> Self {
        Self {
            file,
            seed,
            buffer: Vec::new(),
            filled: 0,
            at: 0,
            start: offset,
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Where in the file the cursor is.
    pub(super) fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// Moves the cursor and forgets what was read ahead.
    pub(super) fn seek(&mut self, offset: u64) {
        self.start = offset;
        self.at = 0;
        self.filled = 0;
    }

    /// The frame at the cursor, or `None` when there is no whole and intact one.
    pub(super) fn peek(&mut self) -> io::Result<Option<Frame>> {
        loop {
            match frame::decode(&self.buffer[self.at..self.filled], self.seed) {
                Decoded::Frame(frame) => return Ok(Some(frame)),
                Decoded::Invalid => return Ok(None),
                Decoded::Incomplete { needed } => {
                    if !self.read_ahead(needed)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The payload of the frame that [`peek`](Self::peek) just found.
    pub(super) fn payload(&self, frame: &Frame) -> &[u8] {
        &self.buffer[self.at + FRAME_HEADER_BYTES..self.at + frame.bytes]
    }

    /// Moves the cursor behind the frame that [`peek`](Self::peek) just found.
    pub(super) fn step_over(&mut self, frame: &Frame) {
        self.at += frame.bytes;
    }

    /// Reads on, with room for at least `needed` bytes behind the cursor. False at the end of the file.
    fn read_ahead(&mut self, needed: usize) -> io::Result<bool> {
        self.buffer.copy_within(self.at..self.filled, 0);
        self.start += self.at as u64;
        self.filled -= self.at;
        self.at = 0;
        if self.buffer.len() < needed.max(READ_BYTES) {
            self.buffer.resize(needed.max(READ_BYTES), 0);
        }
        let offset = self.start + self.filled as u64;
        let read = read_some_at(&self.file, &mut self.buffer[self.filled..], offset)?;
        self.filled += read;
        Ok(read > 0)
    }

    /// Looks behind the cursor, byte by byte, for the next intact frame that could follow `expected_seq` there, and
    /// returns its offset and sequence. Leaves the cursor alone.
    ///
    /// Each missing frame took at least a header's room, which bounds how far a sequence can be ahead. That makes
    /// almost every wrong candidate cost two comparisons, and keeps a stray one from declaring a vast loss.
    pub(super) fn find_after(&self, expected_seq: u64) -> io::Result<Option<(u64, u64)>> {
        let spot = self.offset();
        let mut chunk_start = spot + 1;
        let mut chunk = Vec::new();
        loop {
            let filled = self.read_chunk(&mut chunk, chunk_start)?;
            let mut candidates = 0;
            for header in chunk[..filled].windows(FRAME_HEADER_BYTES) {
                let offset = chunk_start + candidates;
                candidates += 1;
                let header = header.first_chunk().expect("windows have exactly this length");
                let Some((total, seq)) = frame::plausible(header) else {
                    continue;
                };
                let most_missing = (offset - spot) / FRAME_HEADER_BYTES as u64;
                let missing = seq.checked_sub(expected_seq);
                if missing.is_some_and(|missing| missing <= most_missing) && self.is_frame(offset, total)? {
                    return Ok(Some((offset, seq)));
                }
            }
            if candidates == 0 {
                return Ok(None);
            }
            chunk_start += candidates;
        }
    }

    fn is_frame(&self, offset: u64, total: usize) -> io::Result<bool> {
        let mut bytes = vec![0; total];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(matches!(frame::decode(&bytes, self.seed), Decoded::Frame(_))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the file holds from `offset` on.
    pub(super) fn rest(&self, offset: u64) -> io::Result<Rest> {
        let mut rest = Rest {
            bytes: 0,
            all_zero: true,
        };
        let mut chunk = Vec::new();
        loop {
            let filled = self.read_chunk(&mut chunk, offset + rest.bytes)?;
            if filled == 0 {
                return Ok(rest);
            }
            rest.bytes += filled as u64;
            rest.all_zero &= chunk[..filled].iter().all(|byte| *byte == 0);
        }
    }

    /// Fills `chunk` from `offset`, with less only at the end of the file, and returns how much was there.
    fn read_chunk(&self, chunk: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
        // Most chunks asked for lie at the very end of a growing file: allocate only when there is something.
        if chunk.is_empty() {
            if read_some_at(&self.file, &mut [0], offset)? == 0 {
                return Ok(0);
            }
            chunk.resize(READ_BYTES, 0);
        }
        let mut filled = 0;
        while filled < chunk.len() {
            let from = offset + filled as u64;
            match read_some_at(&self.file, &mut chunk[filled..], from)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }
}

/// One positioned read, again when a signal came between.
fn read_some_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
