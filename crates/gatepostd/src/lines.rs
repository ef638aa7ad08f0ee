//! What keeper and front have to say, as lines of the log: sendmail's words where it has some, and sendmail's levels.
//!
//! Programs read them: a line is changed by adding fields at its end, and in no other way.

mod front;
mod keeper;

pub(crate) use self::front::{level_of_front, of_front};
pub(crate) use self::keeper::of_keeper;
