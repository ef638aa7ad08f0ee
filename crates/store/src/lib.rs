//! The one storage crate: users' secrets, and maps.

pub mod maps;
