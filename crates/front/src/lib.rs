//! What faces the network: listeners, SMTP sessions, TLS, who may relay, queue and delivery.
//!
//! [`run()`] is the process: it does what the opener says. [`Front`] is what it drives, and has no process of its own: the
//! tests run it over loopback.
//!
//! | in here | what |
//! | --- | --- |
//! | [`process`], [`run()`], `opener`, `files`, `configuration` | the process, and what is handed to it |
//! | `listener`, `session`, `socket`, `site`, `live` | clients, what they share, and who is there |
//! | [`keeper`] | the connection to the keeper, who alone knows who somebody is |
//! | [`may_relay`], [`senders`], [`access`], [`survey`] | who may send what to whom; pure, but for a map's own file |
//! | [`explain`] | the same decisions, step by step, for a person |
//! | [`names`] | names of clients, confirmed forward |
//! | [`queue`], `header` | accepted mail |
//! | [`event`] | what happens, for the log |
//! | `lock` | how a mutex is locked |
//!
//! Absent: verifiers, the store, and every word by which the keeper could be asked for a record.

pub mod access;
mod configuration;
pub mod event;
pub mod explain;
mod files;
mod header;
mod identity;
pub mod keeper;
mod listener;
mod live;
mod lock;
pub mod may_relay;
pub mod names;
mod opener;
pub mod process;
pub mod queue;
pub mod run;
pub mod senders;
mod session;
pub mod settings;
pub mod site;
mod socket;
pub mod survey;

pub use keeper::Keeper;
pub use listener::Listening;
pub use run::{RunError, run};
pub use settings::Settings;
pub use site::{Front, Site};
