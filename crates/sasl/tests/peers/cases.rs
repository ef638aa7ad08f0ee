//! Who logs in: random names, realms, passwords and wishes, the same each time.

use credential::{Identity, Password, Secret};

use crate::world::realm;

/// The server's host, which is the realm of a peer that was told none.
pub(crate) const HOST: &str = "mail.example.org";

/// A user, and what he says to log in.
#[derive(Debug)]
pub(crate) struct Case {
    /// His name alone.
    pub(crate) name: String,
    /// The realm that he names, as `user@realm`.
    pub(crate) named: Option<&'static str>,
    /// The realm that he says beside his name, where the mechanism has a place for it.
    pub(crate) beside: Option<&'static str>,
    /// The realm of the server for those who name none.
    pub(crate) home: Home,
    pub(crate) password: Vec<u8>,
    /// Another password, also once it is prepared.
    pub(crate) wrong: Vec<u8>,
    pub(crate) acting: Acting,
}

/// The realm of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// None was configured: it is that of the host.
    Host,
    Named(&'static str),
    Empty,
}

/// Whom the client wishes to act for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acting {
    /// It does not say.
    Silent,
    Himself,
    /// Somebody else, and what a server of Cyrus SASL has to say to it; nothing stands for its policy without a word.
    Other(String, Option<bool>),
}

/// Numbers without a pattern, the same each time (splitmix64).
pub(crate) struct Dice(u64);

/// Kinds of text.
#[derive(Debug, Clone, Copy)]
enum Text {
    /// Letters, digits, and these among them.
    With(&'static str),
    /// These alone.
    Of(&'static str),
    /// Blanks at both ends.
    BlankEnds,
    /// No UTF-8 at all.
    Octets,
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// What a name is made of.
const NAMES: [Text; 16] = [
    Text::With(""),
    Text::With("._-+"),
    Text::With(","),
    Text::With("\"'"),
    Text::With("\\"),
    Text::With("=23CD"),
    Text::With(" "),
    Text::With(":;/<>"),
    Text::With("\u{e4}\u{df}\u{e9}\u{d8}\u{a3}\u{bf}"),
    Text::Of("\u{3b1}\u{3b2}\u{436}\u{448}\u{6f22}\u{5b57}"),
    Text::Of("\u{5d0}\u{5d1}\u{5d2}"),
    Text::With("\\\",= \u{fc}\u{3bb}"),
    // Roman nine, an ordinal, a soft hyphen, a wide letter: SASLprep makes others of them.
    Text::With("\u{2168}\u{aa}\u{ad}\u{ff46}"),
    // No Unicode 3.2 has it.
    Text::With("\u{1f600}"),
    Text::With("\u{7}\t"),
    Text::BlankEnds,
];

/// What a password is made of.
const PASSWORDS: [Text; 17] = [
    Text::With(""),
    Text::With("!#$%&()*+-./"),
    Text::With(","),
    Text::With("\"'"),
    Text::With("\\"),
    Text::With("=23CD"),
    Text::With(" "),
    Text::With(":;@<>"),
    Text::With("\u{e4}\u{df}\u{e9}\u{d8}\u{a3}\u{bf}"),
    Text::Of("\u{3b1}\u{3b2}\u{436}\u{448}\u{6f22}\u{5b57}"),
    Text::Of("\u{5d0}\u{5d1}\u{5d2}"),
    Text::With("\\\",= \u{fc}\u{3bb}"),
    Text::With("\u{2168}\u{aa}\u{ad}\u{ff46}"),
    Text::With("\u{1f600}"),
    Text::With("\u{7}\t"),
    Text::BlankEnds,
    Text::Octets,
];

const OTHERS: [&str; 5] = ["boss", "boss, =1", "\u{3b2}\u{3b1}\u{3c3}", "b\u{f6}ss", "boss@third.example"];

impl Case {
    /// That of a number, among those that begin with a seed. Most of those who name a realm do so beside their name, if they
    /// can.
    pub(crate) fn of(seed: &str, number: usize, has_place: bool) -> Self {
        let mut dice = Dice::of(&format!("{seed} {number}"));
        let text = |kinds: &[Text], dice: &mut Dice| dice.pick(kinds).make(dice);
        let name = String::from_utf8(text(&NAMES, &mut dice)).unwrap();
        let password = text(&PASSWORDS, &mut dice);
        let wrong = loop {
            let other = text(&PASSWORDS, &mut dice);
            if prepared(&other) != prepared(&password) {
                break other;
            }
        };
        let named = dice.pick(&[None, None, Some("example.org"), Some("other.example"), Some("")]);
        let home =
            dice.pick(&[Home::Host, Home::Named("example.org"), Home::Named("third.example"), Home::Empty]);
        let other = dice.pick(&OTHERS).to_owned();
        let acting = match dice.below(8) {
            0..3 => Acting::Silent,
            3 => Acting::Himself,
            4..6 => Acting::Other(other, Some(true)),
            6 => Acting::Other(other, Some(false)),
            _ => Acting::Other(other, None),
        };
        let (named, beside) = match dice.below(8) {
            0..2 => (named, None),
            _ if !has_place => (named, None),
            2..5 => (None, named),
            _ => (None, named.map(|_| home.realm())),
        };
        Self { name, named, beside, home, password, wrong, acting }
    }

    /// What the client says to be.
    pub(crate) fn userid(&self) -> String {
        self.named.map_or_else(|| self.name.clone(), |realm| format!("{}@{realm}", self.name))
    }

    /// The realm where his record is.
    pub(crate) fn realm(&self) -> &'static str {
        self.named.or(self.beside).unwrap_or_else(|| self.home.realm())
    }

    /// Who he is to us; nobody, if his name cannot be prepared.
    pub(crate) fn identity(&self) -> Option<Identity> {
        Identity::parse(&self.userid(), &realm(self.realm())).ok()
    }

    /// Whom he wishes to act for, as he writes it.
    pub(crate) fn authorization(&self) -> Option<String> {
        match &self.acting {
            Acting::Silent => None,
            Acting::Himself => Some(self.userid()),
            Acting::Other(other, _) => Some(other.clone()),
        }
    }

    /// What the policy of a server of Cyrus SASL is told to be.
    pub(crate) fn proxy(&self) -> Option<bool> {
        match self.acting {
            Acting::Other(_, proxy) => proxy,
            _ => None,
        }
    }
}

impl Home {
    pub(crate) fn realm(self) -> &'static str {
        match self {
            Self::Host => HOST,
            Self::Named(realm) => realm,
            Self::Empty => "",
        }
    }

    /// What a server of Cyrus SASL is told.
    pub(crate) fn told(self) -> Option<&'static str> {
        (self != Self::Host).then(|| self.realm())
    }

    /// A user id as a server of Cyrus SASL tells it.
    pub(crate) fn canonical(self, userid: &str) -> String {
        match self.told() {
            Some(realm) if !userid.contains('@') => format!("{userid}@{realm}"),
            _ => userid.to_owned(),
        }
    }
}

impl Dice {
    pub(crate) fn of(seed: &str) -> Self {
        // FNV-1a.
        let hash = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        Self(seed.bytes().fold(0xcbf2_9ce4_8422_2325, hash))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

impl Text {
    fn make(self, dice: &mut Dice) -> Vec<u8> {
        match self {
            Self::With(signs) => mixed(dice, signs).into_bytes(),
            Self::Of(signs) => characters(dice, signs, 8).into_bytes(),
            Self::BlankEnds => format!(" {}  ", mixed(dice, " ")).into_bytes(),
            Self::Octets => [mixed(dice, "").as_bytes(), b"\xfcn\xe9"].concat(),
        }
    }
}

/// Letters and digits, with each of some signs among them, and never at an end.
fn mixed(dice: &mut Dice, signs: &str) -> String {
    let mut text = characters(dice, LETTERS, 6);
    for sign in signs.chars().filter(|_| dice.below(3) > 0).collect::<Vec<_>>() {
        text.push(sign);
        text += &characters(dice, LETTERS, 2);
    }
    if let Some(sign) = signs.chars().next() {
        text.push(sign);
    }
    text + &characters(dice, LETTERS, 4)
}

fn characters(dice: &mut Dice, from: &str, most: usize) -> String {
    let from: Vec<char> = from.chars().collect();
    (0..=dice.below(most)).map(|_| dice.pick(&from)).collect()
}

/// A password as verifiers are made of it.
pub(crate) fn prepared(password: &[u8]) -> Vec<u8> {
    Password::import(&Secret::copy_of(password)).unwrap().octets().to_vec()
}
