//! ANONYMOUS (RFC 4505): nobody logs in, and may leave a trace of who it was.

use credential::Mechanism;
use zeroize::Zeroizing;

use crate::client;
use crate::server::{Failure, Outcome, Principal, Respond, Step};
use crate::wire::utf8;

/// RFC 4505, section 2: the longest trace, in characters.
const MAX_TRACE: usize = 255;

pub(crate) fn serve(initial: Option<&[u8]>) -> Step {
    match initial {
        Some(trace) => Box::new(ExpectTrace).respond(trace),
        None => Step::challenge([], ExpectTrace),
    }
}

struct ExpectTrace;

impl Respond for ExpectTrace {
    fn respond(self: Box<Self>, trace: &[u8]) -> Step {
        let Some(trace) = utf8(trace) else { return Step::Failed(Failure::Malformed("trace is not UTF-8")) };
        if trace.chars().any(char::is_control) {
            return Step::Failed(Failure::Malformed("trace holds a control character"));
        }
        if trace.chars().count() > MAX_TRACE {
            return Step::Failed(Failure::TooLong("trace"));
        }
        Step::Done(Box::new(Outcome {
            mechanism: Mechanism::Anonymous,
            principal: Principal::Anonymous { trace: trace.to_owned() },
            authorization: None,
            ssf: 0,
            layer: None,
            credential: None,
            ticket: None,
        }))
    }
}

/// The authentication identity is the trace.
pub(crate) fn connect(start: &client::Start) -> client::Step {
    let trace = start.settings.login.authentication.clone();
    client::Step::send(Zeroizing::new(trace), client::ExpectSuccess::one_sided(Mechanism::Anonymous))
}
