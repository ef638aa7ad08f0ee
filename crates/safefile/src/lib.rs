//! Opens, creates, replaces and audits files whose whole path is safe.
//!
//! A file is used only if nobody but root, the TrustedUser and, for a tool started by hand, the person who started it
//! could have put something else in its place. That is decided by one walk from `/`, descriptor by descriptor
//! ([`audit`] and [`SafeFile::open`] share it), and by one pure function ([`judge::judge`]) that looks at what each
//! open descriptor says of itself. What is opened is used through the very descriptor that was judged.
//!
//! This crate does not know what a file is for: the caller says its [`Kind`] and whom to [`Trust`].
#![allow(clippy::disallowed_methods, reason = "this is the crate that the other crates are sent to")]

pub mod account;
pub mod acl;
mod audit;
mod dir;
mod facts;
mod inherited;
mod input;
pub mod judge;
mod kind;
mod mend;
mod mount;
mod open;
mod pass;
mod quote;
mod refusal;
mod replace;
mod request;
mod rule;
mod scratch;
mod socket;
mod spool;
mod stamp;
mod temporary;
mod trust;
mod walk;

pub use self::account::{Account, Gid, Group, Uid};
pub use self::audit::{
    Audit, AuditedFile, Component, Reached, UnsafeFile, Verdict, audit, list_unsafe_for_audit,
    open_unsafe_for_audit, peek_unsafe,
};
pub use self::dir::{Entry, SafeDir};
pub use self::facts::{Facts, FileType};
pub use self::inherited::{close_inherited, terminal_to_write};
pub use self::input::{InputFile, standard_input};
pub use self::kind::{Kind, Role, UnknownKind};
pub use self::mend::Mend;
pub use self::mount::Mount;
pub use self::open::{OpenError, SafeFile};
pub use self::pass::{Packet, Passage};
pub use self::quote::{display_path, shell_quote, toml_quote};
pub use self::refusal::{Excuse, Finding, Fix, Found, Otherwise, Refusal};
pub use self::replace::{Dress, OldFile, ReplaceError, Replacement};
pub use self::rule::Rule;
pub use self::scratch::scratch;
pub use self::stamp::Stamp;
pub use self::trust::{Exception, Trust};
