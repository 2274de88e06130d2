//! Visitors on keep-alive connections: as many as answers allow, or so many a second.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::ground::Outcome;

const ANSWER_MAX_BYTES: usize = 8 << 10;

/// Threads that click until they are told to stop.
pub(crate) struct Visitors {
    answered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Visitors {
    /// So many connections to one redirect node. `per_second` is for all together; without it each clicks again as soon
    /// as it was answered.
    pub(crate) fn start(address: &str, slugs: &Arc<Vec<String>>, connections: usize, per_second: Option<f64>) -> Self {
        let (answered, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let threads = (0..connections).map(|number| {
            let (address, slugs) = (address.to_owned(), Arc::clone(slugs));
            let (answered, stop) = (Arc::clone(&answered), Arc::clone(&stop));
            #[allow(clippy::cast_precision_loss, reason = "some dozens of connections")]
            let pause = per_second.map(|rate| Duration::from_secs_f64(connections as f64 / rate));
            std::thread::spawn(move || {
                let click = |stream: &mut TcpStream, turn: usize| {
                    let slug = &slugs[(turn * connections + number) % slugs.len()];
                    write!(
                        stream,
                        "GET /{slug} HTTP/1.1\r\nHost: go.example.com\r\nUser-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS \
                         17_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 \
                         Safari/604.1\r\nReferer: https://l.instagram.com/\r\nAccept-Language: de-DE\r\n\r\n",
                        turn % 7
                    )?;
                    whole_answer(stream)
                };
                let mut stream = TcpStream::connect(&address)?;
                stream.set_nodelay(true)?;
                let started = Instant::now();
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // At a given rate the clicks' times are fixed beforehand: a slow answer does not slow the load down.
                    if let Some(pause) = pause {
                        let due = started + pause * u32::try_from(turn).unwrap_or(u32::MAX);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    click(&mut stream, turn)?;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        let threads = threads.collect();
        Self {
            answered,
            stop,
            threads,
        }
    }

    /// Clicks that were answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends after each connection's last answer; how many there were.
    pub(crate) fn stop(self) -> Outcome<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| "a visitor's thread ended badly")??;
        }
        Ok(self.answered.load(Ordering::Relaxed))
    }
}

/// Reads up to the empty line; answers to clicks have no body.
fn whole_answer(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut answer = [0; ANSWER_MAX_BYTES];
    let mut length = 0;
    while !answer[..length].ends_with(b"\r\n\r\n") {
        let more = stream.read(&mut answer[length..])?;
        if more == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        length += more;
    }
    if answer.starts_with(b"HTTP/1.1 302") {
        Ok(())
    } else {
        let line = String::from_utf8_lossy(&answer[..length.min(200)]).into_owned();
        Err(std::io::Error::other(format!("expected a 302, got {line}")))
    }
}
