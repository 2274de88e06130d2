//! A Redis of the test's own.

use std::path::Path;

use redis::{FromRedisValue, RedisError, Value};
use rustix::process::{Pid, Signal};

use super::super::wait_for;
use super::{Room, Started, on_a_free_port, program};

/// A redis-server that nobody else uses.
pub(crate) struct PrivateRedis {
    port: u16,
    options: Vec<(String, String)>,
    room: Room,
}

impl PrivateRedis {
    /// One that keeps everything in memory only.
    pub(crate) fn new() -> Self {
        Self::with_options(&[])
    }

    /// With settings of redis.conf: `("appendonly", "yes")`, `("maxmemory", "10mb")`.
    pub(crate) fn with_options(options: &[(&str, &str)]) -> Self {
        let room = Room::new();
        let in_memory = [("save", ""), ("appendonly", "no")];
        let options = in_memory.iter().chain(options);
        let options: Vec<_> = options
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let port = on_a_free_port(&room, |port| launch(&room, port, &options));
        Self { port, options, room }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The process, while it runs.
    pub(crate) fn id(&self) -> Option<Pid> {
        self.room.id()
    }

    /// Where everything of the server lies.
    pub(crate) fn path(&self) -> &Path {
        &self.room.path
    }

    /// `kill -9`.
    pub(crate) fn kill9(&self) {
        self.room.end(Signal::KILL);
    }

    /// Again, on the same port and directory, after [`Self::kill9`].
    #[track_caller]
    pub(crate) fn start(&self) {
        self.room.take_in(launch(&self.room, self.port, &self.options));
    }

    /// Lets it take connections and answer nothing.
    pub(crate) fn freeze(&self) {
        self.room.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.room.signal(Signal::CONT);
    }

    /// Asks it something: `command(&["XLEN", "a stream"])`.
    pub(crate) fn command(&self, words: &[&str]) -> Result<Value, RedisError> {
        ask(self.port, words)
    }

    /// The same where the answer must come, read as what is wanted.
    #[track_caller]
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let answer = self.command(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        redis::from_redis_value(answer).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }
}

fn ask(port: u16, words: &[&str]) -> Result<Value, RedisError> {
    let mut conn = redis::Client::open(("127.0.0.1", port))?.get_connection()?;
    redis::cmd(words[0]).arg(&words[1..]).query(&mut conn)
}

fn launch(room: &Room, port: u16, options: &[(String, String)]) -> Started {
    let mut redis = room.command(&program("redis-server", &[]));
    redis.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    for (name, value) in options {
        redis.args([&format!("--{name}"), value]);
    }
    let mut server = room.serve(&mut redis);
    let ready = wait_for("Redis answers", || {
        if server.has_ended() {
            let log = room.log();
            assert!(log.contains("Address already in use"), "Redis did not start: {log}");
            return Some(false);
        }
        // It says LOADING to PING until it has read its files.
        ask(port, &["PING"]).ok()?;
        let place = ask(port, &["CONFIG", "GET", "dir"]).ok()?;
        let place: Vec<String> = redis::from_redis_value(place).ok()?;
        // Somebody else's server on the same port is not ours; ours is about to find out.
        (place.last()?.as_str() == room.path.to_string_lossy()).then_some(true)
    });
    if ready {
        Started::Ready(server)
    } else {
        Started::PortTaken
    }
}
