//! What faces the network: listeners, SMTP sessions, TLS, who may relay, queue and delivery.

pub mod access;
pub mod event;
mod header;
mod identity;
pub mod keeper;
mod listener;
pub mod may_relay;
pub mod queue;
mod session;
pub mod settings;
pub mod site;
mod socket;

pub use keeper::Keeper;
pub use listener::Listening;
pub use settings::Settings;
pub use site::{Front, Site};
