//! What other programs' tools take from sendmail.cf: the TrustedUser and the types of maps. Pure functions of the text,
//! with makemap's grammar and not sendmail's own, since it is makemap that is replaced (sendmail 8.17, makemap.c). What
//! else stands in the file is `authcheck discover`'s business.

/// Who the `TrustedUser` option names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedUser {
    /// A name; whether it exists is not known here. It may end in blanks, and is then no account that exists.
    Name(String),
    /// A number: what follows the digits does not count (`12ab` is 12, as atoi(3) has it).
    Uid(u32),
}

/// How a map's name is sought among the K lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Type `cf`: the last word of the line is the name as given.
    Path,
    /// Type `CF`: the base names agree, from the first dot on cut off.
    BaseName,
}

/// The TrustedUser of a sendmail.cf: a line that begins `O TrustedUser` (one blank, the name in any case), then `=`,
/// blanks, and the name to the end of the line. Other spellings are no option here, and the last one counts.
pub fn trusted_user(text: &[u8]) -> Option<TrustedUser> {
    lines(text).filter_map(trusted_user_line).last()
}

/// The type that a K line gives to a map, for makemap's types `cf` and `CF`; the first line that fits counts.
pub fn map_type(text: &[u8], name: &[u8], matching: Match) -> Option<String> {
    lines(text)
        .filter_map(k_line)
        .find(|(_, last)| is_named(last, name, matching))
        .map(|(map_type, _)| shown(map_type))
}

fn trusted_user_line(line: &[u8]) -> Option<TrustedUser> {
    let (option, rest) = line.split_at_checked(OPTION.len())?;
    let continues = rest.first().is_some_and(u8::is_ascii_alphanumeric);
    if option[0] != b'O' || !option.eq_ignore_ascii_case(OPTION) || continues {
        return None;
    }
    let equals = rest.iter().position(|octet| *octet == b'=')?;
    Some(user(rest[equals + 1..].trim_ascii_start()))
}

fn user(word: &[u8]) -> TrustedUser {
    let digits: Vec<u8> = word.iter().copied().take_while(u8::is_ascii_digit).collect();
    match shown(&digits).parse() {
        Ok(uid) => TrustedUser::Uid(uid),
        Err(_) => TrustedUser::Name(shown(word)),
    }
}

/// Type and last word of `Kname type ... file`.
fn k_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = line.strip_prefix(b"K")?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let _name = words.next()?;
    let map_type = words.next()?;
    Some((map_type, words.next_back()?))
}

fn is_named(last: &[u8], name: &[u8], matching: Match) -> bool {
    match matching {
        Match::Path => last == name,
        Match::BaseName => {
            let base = base_name(name);
            // The first occurrence alone counts: `m` is not found in /etc/mail/m.
            let found = last.windows(base.len().max(1)).position(|window| window == base);
            found.is_some_and(|at| matches!(last.get(at + base.len()), None | Some(b'.')))
        }
    }
}

fn base_name(name: &[u8]) -> &[u8] {
    let base = name.rsplit(|octet| *octet == b'/').next().unwrap_or(name);
    base.split(|octet| *octet == b'.').next().unwrap_or(base)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|octet| *octet == b'\n')
}

fn shown(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

const OPTION: &[u8] = b"O TrustedUser";

#[cfg(test)]
mod tests {
    use super::{Match, TrustedUser, map_type, trusted_user};

    fn check(text: &str) -> Option<String> {
        trusted_user(text.as_bytes()).map(|user| match user {
            TrustedUser::Name(name) => name,
            TrustedUser::Uid(uid) => format!("#{uid}"),
        })
    }

    #[test]
    fn the_option_is_found_as_makemap_finds_it() {
        let rows = [
            ("O TrustedUser=smmta\n", Some("smmta")),
            ("O TrustedUser=smmta", Some("smmta")),
            ("O trusteduser= \tsmmta\n", Some("smmta")),
            ("O TrustedUser =smmta\n", Some("smmta")),
            ("O TrustedUser=smmta \n", Some("smmta ")),
            ("O TrustedUser=1234\n", Some("#1234")),
            ("O TrustedUser=12ab\n", Some("#12")),
            ("O TrustedUser=0\n", Some("#0")),
            ("OTrustedUser=smmta\n", None),
            ("O  TrustedUser=smmta\n", None),
            ("o TrustedUser=smmta\n", None),
            (" O TrustedUser=smmta\n", None),
            ("#O TrustedUser=smmta\n", None),
            ("O TrustedUser smmta\n", None),
            ("O TrustedUsers=smmta\n", None),
            ("O TrustedUser=a\nO LogLevel=9\nO TrustedUser=b\n", Some("b")),
            ("", None),
        ];
        for (text, user) in rows {
            assert_eq!(check(text).as_deref(), user, "{text:?}");
        }
    }

    #[test]
    fn types_of_maps_come_from_k_lines() {
        let text = b"Kaccess hash -T<TMPF> /etc/mail/access\nKvirt btree -o /etc/mail/virtusers\nK#\nKx\n\
            Km hash /etc/mail/m\n";
        let rows = [
            ("/etc/mail/access", Match::Path, Some("hash")),
            ("/etc/mail/access.db", Match::Path, None),
            ("/etc/mail/virtusers", Match::Path, Some("btree")),
            ("access", Match::Path, None),
            ("access", Match::BaseName, Some("hash")),
            ("/tmp/virtusers.db", Match::BaseName, Some("btree")),
            ("m", Match::BaseName, None),
            ("nosuch", Match::BaseName, None),
        ];
        for (name, matching, found) in rows {
            assert_eq!(map_type(text, name.as_bytes(), matching).as_deref(), found, "{name} {matching:?}");
        }
    }
}
