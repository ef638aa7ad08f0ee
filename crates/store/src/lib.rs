//! The one storage crate: users' secrets and maps
