//! The catalog on the local disk.
//!
//! # Constraints
//! A start reads it instead of a million rows, and links that a restored store has lost go on from
//! it. A damaged file must be known as damaged, and a crash while writing must leave the last good one.
//!
//! # Format
//! Magic `LLSNAP3\n`, then entries of `u32` length (little-endian) and `postcard` bytes, whose first byte is the entry's
//! kind: first the head with the feed's position, then the store's token, brands, campaigns, keys, salts, links, orphans.
//! Length 0 ends them; the CRC32C of everything before it follows as `u32`. `LLSNAP2` is the same without salts and
//! orphans, and is still read. One without a token is followed by reading everything from the store again.
//!
//! A later version adds kinds at the end of [`Entry`]; this one steps over kinds that it does not know, so that one may
//! go back a version. A change that must not be stepped over changes the magic. What is secret and not merely a hash
//! goes in sealed under the installation's secret; salts lie open, as they do in the store, because they are gone after
//! 48 hours.
//!
//! # Operation
//! The position is taken before the tables are read, so whatever changes meanwhile is met again in
//! the feed. Written beside the last one, synced, renamed over it.
//!
//! # What loading never does
//! It never uses a part of a damaged file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::salts::Salt;
use super::{Catalog, KeyGate, tables::BrandGate};
use crate::domain::id::{BrandId, CampaignId, LinkId};
use crate::domain::link::Season;
use crate::domain::role::Role;
use crate::domain::time::Instant;
use crate::store::{FeedHead, LinkChange};

const MAGIC: &[u8; 8] = b"LLSNAP3\n";
const OLDER_MAGIC: &[u8; 8] = b"LLSNAP2\n";
/// The kinds of [`Entry`] are numbered from 0.
const KINDS: u8 = 8;
const ENTRY_MAX_BYTES: u32 = 1 << 20;

/// A snapshot that cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk said no.
    #[error("the snapshot could not be read or written: {0}")]
    Io(#[from] io::Error),
    /// The file is cut short, altered or of another version.
    #[error("the snapshot is damaged ({0}); it is not used")]
    Damaged(&'static str),
}

#[derive(Serialize, Deserialize)]
enum Entry {
    Head {
        position: i64,
        links: u64,
    },
    Brand {
        id: i64,
        name: String,
        click_param: Option<String>,
        archived: bool,
    },
    Campaign(CampaignEntry),
    Key {
        id: i64,
        hash: String,
        brand: Option<i64>,
        role: Role,
    },
    Link(LinkEntry),
    Salt {
        utc_day: i64,
        salt: Salt,
    },
    Orphan {
        id: i64,
        slug: String,
    },
    Store(String),
}

#[derive(Serialize, Deserialize)]
struct CampaignEntry {
    id: i64,
    brand: i64,
    starts_ms: Option<i64>,
    ends_ms: Option<i64>,
    archived: bool,
    fallback_url: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct LinkEntry {
    id: i64,
    brand: i64,
    campaign: i64,
    slug: String,
    final_url: String,
    forward_query: bool,
    expires_ms: Option<i64>,
    paused: bool,
    archived: bool,
    created_seq: i64,
}

struct Summed<W> {
    inner: W,
    crc: u32,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn put(out: &mut impl Write, entry: &Entry) -> Result<(), SnapshotError> {
    let bytes = postcard::to_stdvec(entry).map_err(|_| SnapshotError::Damaged("an entry cannot be encoded"))?;
    let length = u32::try_from(bytes.len()).map_err(|_| SnapshotError::Damaged("an entry is too long"))?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&bytes)?;
    Ok(())
}

impl Catalog {
    /// Writes everything to `path`, replacing the last snapshot in one step; whether this was a moment to do so. Blocks;
    /// takes about a second for a million links.
    ///
    /// # Errors
    /// [`SnapshotError::Io`] when the disk said no; the last snapshot is still there.
    pub fn write_snapshot(&self, path: &Path) -> Result<bool, SnapshotError> {
        if self.is_stale() {
            // Half of the links would be written without pairs that their destinations have.
            return Ok(false);
        }
        let head = self.position();
        let unfinished = path.with_extension("unfinished");
        // For the owner only: it holds salts and the hashes of keys.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        let mut out = Summed {
            inner: BufWriter::with_capacity(1 << 20, file),
            crc: 0,
        };
        out.write_all(MAGIC)?;
        let links = self.links_loaded() as u64;
        let position = head.seq;
        put(&mut out, &Entry::Head { position, links })?;
        put(&mut out, &Entry::Store(head.store.clone()))?;
        self.put_tables(&mut out)?;
        for (folded, chain) in &self.links.pin() {
            for row in chain.rows() {
                put(&mut out, &Entry::Link(LinkEntry::of(row.to_change(folded))))?;
            }
        }
        for (id, slug) in self.orphans.all() {
            let (id, slug) = (id.number(), slug.into());
            put(&mut out, &Entry::Orphan { id, slug })?;
        }
        out.write_all(&0_u32.to_le_bytes())?;
        let crc = out.crc;
        out.inner.write_all(&crc.to_le_bytes())?;
        let file = out.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        if let Some(directory) = path.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(true)
    }

    fn put_tables(&self, out: &mut impl Write) -> Result<(), SnapshotError> {
        let tables = self.tables();
        for (id, brand) in &tables.brands {
            let entry = Entry::Brand {
                id: id.number(),
                name: brand.name.to_string(),
                click_param: brand.click_param.as_ref().map(ToString::to_string),
                archived: brand.archived,
            };
            put(out, &entry)?;
        }
        for (id, gate) in &tables.campaigns {
            let entry = CampaignEntry {
                id: id.number(),
                brand: gate.brand.number(),
                starts_ms: gate.season.starts_at.map(Instant::ms),
                ends_ms: gate.season.ends_at.map(Instant::ms),
                archived: gate.season.archived,
                fallback_url: gate.fallback_url.as_ref().map(ToString::to_string),
            };
            put(out, &Entry::Campaign(entry))?;
        }
        for (hash, gate) in &tables.keys {
            let brand = gate.brand.map(BrandId::number);
            put(
                out,
                &Entry::Key {
                    id: gate.id.number(),
                    hash: hash.clone(),
                    brand,
                    role: gate.role,
                },
            )?;
        }
        for (&utc_day, &salt) in self.salts.all().iter() {
            put(out, &Entry::Salt { utc_day, salt })?;
        }
        Ok(())
    }

    /// Reads a snapshot; `None` when there is none yet.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] when it cannot be trusted: start from the store instead.
    pub fn read_snapshot(path: &Path) -> Result<Option<Self>, SnapshotError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut file = BufReader::with_capacity(1 << 20, file);
        check_sum(&mut file)?;
        file.seek(io::SeekFrom::Start(MAGIC.len() as u64))?;
        let catalog = Self::default();
        let mut head = FeedHead::default();
        let mut tables = super::Tables::default();
        let mut bytes = Vec::new();
        let mut tables_done = false;
        let mut salts = BTreeMap::new();
        let mut orphans = BTreeMap::new();
        loop {
            let mut length = [0_u8; 4];
            file.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length);
            if length == 0 {
                break;
            }
            if length > ENTRY_MAX_BYTES {
                return Err(SnapshotError::Damaged("an entry is longer than any"));
            }
            bytes.resize(length as usize, 0);
            file.read_exact(&mut bytes)?;
            if bytes.first().is_some_and(|kind| *kind >= KINDS) {
                continue;
            }
            let entry = postcard::from_bytes(&bytes).map_err(|_| SnapshotError::Damaged("of another version"))?;
            match entry {
                Entry::Head { position, links } => {
                    head.seq = position;
                    catalog.links.pin().reserve(usize::try_from(links).unwrap_or(0));
                }
                Entry::Link(link) => {
                    if !tables_done {
                        catalog.tables.store(std::sync::Arc::new(tables.clone()));
                        tables_done = true;
                    }
                    catalog.apply_link(&link.change()?);
                }
                Entry::Store(token) => head.store = token,
                Entry::Salt { utc_day, salt } => {
                    salts.insert(utc_day, salt);
                }
                Entry::Orphan { id, slug } => {
                    orphans.insert(known(id)?, slug.into());
                }
                table => tables.load(table)?,
            }
        }
        catalog.position.store(head.into());
        catalog.salts.load(salts);
        catalog.orphans.load(orphans);
        if !tables_done {
            catalog.tables.store(std::sync::Arc::new(tables));
        }
        Ok(Some(catalog))
    }
}

fn check_sum(file: &mut impl Read) -> Result<(), SnapshotError> {
    const SUM_BYTES: usize = 4;
    let mut crc = 0;
    // The last four bytes of what was read so far are held back: they may be the sum itself.
    let mut held: Vec<u8> = Vec::with_capacity((1 << 20) + SUM_BYTES);
    let mut chunk = vec![0_u8; 1 << 20];
    let mut total = 0_usize;
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        if total == 0
            && ![MAGIC, OLDER_MAGIC]
                .iter()
                .any(|magic| chunk[..read].starts_with(*magic))
        {
            return Err(SnapshotError::Damaged("not a snapshot, or of another version"));
        }
        total += read;
        held.extend_from_slice(&chunk[..read]);
        let certain = held.len().saturating_sub(SUM_BYTES);
        crc = crc32c::crc32c_append(crc, &held[..certain]);
        held.drain(..certain);
    }
    let stored: [u8; SUM_BYTES] = held.try_into().map_err(|_| SnapshotError::Damaged("cut short"))?;
    if u32::from_le_bytes(stored) == crc {
        Ok(())
    } else {
        Err(SnapshotError::Damaged("its checksum does not match"))
    }
}

fn known<K: crate::domain::id::IdKind>(number: i64) -> Result<crate::domain::id::Id<K>, SnapshotError> {
    crate::domain::id::Id::from_number(number).ok_or(SnapshotError::Damaged("an id is out of range"))
}

impl super::Tables {
    fn load(&mut self, entry: Entry) -> Result<(), SnapshotError> {
        match entry {
            Entry::Brand {
                id,
                name,
                click_param,
                archived,
            } => {
                let gate = BrandGate {
                    name: name.into(),
                    click_param: click_param.map(Into::into),
                    archived,
                };
                self.brands.insert(known::<_>(id)?, std::sync::Arc::new(gate));
            }
            Entry::Campaign(entry) => {
                let season = Season {
                    starts_at: entry.starts_ms.map(Instant::from_ms),
                    ends_at: entry.ends_ms.map(Instant::from_ms),
                    archived: entry.archived,
                };
                let (id, brand): (CampaignId, BrandId) = (known(entry.id)?, known(entry.brand)?);
                self.put_gate(id, brand, season, entry.fallback_url.as_deref());
            }
            Entry::Key { id, hash, brand, role } => {
                let (id, brand) = (known(id)?, brand.map(known).transpose()?);
                self.keys.insert(hash, KeyGate { id, brand, role });
            }
            Entry::Head { .. } | Entry::Store(_) | Entry::Link(_) | Entry::Salt { .. } | Entry::Orphan { .. } => {}
        }
        Ok(())
    }
}

impl LinkEntry {
    fn of(change: LinkChange) -> Self {
        Self {
            id: change.id.number(),
            brand: change.brand.number(),
            campaign: change.campaign.number(),
            slug: change.slug,
            final_url: change.final_url,
            forward_query: change.forward_query,
            expires_ms: change.expires_at.map(Instant::ms),
            paused: change.paused,
            archived: change.archived,
            created_seq: change.created_seq,
        }
    }

    fn change(self) -> Result<LinkChange, SnapshotError> {
        Ok(LinkChange {
            id: known::<crate::domain::id::LinkKind>(self.id)? as LinkId,
            brand: known(self.brand)?,
            campaign: known(self.campaign)?,
            slug: self.slug,
            final_url: self.final_url,
            forward_query: self.forward_query,
            expires_at: self.expires_ms.map(Instant::from_ms),
            paused: self.paused,
            archived: self.archived,
            created_seq: self.created_seq,
        })
    }
}
