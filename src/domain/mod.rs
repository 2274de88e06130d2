//! Facts and rules: pure, no I/O, no async. Imports no other room.
//!
//! Every type here is parsed once, at the edge, and cannot be wrong inside.

pub mod agent;
pub mod attribution;
pub mod campaign;
pub mod click;
pub mod click_id;
pub mod conversion;
pub mod conversion_state;
pub mod deal;
pub mod decision;
mod described;
pub mod email_hash;
pub mod event_id;
pub mod figures;
pub mod goal;
pub mod id;
pub mod influencer;
pub mod invalid;
pub mod key_seed;
pub mod link;
pub mod location;
pub mod money;
pub(crate) mod object;
mod private_net;
pub mod promo_code;
pub mod refund;
pub mod role;
pub mod secret;
pub mod slug;
pub mod target_url;
pub mod text;
pub mod tier;
pub mod time;
pub mod utm;
pub mod visitors;
