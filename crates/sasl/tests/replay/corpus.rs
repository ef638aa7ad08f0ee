//! The seeds: a real exchange for each target, the RFCs' examples, and what is malformed in a way that comes far.

use std::sync::Arc;

use credential::{Mechanism, Secret};
use sasl::layer::Protection;
use sasl::{client, server};

use crate::targets::layer::of_number;
use crate::targets::{BETWEEN, PASSWORD, Target, USER};
use crate::world::{Ended, Site, client_settings, dice, exchange, tls};

/// A seed: its target, its name, its octets.
type Seed = (Target, &'static str, Vec<u8>);

pub(crate) fn all() -> Vec<Seed> {
    Target::all().into_iter().flat_map(real).chain(written()).collect()
}

/// What passes when our own two sides, or the two halves of a layer, talk to each other.
fn real(target: Target) -> Vec<Seed> {
    match target {
        Target::Server(mechanism) => {
            let mut seeds = vec![(target, "real", said_by_client(mechanism, &[login(mechanism)]))];
            if mechanism == Mechanism::DigestMd5 {
                seeds.push((target, "real-twice", said_by_client(mechanism, &digest_md5_twice())));
            }
            seeds
        }
        Target::Client(mechanism) if mechanism.has_server() => {
            let mut seeds = vec![(target, "real", said_by_server(mechanism, &[login(mechanism)]))];
            if mechanism == Mechanism::DigestMd5 {
                seeds.push((target, "real-twice", said_by_server(mechanism, &digest_md5_twice())));
            }
            seeds
        }
        Target::Client(_) => Vec::new(),
        Target::Layer(protection) => {
            let packets = packets(protection);
            let cut = packets[..packets.len() - 3].to_vec();
            vec![(target, "real", packets), (target, "cut", cut)]
        }
    }
}

/// The messages of one login, the client's and the server's in turn.
type Login = Vec<Vec<u8>>;

fn login(mechanism: Mechanism) -> Login {
    let (_, ended) = log_in(mechanism);
    ended.messages
}

fn log_in(mechanism: Mechanism) -> (Site, Ended) {
    let mut site = Site::new().with_user(USER, PASSWORD);
    let settings = client_settings(mechanism, USER, None);
    let ended = exchange(&mut site, mechanism, &settings, PASSWORD.as_bytes(), [&tls(), &tls()], |_, _| {});
    assert!(ended.server.is_ok() && ended.client.is_ok(), "{mechanism}: {ended:?}");
    (site, ended)
}

/// A login, and another by one message (RFC 2831, section 2.2).
fn digest_md5_twice() -> Vec<Login> {
    let (mut site, first) = log_in(Mechanism::DigestMd5);
    site.tickets.extend(first.server.unwrap().ticket);
    let settings = Arc::new(client_settings(Mechanism::DigestMd5, USER, None));
    let ticket = first.client.unwrap().ticket.unwrap();
    let client::Step::Secret(asked) = client::resume(ticket, &settings, &tls(), dice(1)) else { panic!() };
    let client::Step::Send { octets, .. } = asked.supply(&Secret::copy_of(PASSWORD.as_bytes())) else {
        panic!()
    };
    let response = octets.unwrap().to_vec();
    let step = server::begin(Mechanism::DigestMd5, Some(&response), &site.settings, &tls(), dice(2));
    let server::Step::Challenge { octets, next } = site.settle(step) else { panic!() };
    assert!(next.is_last(), "asked for more: {}", octets.escape_ascii());
    vec![first.messages, vec![response, octets, Vec::new()]]
}

fn said_by_client(mechanism: Mechanism, logins: &[Login]) -> Vec<u8> {
    let mut said = Vec::new();
    for (number, messages) in logins.iter().enumerate() {
        let server_first = number == 0 && is_server_first(mechanism);
        if server_first {
            said.push(Vec::new());
        }
        let spoken = messages.iter().skip(usize::from(server_first)).step_by(2).cloned();
        let start = said.len();
        said.extend(spoken);
        if said[start].is_empty() {
            said[start] = b"=".to_vec();
        }
    }
    said.join(&BETWEEN)
}

fn said_by_server(mechanism: Mechanism, logins: &[Login]) -> Vec<u8> {
    let mut said = Vec::new();
    for (number, messages) in logins.iter().enumerate() {
        let server_first = number == 0 && is_server_first(mechanism);
        let spoken = messages.iter().skip(usize::from(!server_first)).step_by(2);
        said.extend(spoken.map(|challenge| [b"+", challenge.as_slice()].concat()));
        said.push(b".".to_vec());
    }
    said.join(&BETWEEN)
}

fn is_server_first(mechanism: Mechanism) -> bool {
    matches!(mechanism, Mechanism::Login | Mechanism::CramMd5 | Mechanism::DigestMd5)
}

fn packets(protection: Protection) -> Vec<u8> {
    let mut packets = Vec::new();
    let mut layer = of_number(protection, 1);
    for text in ["EHLO client.example\r\n", "x", "MAIL FROM:<user@example.org>\r\n"] {
        layer.wrap.wrap(text.as_bytes(), &mut packets).unwrap();
    }
    packets
}

/// What is written down here, a message after the other.
fn written() -> impl Iterator<Item = Seed> {
    WRITTEN.iter().map(|(target, name, messages)| {
        let target = Target::named(target).unwrap_or_else(|| panic!("no such target: {target}"));
        (target, *name, messages.iter().map(|text| text.as_bytes()).collect::<Vec<_>>().join(&BETWEEN))
    })
}

/// Target, name, messages.
type Written = (&'static str, &'static str, &'static [&'static str]);

const WRITTEN: &[Written] = &[
    // RFC 4616, section 4.
    ("sasl_server_plain", "rfc4616", &["Ursel\0Kurt\0xipj3plmq"]),
    ("sasl_server_plain", "acts-for-another", &["boss\0user\0pencil"]),
    ("sasl_server_plain", "not-at-once", &["", "\0user@example.org\0pencil"]),
    ("sasl_server_plain", "two-parts", &["user\0pencil"]),
    ("sasl_server_plain", "not-prepared", &["\0us\u{ad}er\u{ff20}example.org\0\u{ff50}encil\u{2168}"]),
    ("sasl_client_plain", "not-at-once", &["+", "."]),
    ("sasl_server_login", "at-once", &["user", "pencil"]),
    ("sasl_server_login", "nobody", &["", "@", ""]),
    ("sasl_client_login", "refused", &["+User Name\0", "+Password\0", "-"]),
    // RFC 2195, section 2.
    ("sasl_server_cram_md5", "rfc2195", &["", "tim b913a602c7eda7a495b4e6e7334d3890"]),
    ("sasl_server_cram_md5", "blanks", &["", "user  00000000000000000000000000000000"]),
    ("sasl_client_cram_md5", "rfc2195", &["+<1896.697170952@postoffice.reston.mci.net>", "."]),
    // RFC 2831, section 4.
    (
        "sasl_client_digest_md5",
        "rfc2831",
        &[
            "+realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",qop=\"auth\",algorithm=md5-sess,charset=utf-8",
            "+rspauth=ea40f60335c427b5527b84dbabcdfffd",
            ".",
        ],
    ),
    (
        "sasl_client_digest_md5",
        "layers",
        &[
            "+realm=\"a\",realm=\"example.org\",nonce=\"x\\\"y\",qop=\"auth,auth-int,auth-conf\",\
             cipher=\"rc4-40,rc4-56,rc4,des,3des\",maxbuf=65536,algorithm=md5-sess,charset=utf-8,x=,,y",
            "=rspauth=00000000000000000000000000000000",
        ],
    ),
    (
        "sasl_server_digest_md5",
        "rfc2831",
        &[
            "",
            "charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",nc=00000001,\
             cnonce=\"OA6MHXh6VqTrRk\",digest-uri=\"imap/elwood.innosoft.com\",\
             response=d388dad90d4bbd760a152321f2143af7,qop=auth",
            "",
        ],
    ),
    (
        "sasl_server_digest_md5",
        "again",
        &["username=\"user\",realm=\"example.org\",nonce=\"x\",nc=00000002,cnonce=\"y\\\"\",qop=auth-conf,\
             cipher=rc4,maxbuf=4096,digest-uri=\"smtp/mail.example.org\",\
             response=d388dad90d4bbd760a152321f2143af7,authzid=\"boss\""],
    ),
    // RFC 5802, section 5.
    (
        "sasl_server_scram_sha_1",
        "rfc5802",
        &[
            "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        ],
    ),
    (
        "sasl_client_scram_sha_1",
        "rfc5802",
        &[
            "+r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "+v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ".",
        ],
    ),
    // RFC 7677, section 3.
    (
        "sasl_server_scram_sha_256",
        "rfc7677",
        &[
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        ],
    ),
    (
        "sasl_client_scram_sha_256",
        "rfc7677",
        &[
            "+r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "+v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ".",
        ],
    ),
    ("sasl_server_scram_sha_256", "downgrade", &["y,,n=user,r=x"]),
    (
        "sasl_server_scram_sha_256",
        "escapes",
        &["n,a=bo=2Css=3D,n=us=2Cer,r=x,x=extension", "c=biws,r=x,p=AAAA"],
    ),
    ("sasl_server_scram_sha_256", "mandatory", &["n,,m=x,n=user,r=x"]),
    ("sasl_client_scram_sha_256", "error", &["+r=x,s=eA==,i=1", "+e=invalid-proof,x=y", "-"]),
    ("sasl_client_scram_sha_256", "too-early", &["."]),
    ("sasl_server_scram_sha_256_plus", "another-channel", &["p=tls-unique,,n=user,r=x"]),
    ("sasl_server_scram_sha_1_plus", "unbound", &["n,a=boss,n=user,r=x"]),
    // RFC 4505, section 3.
    ("sasl_server_anonymous", "rfc4505", &["", "sirhc"]),
    ("sasl_server_anonymous", "control", &["a\nb\u{85}"]),
    ("sasl_server_external", "for-another", &["", "fred@example.com"]),
    ("sasl_client_external", "challenged", &["+", "."]),
    // RFC 7628, section 4.3.
    ("sasl_client_oauthbearer", "accepted", &["."]),
    (
        "sasl_client_oauthbearer",
        "rfc7628",
        &["+{\"status\":\"invalid_token\",\"scope\":\"example_scope\"}", "-"],
    ),
    ("sasl_client_xoauth2", "accepted", &["."]),
    (
        "sasl_client_xoauth2",
        "refused",
        &["+{\"status\":\"401\",\"schemes\":\"bearer\"}\r\n\u{9b}", "+again", "."],
    ),
];
