//! Hashes that crypt(3) of this host makes, asked through perl, against the verifiers that are to accept them.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a failed or skipped test has to be seen")]

use std::io::Write;
use std::process::{Command, Stdio};

use credential::verifier::{Foreign, Scheme};
use credential::{Identity, Realm, Secret, Verifier};

/// Reads lines `HEXPASSWORD SETTING`, writes what crypt(3) makes of each.
const PERL: &str = r#"while (<STDIN>) { my ($p, $s) = split; print crypt(pack("H*", $p), $s), "\n" }"#;

#[test]
fn crypt_of_this_host_agrees() {
    let rows = rows();
    let Some(hashes) = crypt(&rows) else { return };
    let nobody = Identity::parse("nobody", &Realm::prepare("").unwrap()).unwrap();
    assert_eq!(hashes.len(), rows.len());
    for ((scheme, password, setting), hash) in rows.iter().zip(&hashes) {
        let foreign = Foreign::parse(*scheme, hash).unwrap_or_else(|e| panic!("{setting}: {hash}: {e}"));
        let verifier = Verifier::Foreign(foreign);
        let check = |candidate: Vec<u8>| verifier.check(&nobody, &Secret::new(candidate)).unwrap();
        assert!(check(password.clone()), "{setting}: {password:?}");
        let mut altered = password.clone();
        altered[0] ^= 1;
        assert!(!check(altered), "{setting}: {password:?}");
    }
}

/// Passwords of every length up to 80 octets, of any octets but NUL, one with each setting in turn.
fn rows() -> Vec<(Scheme, Vec<u8>, &'static str)> {
    let settings = [
        (Scheme::Bcrypt, "$2b$04$abcdefghijklmnopqrstuu"),
        (Scheme::Bcrypt, "$2y$04$......................"),
        (Scheme::Bcrypt, "$2a$04$9999999999999999999999"),
        (Scheme::Sha256Crypt, "$5$rounds=1000$saltstring"),
        (Scheme::Sha256Crypt, "$5$rounds=1001$x"),
        (Scheme::Sha512Crypt, "$6$rounds=1000$saltstringsaltst"),
        (Scheme::Sha512Crypt, "$6$rounds=1013$"),
    ];
    let mut state = 1_u32;
    let mut octet = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    // Neither is the octet that differs in one bit from its place in the test a NUL.
    let mut password = |length: usize| (0..length).map(|_| octet().max(2)).collect();
    let lengths = (1..=80).chain([127, 128, 129, 511]);
    lengths
        .zip(settings.into_iter().cycle())
        .map(|(length, (scheme, setting))| (scheme, password(length), setting))
        .collect()
}

fn crypt(rows: &[(Scheme, Vec<u8>, &'static str)]) -> Option<Vec<String>> {
    let spawned =
        Command::new("perl").args(["-e", PERL]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut perl) = spawned else {
        assert!(std::env::var_os("CI").is_none(), "perl is missing, and in CI nothing may be skipped");
        eprintln!("SKIPPED: perl is not installed, so crypt(3) cannot be asked");
        return None;
    };
    let mut input = perl.stdin.take().unwrap();
    for (_, password, setting) in rows {
        for octet in password {
            write!(input, "{octet:02x}").unwrap();
        }
        writeln!(input, " {setting}").unwrap();
    }
    drop(input);
    let output = perl.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}
