//! At a server that says what it likes.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

use crate::{dangers, logins, probe, probe_json};

/// A server that answers by rows: a line of the client begins with the first, and is answered with the second. To a line
/// of no row it says 500; behind an answer that is empty it hangs up; `forever` is said for ever.
fn server(greeting: &'static str, rows: &'static [(&str, &str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(client, greeting, rows));
        }
    });
    address
}

fn serve(client: std::net::TcpStream, greeting: &str, rows: &[(&str, &str)]) {
    let mut reader = BufReader::new(client);
    let mut answer = greeting;
    loop {
        // A client that has had enough is gone.
        while answer.starts_with("forever") {
            if reader.get_mut().write_all(b"250-and on\r\n").is_err() {
                return;
            }
        }
        if answer.is_empty() || reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
        let mut line = String::new();
        if !reader.read_line(&mut line).is_ok_and(|count| count > 0) {
            return;
        }
        answer =
            rows.iter().find(|(start, _)| line.starts_with(start)).map_or("500 what\r\n", |(_, said)| said);
    }
}

const HELLO: (&str, &str) = ("EHLO", "250-a\r\n250-STARTTLS\r\n250 AUTH PLAIN CRAM-MD5\r\n");
const CLOSED: &[(&str, &str)] =
    &[("MAIL", "530 5.7.0 no\r\n"), ("VRFY", "252 maybe\r\n"), ("EXPN", "502 no\r\n")];

#[test]
fn what_is_put_before_the_handshake_is_found() {
    const ROWS: &[(&str, &str)] =
        &[HELLO, ("STARTTLS", "220 go\r\n250-a\r\n250 AUTH PLAIN\r\n"), CLOSED[0], CLOSED[1], CLOSED[2]];
    let address = server("220 a\r\n", ROWS);
    let (exit, objects) = probe_json(&[&format!("smtp://{address}")], "");
    assert_eq!((exit, dangers(&objects)), (1, vec!["injection", "plain-in-clear"]), "{objects:?}");
}

#[test]
fn dangers_are_named_all_at_once() {
    let rows = &[
        ("EHLO", "250-a\r\n250 AUTH=LOGIN ANONYMOUS\r\n"),
        ("MAIL", "250 ok\r\n"),
        ("RCPT", "250 ok\r\n"),
        ("RSET", "250 ok\r\n"),
        ("VRFY", "250 <postmaster@a>\r\n"),
        ("EXPN", "250-<a@a>\r\n250 <b@a>\r\n"),
        ("QUIT", ""),
    ];
    let address = server("220 a\r\n", rows);
    let (exit, objects) = probe_json(&[&address.to_string()], "");
    let expected = vec!["open-relay", "no-tls", "plain-in-clear", "anonymous", "vrfy-tells", "expn-tells"];
    assert_eq!((exit, dangers(&objects)), (1, expected), "{objects:?}");
    assert!(!objects.iter().any(|object| object["text"] == "DATA"), "{objects:?}");
}

#[test]
fn what_is_no_mail_server_is_told_by_the_exit() {
    for (greeting, rows, exit, words) in [
        ("SSH-2.0-OpenSSH\x1b[2J\r\n", &[][..], 76, "this is no reply of SMTP: \"SSH-2.0-OpenSSH?[2J\""),
        ("220-a\r\n554 b\r\n", &[], 76, "a reply that begins with 220 goes on with 554"),
        ("220 a\n", &[], 76, "a LF that stands alone"),
        ("forever", &[], 76, "a reply 250 that is too long"),
        ("554 no\r\n", &[], 69, "it wants nothing to do with us: 554 no"),
        ("421 busy\r\n", &[], 75, "it has no time for us: 421 busy"),
        ("220 a\r\n", &[("EHLO", "421 busy\r\n")], 75, "it refuses to be greeted for now: 421 busy"),
        ("", &[], 75, "the server has hung up, greeting not answered"),
        ("220 a\r\n", &[("EHLO", "")], 75, "the server has hung up, EHLO not answered"),
        ("220 a\r\n", &[("EHLO", "250-a\r\n")], 75, "the server took too long: EHLO not answered"),
        ("220 a\r\n", &[("EHLO", "forever")], 76, "a reply 250 that is too long"),
    ] {
        let address = server(greeting, rows);
        let done = probe(&[&format!("smtp://{address}"), "--timeout", "1"], "");
        assert_eq!(done.exit, exit, "{greeting}: {done:?}");
        assert!(done.err.contains(words), "{greeting}: {done:?}");
        assert!(!done.out.contains('\x1b') && !done.err.contains('\x1b'), "{done:?}");
    }
}

#[test]
fn where_nobody_is_or_tls_was_meant_is_told_by_the_exit() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let clear = server("220 a\r\n", &[]);
    for (url, exit, words) in [
        (format!("smtp://{nobody}"), 69, "Connection refused"),
        (format!("smtps://{clear}"), 76, "the server does not speak TLS here"),
        ("unix:/nonexistent/socket".to_owned(), 69, "No such file"),
        ("imap://a".to_owned(), 64, "smtp://"),
    ] {
        let done = probe(&[&url, "--timeout", "5"], "");
        assert!(done.exit == exit && done.err.contains(words), "{url}: {done:?}");
    }
}

#[test]
fn success_without_proof_and_330_are_told_for_what_they_are() {
    const ROWS: &[(&str, &str)] = &[
        ("EHLO", "250-a\r\n250 AUTH SCRAM-SHA-256 CRAM-MD5 PLAIN\r\n"),
        ("AUTH SCRAM", "235 come in\r\n"),
        ("AUTH CRAM", "330 PDFAYT4=\r\n"),
        ("dXNlciA", "235 come in\r\n"),
        CLOSED[0],
        CLOSED[1],
        CLOSED[2],
    ];
    let address = server("220 a\r\n", ROWS).to_string();
    let done = probe(&[&address, "--user", "user"], "secret");
    assert!(
        done.out.contains("login by SCRAM-SHA-256: failed: given up: server claims success before"),
        "{}",
        done.out
    );
    assert!(done.out.contains("    = RFC 4954 has 334 here; taken all the same"), "{}", done.out);
    assert!(done.out.contains("DANGER uneven-mechanisms"), "{}", done.out);
    let (exit, objects) = probe_json(&[&address, "--user", "user"], "secret");
    let expected = [("SCRAM-SHA-256", "failed"), ("CRAM-MD5", "let in"), ("PLAIN", "not tried")];
    assert_eq!((exit, logins(&objects)), (1, expected.to_vec()), "{objects:?}");
}

#[test]
fn trouble_of_the_server_is_no_wrong_password() {
    const ROWS: &[(&str, &str)] = &[
        ("EHLO", "250-a\r\n250 AUTH CRAM-MD5\r\n"),
        ("AUTH", "454 4.3.0 later\r\n"),
        CLOSED[0],
        CLOSED[1],
        CLOSED[2],
    ];
    let address = server("220 a\r\n", ROWS);
    let done = probe(&[&address.to_string(), "--user", "user"], "secret");
    assert_eq!(done.exit, 75, "{done:?}");
    assert!(
        done.out.contains("later (454 4.3.0 later): trouble of the server's own, not a wrong password"),
        "{}",
        done.out
    );
}
