//! The few commands that the streams need, and nothing else of Redis.

use redis::{ErrorKind, RedisError, RedisResult, Value, cmd};

use super::client::Redis;
use super::format::{FIELD, stream_key};

/// Entries that one command deletes at most.
const DELETED_AT_ONCE: usize = 256;

/// An entry's id: a time in ms and a number, of Redis's own making.
pub(super) type EntryId = String;

/// An entry as it lies in a stream.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: EntryId,
    /// `None` when somebody else wrote it: it has not the one field of our entries.
    pub(super) batch: Option<Vec<u8>>,
}

fn unexpected(what: &'static str) -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, what))
}

impl Redis {
    /// Appends an entry; its id.
    pub(super) async fn add(&self, shard: u16, batch: &[u8]) -> RedisResult<EntryId> {
        let mut add = cmd("XADD");
        add.arg(stream_key(shard)).arg("*").arg(FIELD).arg(batch);
        match self.run(&add).await? {
            Value::BulkString(id) => String::from_utf8(id).map_err(|_| unexpected("an entry's id is no text")),
            Value::SimpleString(id) => Ok(id),
            _ => Err(unexpected("XADD did not answer with an id")),
        }
    }

    /// Entries from `from` on (`-` for the first; `(id` for the first behind that id), oldest first.
    pub(super) async fn range(&self, shard: u16, from: &str, count: usize) -> RedisResult<Vec<Found>> {
        self.range_of(shard, from, "+", count).await
    }

    /// The entry with this id, if it is still there.
    pub(super) async fn entry(&self, shard: u16, id: &str) -> RedisResult<Option<Found>> {
        Ok(self.range_of(shard, id, id, 1).await?.pop())
    }

    async fn range_of(&self, shard: u16, from: &str, to: &str, count: usize) -> RedisResult<Vec<Found>> {
        let mut range = cmd("XRANGE");
        range.arg(stream_key(shard)).arg(from).arg(to).arg("COUNT").arg(count);
        let Value::Array(entries) = self.run(&range).await? else {
            return Err(unexpected("XRANGE did not answer with entries"));
        };
        entries.into_iter().map(found).collect()
    }

    /// Deletes entries. Those that are gone already are no error.
    pub(super) async fn delete(&self, shard: u16, ids: &[EntryId]) -> RedisResult<()> {
        for ids in ids.chunks(DELETED_AT_ONCE) {
            self.run(cmd("XDEL").arg(stream_key(shard)).arg(ids)).await?;
        }
        Ok(())
    }

    /// How many entries a shard's stream holds.
    pub(super) async fn entries(&self, shard: u16) -> RedisResult<i64> {
        match self.run(cmd("XLEN").arg(stream_key(shard))).await? {
            Value::Int(count) => Ok(count),
            _ => Err(unexpected("XLEN did not answer with a number")),
        }
    }
}

/// Whatever somebody else put into an entry, reading it takes nobody down.
fn found(entry: Value) -> RedisResult<Found> {
    let Value::Array(parts) = entry else {
        return Err(unexpected("an entry is no pair"));
    };
    let mut parts = parts.into_iter();
    let (Some(Value::BulkString(id)), Some(Value::Array(fields))) = (parts.next(), parts.next()) else {
        return Err(unexpected("an entry has no id or no fields"));
    };
    let id = String::from_utf8(id).map_err(|_| unexpected("an entry's id is no text"))?;
    let mut fields = fields.into_iter();
    let batch = match (fields.next(), fields.next(), fields.next()) {
        (Some(Value::BulkString(name)), Some(Value::BulkString(batch)), None) if name == FIELD.as_bytes() => {
            Some(batch)
        }
        _ => None,
    };
    Ok(Found { id, batch })
}
