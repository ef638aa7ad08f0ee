//! Our mechanisms against those of others, really run: Cyrus SASL and GNU SASL as servers for our client and as clients
//! of our server, by every mechanism that they have too.
#![allow(clippy::unwrap_used, reason = "what fails in a test is to be seen")]
#![allow(clippy::print_stdout, reason = "what was tested is to be seen")]

mod cases;
mod digest;
mod drive;
mod exceptions;
mod forms;
mod layers;
mod matrix;
mod refused;
mod row;
mod scram;
#[allow(dead_code, reason = "the suite that has no peers uses the rest")]
#[path = "../sasl/world.rs"]
mod world;
