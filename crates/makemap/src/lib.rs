//! makemap: lookup maps from text, text from maps, and look-ups.
//!
//! [`options`] turns arguments into a value; [`grammar`] reads source lines as sendmail does. What a type of map looks
//! like on disk is not known here: `store::maps` lists the types and has the readers and builders, so a new type needs
//! no change in this program.

pub mod grammar;
pub mod options;
pub mod words;
