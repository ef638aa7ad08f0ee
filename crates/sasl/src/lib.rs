//! SASL (RFC 4422) as machines: octets in, octets and steps out, for servers and for clients.
//!
//! An exchange is a value that says what it waits for. A server's yields a [`server::Step`]: a challenge to send, the
//! record of an identity that it needs, or how it ended; whoever drives it gives back the response or the record, and
//! gets the next. A client's yields a [`client::Step`]: a message to send, a secret that it needs, or how it ended. What
//! was handed in is consumed, so that a finished or failed exchange cannot go on.
//!
//! There is no thread, clock, socket, file or global state in here, and no randomness: [`Entropy`] is passed in. The
//! base64 of the protocols around SASL, the cancelling `*` and the reply codes are theirs.
//!
//! Who a client says to be is prepared (RFC 4013), looked up and never told apart from somebody who does not exist: for
//! an absent user, for one who may not log in, and for one who lacks what the mechanism needs, the exchange goes on with
//! a [decoy](credential::Decoy) and ends where a wrong password ends. Three differences remain. A user with several
//! credentials costs one short keyed hash for each of them (where the store keeps clear text alone, one derivation for each,
//! once a proof has come). A PLAIN check of a credential that lacks the policy's kind (`foreign`, imported, one that was
//! kept otherwise) comes on top of that of the policy's. And what a single user keeps otherwise than the policy has it, clear
//! text in place of a hash of MD5, costs DIGEST-MD5 and CRAM-MD5 one such hash more, below a microsecond.
//!
//! | mechanism | server | client | source |
//! | --- | --- | --- | --- |
//! | SCRAM-SHA-1, -SHA-256, -SHA-512 and -PLUS | yes | yes | RFC 5802, RFC 7677, RFC 5929, RFC 9266 |
//! | EXTERNAL | yes | yes | RFC 4422, appendix A |
//! | DIGEST-MD5 with auth, auth-int, auth-conf | yes | yes | RFC 2831 |
//! | CRAM-MD5 | yes | yes | RFC 2195 |
//! | PLAIN | yes | yes | RFC 4616 |
//! | LOGIN | yes | yes | draft-murchison-sasl-login |
//! | ANONYMOUS | yes | yes | RFC 4505 |
//! | OAUTHBEARER, XOAUTH2 | no | yes | RFC 7628 |
//!
//! # Held against others
//!
//! Our client at servers of Cyrus SASL 2.1.28 and GNU SASL 2.2.0, and their clients at our server, really run, with random
//! names, realms, passwords, authorization identities and channels: how often somebody was let in, and how often refused,
//! by both sides alike (`tests/peers`). Whoever has agreed on a security layer talks under it, in both directions. Cyrus SASL
//! offers `3des` and fails at it; GNU SASL has integrity alone, as a client.
//!
//! | mechanism | Cyrus SASL as server | as client | GNU SASL as server | as client |
//! | --- | --- | --- | --- | --- |
//! | SCRAM-SHA-512-PLUS | 64 + 224 | 79 + 209 | - | - |
//! | SCRAM-SHA-256-PLUS | 62 + 226 | 80 + 208 | 17 + 55 | 14 + 58 |
//! | SCRAM-SHA-1-PLUS | 62 + 226 | 63 + 225 | 13 + 59 | 18 + 54 |
//! | SCRAM-SHA-512 | 73 + 119 | 74 + 118 | - | - |
//! | SCRAM-SHA-256 | 63 + 129 | 72 + 120 | 18 + 30 | 14 + 34 |
//! | SCRAM-SHA-1 | 55 + 137 | 79 + 113 | 16 + 32 | 15 + 33 |
//! | EXTERNAL | 71 + 25 | 78 + 18 | - | 21 + 3 |
//! | DIGEST-MD5 | 36 + 156 | 50 + 142 | 13 + 35 | 15 + 33 |
//! | DIGEST-MD5, auth-int | 28 + 100 | 39 + 89 | - | 11 + 37 |
//! | DIGEST-MD5, rc4-40 | 23 + 105 | 35 + 93 | - | - |
//! | DIGEST-MD5, des | 22 + 106 | 39 + 89 | - | - |
//! | DIGEST-MD5, rc4-56 | 32 + 96 | 36 + 92 | - | - |
//! | DIGEST-MD5, rc4 | 27 + 101 | 39 + 89 | - | - |
//! | CRAM-MD5 | 84 + 108 | 77 + 115 | 23 + 25 | 13 + 35 |
//! | PLAIN | 73 + 119 | 78 + 114 | 16 + 32 | 20 + 28 |
//! | LOGIN | 86 + 106 | 79 + 113 | 24 + 24 | 19 + 29 |
//! | ANONYMOUS | 96 + 0 | 94 + 2 | - | 21 + 3 |
//!
//! Refused is who has a wrong password or is bound to another channel, and with the right ones:
//!
//! - a name that RFC 4013 refuses is no name to our server;
//! - a trace with a control character is none to our server (RFC 4505);
//! - Cyrus SASL hashes and compares octets, where we prepare (RFC 4013) what is hashed or looked up;
//! - Cyrus SASL takes white space off both ends of a name;
//! - the policy of the server lets nobody act for another;
//! - DIGEST-MD5 hashes a name and realm as they are sent, and a store of hashes has them as they are prepared, each in its
//!   place: our server would need clear text;
//! - our client takes no realm of DIGEST-MD5 that the server does not offer, where it offers one;
//! - a server of Cyrus SASL with an empty realm has no DIGEST-MD5;
//! - GNU SASL loses the blanks that a name of DIGEST-MD5 begins with;
//! - GNU SASL quotes nothing within quotes of DIGEST-MD5, and does not read what others quote;
//! - GNU SASL hashes passwords in ISO-8859-1 and names in UTF-8, where DIGEST-MD5 wants both alike;
//! - GNU SASL hashes octets for DIGEST-MD5, where we prepare;
//! - GNU SASL ends an exchange with a name or password that RFC 4013 refuses.

pub mod channel;
pub mod client;
pub mod layer;
mod mechanism;
pub mod requirement;
pub mod server;
mod wire;

pub use channel::{BindingKind, Channel, ChannelBinding};
pub use requirement::{LeftOut, Requirements};

/// Random octets for one exchange, drawn by the caller and never used twice: nonces are made of them. RFC 4086.
pub type Entropy = [u8; 32];

/// The longest message of a client that a server reads, and of a server that a client reads, in octets: what RFC 4954,
/// section 4, lets a line carry (12288 octets of base64). Most mechanisms are content with far less.
pub const MAX_MESSAGE: usize = 12288 / 4 * 3;
