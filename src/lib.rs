//! linkledger: which influencer, post and promo code earned which sale.
//!
//! ```text
//! visitor ── GET /slug ──▶ redirect ──append──▶ journal ──▶ stream ──▶ worker ──one tx──▶ store
//!                             │ 302 + click id     ▲                                        │ events, rollups,
//! shop ── POST conversion ──▶ api ──▶ intake ──────┘                                        │ credits, refunds,
//!          or refund          ▲       append + fsync                                        ▼ CURSOR
//! brand, influencer ──────────┴───────────────────────── report ◀───────────────────────────┘
//! ```
//!
//! # The one idea
//! Every event has a place: (journal, sequence). Every hop may repeat; only the cursor in the store
//! counts. A batch is committed together with the cursor that covers it, so a crash anywhere costs
//! a repetition and never an event.
//!
//! # What always holds
//! 1. Every 302 that a client fully received is exactly one click in the store, whatever process
//!    dies in between (a power cut may cost the last `JOURNAL_SYNC_MS`; a full journal is counted).
//! 2. Rollups and visitors are what a recount of the raw clicks gives, and a cursor is the highest committed
//!    sequence, without holes. `linkledger verify` checks it. Visitors are folded behind the commit, and no figure
//!    depends on how far that has come.
//! 3. Money is integer minor units with a currency. Of an order no more is refunded than its net amount, in whatever
//!    order they come, and all of its gross amount refunds exactly that.
//! 4. The visitor is never made to wait for the store or the worker.
//! 5. A destination comes only from the store; nothing in a request changes its scheme, host or path.
//! 6. No raw address is stored. Visitors are hashes under a daily salt that is destroyed after 48
//!    hours; referrers are stored without their query.
//! 7. Nothing is dropped silently: what is not counted has a reason, a metric, and for conversions and
//!    refunds a row that one can read for 30 days.
//! 8. Every credited, and every uncredited, conversion can explain itself. What a person decides about one is
//!    written together with what it changes, and never changed.
//! 9. A creation with an `Idempotency-Key` is made once, and whoever repeats it within a day gets the first one's answer.
//!
//! # Rooms, in the order in which they may import each other: each only those below it
//! `tests/tidy.rs` holds this order.

pub mod command;
// Beside each other: each starts a service and sends it traffic.
pub mod demo;
pub mod replay;
// Clicks over real HTTP against a service of this process.
pub mod traffic;
// The only wiring.
pub mod app;
// The control plane.
pub mod api;
// The data plane.
pub mod redirect;
// Conversions and refunds on their way into the journal.
pub mod intake;
// Read, classify, attribute, commit.
pub mod worker;
// What a user agent says about who clicks.
pub mod agents;
// From the journals to the worker.
pub mod stream;
// Questions asked of the store.
pub mod report;
// What a node knows without asking the store.
pub mod catalog;
// The only room with SQL.
pub mod store;
// The durable local log.
pub mod journal;

pub mod config;

pub mod clock;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;

// Facts and rules; imports nothing.
pub mod domain;
