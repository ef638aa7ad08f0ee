//! OpenSSL as a client.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tests::need;

use crate::client::Client;
use crate::world::World;

/// `openssl s_client` as a stream.
pub(crate) struct Openssl {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Openssl {
    pub(crate) fn connect(world: &World, options: &[&str]) -> Option<Client<Self>> {
        let openssl = need::peer("openssl").ok()?;
        let mut command = Command::new(openssl);
        command.args(["s_client", "-quiet", "-crlf", "-connect", &world.address.to_string()]).args(options);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Some(Client::new(Self { child, input, output }))
    }
}

impl Read for Openssl {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer)
    }
}

/// `-crlf` makes CRLF of LF.
impl Write for Openssl {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let lines: Vec<u8> = octets.iter().copied().filter(|octet| *octet != b'\r').collect();
        self.input.write_all(&lines).map(|()| octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
