//! The load: visitors and a shop who write down what they are told.
//!
//! They behave as browsers and proxies do: half of them keep their connections, and whoever is refused by one node asks
//! another. They are paced, because the machine is to be busy with faults and not with clicks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::log::Log;
use super::slot::{Phase, Slot, View};
use crate::harness::api::{Api, id, sale};
use crate::harness::http::{Answer, Connection, Cut, visit};
use crate::harness::{KEY, random_below};

const VISITORS: usize = 4;
const SHOPS: usize = 2;
const VISITOR_PACE: Duration = Duration::from_millis(8);
const SHOP_PACE: Duration = Duration::from_millis(30);
/// On average.
const CLICKS_A_CONNECTION: u64 = 40;
const CLICKS_A_MODEL: usize = 25;
/// Nobody answers: look again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// A shop whose event nobody acknowledges.
const SHOP_PATIENCE: Duration = Duration::from_secs(90);
/// What an order is worth, and what is sent back of some.
const ORDER_CENTS: i64 = 1999;
const REFUND_CENTS: i64 = 500;
/// A redirect that waits for nothing but its disk is not slower than this on any machine that is busy with other things.
const SLOWEST_REDIRECT: Duration = Duration::from_secs(10);

/// Whom to ask, and for what.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    pub(crate) redirects: Vec<Arc<Slot>>,
    pub(crate) apis: Vec<Arc<Slot>>,
    pub(crate) slugs: Vec<String>,
}

/// Clients at work until they are stopped.
pub(crate) struct Load {
    pub(crate) log: Arc<Log>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(targets: &Targets, log: &Arc<Log>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number: usize| Client {
            targets: targets.clone(),
            log: Arc::clone(log),
            stop: Arc::clone(&stop),
            number,
            reuse: number < VISITORS / 2,
            kept: None,
        };
        let visitors = (0..VISITORS).map(|number| {
            let client = client(number);
            std::thread::spawn(move || client.visit())
        });
        let shops = (0..SHOPS).map(|number| {
            let client = client(number);
            std::thread::spawn(move || client.sell())
        });
        let threads = visitors.chain(shops).collect();
        Self {
            log: Arc::clone(log),
            stop,
            threads,
        }
    }

    /// Every order that was begun is acknowledged when this returns.
    pub(crate) fn stop(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.log.violate("a client panicked; see above".to_owned());
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // After a failure; nobody waits for clients whose servers are gone.
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// A connection and whose it is.
struct Kept {
    connection: Connection,
    slot: Arc<Slot>,
    view: View,
}

struct Client {
    targets: Targets,
    log: Arc<Log>,
    stop: Arc<AtomicBool>,
    number: usize,
    reuse: bool,
    kept: Option<Kept>,
}

impl Client {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn visit(mut self) {
        while !self.stopped() {
            std::thread::sleep(VISITOR_PACE);
            self.click();
        }
    }

    /// Each click is followed by an order, of some of which a part is sent back, before or after.
    fn sell(mut self) {
        let name = format!("{}-{:x}", self.number, random_below(u64::MAX));
        for number in 0_u64.. {
            std::thread::sleep(SHOP_PACE);
            if self.stopped() {
                return;
            }
            let Some(click) = self.click() else { continue };
            let order = format!("{name}-{number}");
            let refund = json!({
                "order_id": order, "refund_id": format!("r-{order}"),
                "amount": {"amount": REFUND_CENTS, "currency": "USD"},
            });
            if number % 6 == 0 {
                self.refund(&refund);
            }
            if let Some(id) = self.submit("/v1/conversions", &sale(&order, Some(&click), ORDER_CENTS)) {
                self.log.ordered(id, ORDER_CENTS);
            }
            if number % 6 == 3 {
                self.refund(&refund);
            }
        }
    }

    fn refund(&mut self, body: &Value) {
        if let Some(id) = self.submit("/v1/refunds", body) {
            self.log.refunded(id, REFUND_CENTS);
        }
    }

    /// One visit; the click id, where the answer came.
    fn click(&mut self) -> Option<String> {
        let Some((kept, was_kept)) = self.connect() else {
            std::thread::sleep(LOOK_AGAIN);
            return None;
        };
        let Kept {
            mut connection,
            slot,
            view,
        } = kept;
        let place = usize::try_from(random_below(self.targets.slugs.len() as u64)).expect("small");
        let before = slot.phase_of(view);
        self.log.sent.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        let mut request = visit(&self.targets.slugs[place]);
        // Telephones that nobody has met yet come all the time, so that there is always something to look up.
        request.headers[0].1 = format!(
            "Mozilla/5.0 (Linux; Android 15; Model {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/153.0.0.0 Mobile \
             Safari/537.36",
            self.log.answers() / CLICKS_A_MODEL
        );
        match connection.exchange(&request) {
            Ok(answer) => {
                let took = began.elapsed();
                self.log.took(took);
                if took > SLOWEST_REDIRECT {
                    self.log
                        .violate(format!("{} let a visitor wait for {took:?}", slot.name));
                }
                let id = self.read(&answer, &slot)?;
                self.log.clicked(id.clone(), &slot.name);
                // Not for ever: whoever moved to another node comes back.
                if self.reuse && !connection.closing && random_below(CLICKS_A_CONNECTION) > 0 {
                    self.kept = Some(Kept { connection, slot, view });
                }
                Some(id)
            }
            Err(cut) => {
                self.cut_off(cut, &slot, view, before, was_kept);
                None
            }
        }
    }

    fn read(&self, answer: &Answer, slot: &Slot) -> Option<String> {
        if answer.status == 302 {
            return Some(answer.click_id());
        }
        let text = answer.text();
        self.log
            .violate(format!("{} answered {} to a visitor: {text}", slot.name, answer.status));
        None
    }

    /// The connection of last time, or a new one to the first node that takes it; whether it was kept.
    fn connect(&mut self) -> Option<(Kept, bool)> {
        if let Some(kept) = self.kept.take()
            && kept.slot.phase_of(kept.view) != Phase::Killed
        {
            return Some((kept, true));
        }
        let slots = &self.targets.redirects;
        for turn in 0..slots.len() {
            let slot = &slots[(self.number + turn) % slots.len()];
            let Some(view) = slot.view() else { continue };
            match Connection::open(view.address) {
                Ok(connection) => {
                    let slot = Arc::clone(slot);
                    return Some((Kept { connection, slot, view }, false));
                }
                Err(_) => self.refused(slot, view),
            }
        }
        None
    }

    fn refused(&self, slot: &Slot, view: View) {
        match slot.phase_of(view) {
            Phase::Serving => self
                .log
                .violate(format!("{} refused a connection while it lived", slot.name)),
            Phase::Doomed | Phase::Killed => {}
            Phase::Draining => slot.refused(view),
        }
    }

    /// A click that was sent and not answered: may that be?
    fn cut_off(&self, cut: Cut, slot: &Slot, view: View, before: Phase, was_kept: bool) {
        match slot.phase_of(view) {
            Phase::Serving => self
                .log
                .violate(format!("{} cut a visitor off while it lived: {cut:?}", slot.name)),
            Phase::Doomed | Phase::Killed => {
                self.log.in_flight.fetch_add(1, Ordering::SeqCst);
            }
            // A kept connection may be closed while a request is on its way; every client sends that again.
            Phase::Draining if was_kept && before == Phase::Draining && cut == Cut::NoAnswer => {}
            Phase::Draining => self.log.violate(format!(
                "{} took a visitor's request (kept connection: {was_kept}; before the signal: {}) and did not answer it \
                 while draining: {cut:?}",
                slot.name,
                before != Phase::Draining
            )),
        }
    }

    /// Sends an event until it is acknowledged, as shops do; sometimes once more. `None` where it was refused for good.
    fn submit(&mut self, path: &str, body: &Value) -> Option<String> {
        let began = Instant::now();
        let acknowledged = loop {
            if began.elapsed() > SHOP_PATIENCE {
                self.log
                    .violate(format!("{path} was not acknowledged in {SHOP_PATIENCE:?}: {body}"));
                return None;
            }
            if let Some(answer) = self.post(path, body) {
                match answer.status {
                    202 => break id(&answer.json()),
                    503 => {}
                    status => {
                        self.log.violate(format!("{path} answered {status}: {}", answer.text()));
                        return None;
                    }
                }
            }
            std::thread::sleep(LOOK_AGAIN);
        };
        if random_below(5) == 0
            && let Some(answer) = self.post(path, body)
            && answer.status == 202
            && id(&answer.json()) != acknowledged
        {
            self.log
                .violate(format!("{path}: a repeat got another id than {acknowledged}: {body}"));
        }
        Some(acknowledged)
    }

    fn post(&self, path: &str, body: &Value) -> Option<Answer> {
        let place = usize::try_from(random_below(self.targets.apis.len() as u64)).expect("small");
        let slot = &self.targets.apis[place];
        let view = slot.view()?;
        let before = slot.phase_of(view);
        let cut = match Api::new(view.address, KEY).try_post(path, body) {
            Ok(answer) => return Some(answer),
            Err(cut) => cut,
        };
        let after = slot.phase_of(view);
        if cut == Cut::NotConnected {
            self.refused(slot, view);
        } else if before == Phase::Serving && matches!(after, Phase::Serving | Phase::Draining) {
            self.log.violate(format!(
                "{} took {path} and did not answer it: {cut:?} ({after:?})",
                slot.name
            ));
        }
        None
    }
}
