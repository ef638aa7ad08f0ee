//! What is said of SMTP, each kind in its file: those are compiled into a test of `smtp`, too.

mod client;
mod mailbox;
mod server;

/// What a client says, behind an octet that chooses what the caller answers.
///
/// # Panics
/// As [`server::server`].
pub fn server(octets: &[u8]) {
    server::server(octets);
}

/// What a server says, turn by turn.
///
/// # Panics
/// As [`client::client`].
pub fn client(octets: &[u8]) {
    client::client(octets);
}

/// The body of a From field.
///
/// # Panics
/// As [`mailbox::mailbox`].
pub fn mailbox(octets: &[u8]) {
    mailbox::mailbox(octets);
}
