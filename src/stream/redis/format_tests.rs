use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn journal() -> impl Strategy<Value = JournalId> {
    any::<[u8; 16]>().prop_map(JournalId::from_bytes)
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let record = (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..300));
    let items = prop_oneof![
        vec(record, 1..40).prop_map(Ok),
        (1..1000_u64, any::<bool>()).prop_map(Err)
    ];
    (journal(), any::<u32>(), any::<bool>(), 0..1_u64 << 40, items).prop_map(|(journal, tag, api, after_seq, items)| {
        Stretch {
            journal,
            tag,
            purpose: if api { Purpose::Api } else { Purpose::Redirect },
            after_seq,
            items: match items {
                Ok(records) => Items::Records(
                    (after_seq + 1..)
                        .zip(records)
                        .map(|(seq, (version, kind, payload))| Record {
                            seq,
                            version,
                            kind,
                            payload,
                        })
                        .collect(),
                ),
                Err((count, corrupt)) => Items::Lost(Lost {
                    from: after_seq + 1,
                    to: after_seq + count,
                    why: if corrupt { LostWhy::Corrupt } else { LostWhy::Missing },
                }),
            },
        }
    })
}

proptest! {
    #[test]
    fn a_stretch_comes_back_as_it_was_packed(stretch in stretch()) {
        let entry = Entry::decode(&encode(&stretch).expect("packed")).expect("intact");
        let back = entry.unpack(0).expect("whole");
        prop_assert_eq!((back.journal, back.tag, back.purpose), (stretch.journal, stretch.tag, stretch.purpose));
        prop_assert_eq!(back.after_seq, stretch.after_seq);
        prop_assert_eq!(back.items, stretch.items);
    }

    #[test]
    fn what_the_cursor_covers_is_cut_off(stretch in stretch(), cut in 0..50_u64) {
        let entry = Entry::decode(&encode(&stretch).expect("packed")).expect("intact");
        let after_seq = (stretch.after_seq + cut).min(entry.last_seq - 1);
        let back = entry.unpack(after_seq).expect("whole");
        prop_assert_eq!(back.after_seq, after_seq);
        let first = match &back.items {
            Items::Records(records) => records[0].seq,
            Items::Lost(lost) => lost.from,
        };
        prop_assert_eq!(first, after_seq + 1);
    }

    #[test]
    fn every_damaged_byte_is_seen(stretch in stretch(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut bytes = encode(&stretch).expect("packed");
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert_eq!(Entry::decode(&bytes), Err(EntryError::Unreadable));
        prop_assert_eq!(Entry::decode(&bytes[..at]), Err(EntryError::Unreadable));
    }

    #[test]
    fn foreign_bytes_with_a_checksum_that_fits_harm_nobody(mut bytes in vec(any::<u8>(), 0..200), header in any::<bool>()) {
        if header && bytes.len() > 4 {
            bytes[..4].copy_from_slice(&[b'L', b'L', VERSION, RECORDS]);
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        if let Ok(entry) = Entry::decode(&bytes) {
            let _read_or_refused = entry.unpack(entry.last_seq / 2);
        }
    }
}

/// An entry of these packed bytes with a header that fits them.
fn sealed(version: u8, packed: &[u8], unpacked_len: u32, last_seq: u64) -> Vec<u8> {
    let mut bytes = vec![b'L', b'L', version, RECORDS];
    bytes.extend_from_slice(&[7; 16]);
    bytes.extend_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0]);
    bytes.extend_from_slice(&1_u64.to_le_bytes());
    bytes.extend_from_slice(&last_seq.to_le_bytes());
    bytes.extend_from_slice(&unpacked_len.to_le_bytes());
    bytes.extend_from_slice(packed);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_small_entry_cannot_unpack_to_more_than_it_says() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).expect("packed");
    assert!(bomb.len() < 100 << 10, "{}", bomb.len());
    let told_small = Entry::decode(&sealed(VERSION, &bomb, 1000, 9)).expect("intact");
    assert_eq!(told_small.unpack(0), Err(EntryError::Unreadable));
    let told_large = sealed(VERSION, &bomb, 64 << 20, 9);
    assert_eq!(Entry::decode(&told_large), Err(EntryError::Unreadable));
}

#[test]
fn a_batch_of_a_later_release_is_told_apart_from_damage() {
    let journal = JournalId::from_bytes([7; 16]);
    let version = VERSION + 1;
    assert_eq!(
        Entry::decode(&sealed(version, b"who knows", 9, 1)),
        Err(EntryError::UnknownVersion { journal, version })
    );
}

#[test]
fn keys_carry_a_hash_tag_and_every_journal_has_one_shard() {
    assert_eq!(stream_key(0), "linkledger:{s00}:events");
    assert_eq!(stream_key(255), "linkledger:{s255}:events");
    let journal = JournalId::from_bytes([9; 16]);
    for shards in [1, 8, SHARDS_MAX] {
        assert!(shard_of(journal, shards) < shards);
        assert_eq!(shard_of(journal, shards), shard_of(journal, shards));
    }
}
