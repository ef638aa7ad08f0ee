//! DIGEST-MD5 (RFC 2831).

/// What is left of a login with DIGEST-MD5.
#[derive(Debug)]
pub struct Ticket;
impl Ticket {
    /// x
    pub fn nonce(&self) -> &[u8] {
        b""
    }
}

pub(crate) fn serve(_start: &crate::server::Start<'_>, _initial: Option<&[u8]>) -> crate::server::Step {
    crate::server::Step::Failed(crate::server::Failure::NotServed)
}

pub(crate) fn connect(_start: crate::client::Start) -> crate::client::Step {
    crate::client::Step::Failed(crate::client::Failure::Malformed("TODO"))
}

/// What a client keeps.
#[derive(Debug)]
pub struct ClientTicket;
