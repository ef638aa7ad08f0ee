//! Fields that name senders: what is read of them reads the same again.

/// The body of a From field.
///
/// # Panics
/// Where an address that was read is not read so again.
pub(crate) fn mailbox(octets: &[u8]) {
    for address in smtp::mailbox::addresses(octets).into_iter().flatten() {
        let printed = address.to_string();
        assert_eq!(smtp::mailbox::addresses(printed.as_bytes()), Ok(vec![address]));
    }
}
