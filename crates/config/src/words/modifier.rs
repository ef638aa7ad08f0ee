//! The letters of a listener, as `M=` of sendmail's DaemonPortOptions has them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{Several, sorted};

/// One letter of `listen.modifiers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Modifier {
    /// `a`: AUTH is required before MAIL.
    RequireAuth,
    /// `A`: AUTH is not offered.
    NoAuth,
    /// `E`: no ETRN.
    NoEtrn,
    /// `O`: the daemon starts, too, where this listener cannot be opened.
    Optional,
    /// `S`: STARTTLS is not offered.
    NoStartTls,
    /// `s`: TLS begins with the connection.
    ImplicitTls,
}

/// The letters of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modifiers(BTreeSet<Modifier>);

/// Why a letter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModifierError {
    /// sendmail has it, and it has no meaning here.
    #[error("sendmail's modifier {letter} has no meaning here, {why}", why = .reason)]
    Meaningless {
        /// The letter.
        letter: char,
        /// Why not.
        reason: &'static str,
    },
    /// Nobody has it.
    #[error("unknown modifier (known: {known}): {0:?}", known = Modifiers::LETTERS)]
    Unknown(char),
    /// Two letters of which one takes back the other.
    #[error("modifiers {0} and {1} contradict each other: {2}")]
    Contradiction(char, char, &'static str),
}

impl Modifier {
    const ALL: [(char, Self); 6] = [
        ('a', Self::RequireAuth),
        ('A', Self::NoAuth),
        ('E', Self::NoEtrn),
        ('O', Self::Optional),
        ('S', Self::NoStartTls),
        ('s', Self::ImplicitTls),
    ];
}

impl Modifiers {
    const LETTERS: &'static str = "a A E O S s";

    /// These letters.
    pub fn of(modifiers: impl IntoIterator<Item = Modifier>) -> Self {
        Self(modifiers.into_iter().collect())
    }

    /// Whether a letter is set.
    pub fn contains(&self, modifier: Modifier) -> bool {
        self.0.contains(&modifier)
    }

    fn contradictions(&self) -> impl Iterator<Item = ModifierError> {
        let both = |one, other| self.contains(one) && self.contains(other);
        let nobody = both(Modifier::RequireAuth, Modifier::NoAuth).then_some(ModifierError::Contradiction(
            'a',
            'A',
            "nobody could send",
        ));
        let neither = both(Modifier::ImplicitTls, Modifier::NoStartTls)
            .then_some(ModifierError::Contradiction('s', 'S', "TLS or none"));
        nobody.into_iter().chain(neither)
    }
}

/// Letters in any order, together or with blanks or commas between them, as sendmail takes them.
impl FromStr for Modifiers {
    type Err = Several<ModifierError>;

    fn from_str(text: &str) -> Result<Self, Several<ModifierError>> {
        let letters = text.chars().filter(|letter| !matches!(letter, ' ' | '\t' | ','));
        let (modifiers, mut faults) = sorted(letters.map(modifier));
        let modifiers = Self(modifiers);
        faults.extend(modifiers.contradictions());
        if faults.is_empty() { Ok(modifiers) } else { Err(Several(faults)) }
    }
}

impl fmt::Display for Modifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = Modifier::ALL.iter().filter(|(_, modifier)| self.contains(*modifier));
        let letters: Vec<_> = letters.map(|(letter, _)| letter.to_string()).collect();
        f.write_str(&letters.join(" "))
    }
}

fn modifier(letter: char) -> Result<Modifier, ModifierError> {
    if let Some((_, modifier)) = Modifier::ALL.into_iter().find(|(known, _)| *known == letter) {
        return Ok(modifier);
    }
    let meaningless = MEANINGLESS.into_iter().find(|(letters, _)| letters.contains(letter));
    Err(match meaningless {
        Some((_, reason)) => ModifierError::Meaningless { letter, reason },
        None => ModifierError::Unknown(letter),
    })
}

/// Letters that sendmail has and that are refused, so that nobody relies on them.
const MEANINGLESS: [(&str, &str); 4] = [
    ("bh", "where mail goes out says nothing of where it came in"),
    ("cC", "addresses are never rewritten"),
    ("fur", "an address always needs its domain"),
    ("DM", "it is for a client"),
];

#[cfg(test)]
mod tests {
    use super::{Modifier, ModifierError, Modifiers, Several};

    #[test]
    fn letters_stand_together_or_apart() {
        for (text, shown) in [("", ""), ("a", "a"), ("Ea", "a E"), ("s, a\tE", "a E s"), ("aa", "a")] {
            assert_eq!(text.parse::<Modifiers>().unwrap().to_string(), shown, "{text}");
        }
        assert!("Ea".parse::<Modifiers>().unwrap().contains(Modifier::NoEtrn));
    }

    #[test]
    fn letters_in_the_message_are_all_there_are() {
        let letters: Vec<_> = Modifier::ALL.iter().map(|(letter, _)| letter.to_string()).collect();
        assert_eq!(letters.join(" "), Modifiers::LETTERS);
    }

    #[test]
    fn letters_of_sendmail_that_do_nothing_here_are_refused_by_name() {
        for letter in "bhcCfurDM".chars() {
            let refused = letter.to_string().parse::<Modifiers>().unwrap_err();
            assert!(
                matches!(refused.0[..], [ModifierError::Meaningless { letter: said, .. }] if said == letter)
            );
        }
        assert_eq!("ax".parse::<Modifiers>(), Err(Several(vec![ModifierError::Unknown('x')])));
    }

    #[test]
    fn what_takes_back_another_letter_is_refused() {
        for (text, pair) in [("aA", ('a', 'A')), ("S s", ('s', 'S'))] {
            let refused = text.parse::<Modifiers>().unwrap_err();
            assert!(
                matches!(refused.0[..], [ModifierError::Contradiction(one, other, _)] if (one, other) == pair)
            );
        }
        let all = "a A s S z".parse::<Modifiers>().unwrap_err();
        assert_eq!(all.0.len(), 3, "{all}");
    }
}
