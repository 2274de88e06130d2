//! What goes into a snapshot comes out of it, by this version and the one before.

use std::path::Path;

use super::{Catalog, draw_salt};
use crate::domain::id::{BrandId, CampaignId, LinkId};
use crate::store::{FeedHead, LinkChange};

fn link(slug: &str, id: i64) -> LinkChange {
    LinkChange {
        id: LinkId::from_number(id).expect("in range"),
        brand: BrandId::from_number(1).expect("in range"),
        campaign: CampaignId::from_number(1).expect("in range"),
        slug: slug.to_owned(),
        final_url: "https://example.com/".to_owned(),
        forward_query: true,
        expires_at: None,
        paused: false,
        archived: false,
        created_seq: id,
    }
}

fn read(path: &Path) -> Catalog {
    let read = Catalog::read_snapshot(path).expect("a good snapshot");
    read.expect("a snapshot")
}

/// Writes an altered file with a sum that fits.
fn rewrite(path: &Path, alter: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("a snapshot");
    bytes.truncate(bytes.len() - 4);
    alter(&mut bytes);
    let sum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn salts_and_orphans_come_back_and_a_salt_that_is_over_leaves_the_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("catalog.snapshot");
    let catalog = Catalog::default();
    catalog.salts().set(&(10..=14).map(|day| (day, draw_salt())).collect());
    catalog.apply_link(&link("lOst", 7));
    let orphans = [(LinkId::from_number(7).expect("in range"), "lOst".into())];
    catalog.orphans.load(orphans.into());
    let head = FeedHead {
        seq: 12,
        store: "a token".to_owned(),
    };
    catalog.position.store(head.clone().into());
    let over = catalog.salts().of_day(10).0;
    assert!(catalog.write_snapshot(&path).expect("written"));
    let holds_it = || {
        let bytes = std::fs::read(&path).expect("a snapshot");
        bytes.windows(over.len()).any(|window| window == over)
    };
    assert!(holds_it());

    let restarted = read(&path);
    assert_eq!(restarted.salts().all(), catalog.salts().all());
    assert_eq!(restarted.orphans().some(), ["lOst"]);
    assert_eq!(*restarted.position(), head);
    restarted.salts().begin_day(13);
    restarted.write_snapshot(&path).expect("written");
    assert!(!holds_it());
    assert_eq!(read(&path).salts().days(), [11, 12, 13, 14]);

    // Made again under the same slug, it is an orphan no more.
    restarted.apply_link(&link("lOst", 8));
    assert_eq!(restarted.orphans().count(), 0);
}

#[test]
fn the_version_before_is_read_and_kinds_of_a_later_one_are_stepped_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("catalog.snapshot");
    let catalog = Catalog::default();
    catalog.apply_link(&link("abc", 7));
    catalog.write_snapshot(&path).expect("written");
    rewrite(&path, |bytes| bytes[..8].copy_from_slice(b"LLSNAP2\n"));
    assert_eq!(read(&path).links_loaded(), 1);
    rewrite(&path, |bytes| {
        bytes[..8].copy_from_slice(b"LLSNAP3\n");
        let end = bytes.len() - 4;
        bytes.splice(end..end, [3, 0, 0, 0, 77, 1, 2]);
    });
    assert_eq!(read(&path).links_loaded(), 1);
    rewrite(&path, |bytes| bytes[..8].copy_from_slice(b"LLSNAP4\n"));
    assert!(Catalog::read_snapshot(&path).is_err());
}
