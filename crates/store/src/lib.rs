//! The one storage crate: users' secrets, and maps.
//!
//! redb is used here and nowhere else. From the bottom: [`Wait`] ends waiting for other processes, [`StopHeld`] keeps
//! Ctrl-Z from stopping a process that holds a lock, `backend` is the file, `queue` how writers make room for one another, `guard` the one place where each call
//! into redb passes, `engine` redb as this house uses it; above them [`secrets`] and [`maps`]. What this crate does not know:
//! protocols, and how to talk to people.

mod backend;
mod engine;
mod error;
mod guard;
mod hold;
mod layout;
pub mod maps;
mod queue;
mod room;
pub mod secrets;
mod wait;

pub use error::StoreError;
pub use hold::StopHeld;
pub use wait::Wait;
