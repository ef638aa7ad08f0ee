//! Lets an exchange of ours speak to a peer, as SMTP would.

use std::sync::Arc;

use credential::{Mechanism, Secret};
use sasl::Channel;
use sasl::client::{self, Choice};
use sasl::server;
use tests::peer::sasl::{Conversation, Done, Turn};

use crate::world::{Site, dice};

/// How an exchange ended: on our side, and the last that the peer said.
#[derive(Debug)]
pub(crate) struct Met<Outcome, Failure> {
    pub(crate) ours: Result<Box<Outcome>, Failure>,
    pub(crate) theirs: Turn,
}

pub(crate) type AsClient = Met<client::Outcome, client::Failure>;
pub(crate) type AsServer = Met<server::Outcome, server::Failure>;

/// Our client, and a server of theirs.
pub(crate) fn as_client(
    choice: Choice,
    settings: &client::Settings,
    secret: &[u8],
    channel: &Channel,
    peer: &mut Conversation,
) -> AsClient {
    let mut step = client::begin(choice, &Arc::new(settings.clone()), channel, dice(1));
    let mut theirs = Turn::Waits;
    loop {
        let (octets, next) = match step {
            client::Step::Secret(next) => {
                step = next.supply(&Secret::copy_of(secret));
                continue;
            }
            client::Step::Send { octets, next } => (octets, next),
            client::Step::Failed(failure) => return Met { ours: Err(failure), theirs },
            client::Step::Done(_) => panic!("done before the server was"),
        };
        theirs = peer.step(octets.as_ref().map(|octets| octets.as_slice()));
        step = match &theirs {
            Turn::Message(message) => next.challenge(message),
            Turn::Failed(_) => return Met { ours: Err(next.refused()), theirs },
            Turn::Done(done) => match next.success(done.message.as_deref()) {
                client::Step::Done(outcome) => return Met { ours: Ok(outcome), theirs },
                client::Step::Failed(failure) => return Met { ours: Err(failure), theirs },
                other => panic!("after success: {other:?}"),
            },
            Turn::Waits => panic!("a server waits"),
        };
    }
}

/// A client of theirs, and our server. One that fails before ours does has cancelled the exchange.
pub(crate) fn as_server(
    site: &mut Site,
    mechanism: Mechanism,
    channel: &Channel,
    peer: &mut Conversation,
) -> AsServer {
    let cancelled = || Err(server::Failure::Malformed("cancelled"));
    let mut theirs = peer.step(None);
    if matches!(theirs, Turn::Failed(_)) {
        return Met { ours: cancelled(), theirs };
    }
    let mut step = server::begin(mechanism, said(&theirs), &site.settings, channel, dice(2));
    loop {
        let (octets, next) = match site.settle(step) {
            server::Step::Challenge { octets, next } => (octets, next),
            server::Step::Done(outcome) => return Met { ours: Ok(outcome), theirs },
            server::Step::Failed(failure) => return Met { ours: Err(failure), theirs },
            other => panic!("not settled: {other:?}"),
        };
        if matches!(theirs, Turn::Done(_)) {
            step = next.respond(&[]);
            continue;
        }
        theirs = peer.step(Some(&octets));
        if matches!(theirs, Turn::Failed(_)) {
            return Met { ours: cancelled(), theirs };
        }
        step = next.respond(said(&theirs).unwrap_or_default());
    }
}

fn said(turn: &Turn) -> Option<&[u8]> {
    match turn {
        Turn::Message(message) | Turn::Done(Done { message: Some(message), .. }) => Some(message),
        _ => None,
    }
}
