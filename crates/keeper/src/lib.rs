//! The process that holds the store: it runs the server's side of every exchange, and nobody but it sees a verifier.
//!
//! [`Keeper`] is the whole of it without I/O: messages of the front, the time and random octets go in; messages to the front,
//! passwords to check and events come out ([`Effect`]). Around it: [`run()`] is the process's loop, and [`process`] what it does
//! before it touches a secret.
//!
//! | in here | what |
//! | --- | --- |
//! | `exchange`, `attempt` | [`Keeper`]: exchanges by session, each step of theirs driven |
//! | `shelf` | the store, whose path is walked again at most once a second; its decoys |
//! | `check`, `line`, `lately` | passwords that take time and memory to check: in a fair line, and recognised when they were right lately |
//! | `pace` | against guessing |
//! | `renewal` | a record that is brought to the policy after a good login |
//! | `proxy` | who may act for whom |
//! | `nearest` | whom somebody may have meant |
//! | `inquiry` | what whoever administers the daemon may ask |
//!
//! Absent: SMTP, TLS, the network, and any word by which the front could ask for a record.

mod attempt;
mod check;
pub mod event;
mod exchange;
mod inquiry;
mod lately;
mod line;
mod nearest;
mod now;
pub mod pace;
mod place_file;
pub mod process;
mod proxy;
mod renewal;
pub mod run;
mod settings;
mod shelf;
mod tickets;
mod workers;

pub use check::{Check, Checked};
pub use event::{AuthResult, Event, Outcome, Proof};
pub use exchange::{Effect, Keeper};
pub use now::Now;
pub use renewal::{Renewal, Renewed};
pub use run::{RunError, run};
pub use settings::{Bounds, Settings};
pub use shelf::{Attended, LiveStore, Records, Survey};
