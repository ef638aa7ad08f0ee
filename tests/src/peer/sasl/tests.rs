use super::*;
use cyrus::Cyrus;

#[test]
fn probe() {
    let Ok(cyrus) = Cyrus::start() else { return };
    let Ok(gsasl) = gsasl::Gsasl::find() else { return };
    for m in ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"] {
        for pw in ["pencil", "wrong"] {
            let mut c = cyrus.client(&Client::new(m, "alice", pw));
            let mut s = gsasl.server(&Server::new(m, "alice", "pencil"));
            println!("{m} {pw} cyrus->gsasl {:?}", exchange(&mut c, &mut s));
            let mut c = gsasl.client(&Client::new(m, "alice", pw));
            let mut s = cyrus.server(&Server::new(m, "alice", "pencil"));
            println!("{m} {pw} gsasl->cyrus {:?}", exchange(&mut c, &mut s));
        }
    }
}
