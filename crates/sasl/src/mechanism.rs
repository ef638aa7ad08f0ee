//! One file for each mechanism, client and server side by side; in each, a struct for each thing awaited.

pub(crate) mod anonymous;
pub(crate) mod bearer;
pub(crate) mod cram_md5;
pub(crate) mod digest_md5;
pub(crate) mod external;
pub(crate) mod login;
pub(crate) mod plain;
pub(crate) mod scram;
