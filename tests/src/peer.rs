//! Real mail servers to try our maps on: each runs below a scratch directory, on loopback only, and ends with its test.
//!
//! Here stands what they share: where maps are built, which addresses are free, and how long anything is waited for.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::program;

pub mod client;
pub mod postfix;
pub mod sasl;
pub mod sendmail;
pub mod smarthost;
pub mod world;

/// How long a peer may keep a test waiting before the test gives up.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// What a server logs in with: it comes in a package of its own, which no server asks for.
const PLAIN: &str = "sasl2/libplain.so";

/// A directory of maps, with an empty configuration in it, so that nothing of the host counts.
#[derive(Debug)]
pub struct Maps(PathBuf);

impl Maps {
    /// Makes the directory in this one.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(place: &Path) -> Self {
        let maps = Self(place.join("maps"));
        std::fs::create_dir(&maps.0).expect("a directory for maps");
        for name in ["gatepost.toml", "none.cf"] {
            std::fs::write(maps.path(name), "").expect("a file beside the maps");
        }
        maps
    }

    /// A file among the maps; of a map the name without its suffix.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Builds the map of this type from text, new or in the place of the one that is there. This is the one place that
    /// knows whose makemap it is.
    ///
    /// # Panics
    /// When it is not built.
    pub fn build(&self, kind: &str, options: &[&str], name: &str, text: &str) {
        let source = self.path(&format!("{name}.source"));
        std::fs::write(&source, text).expect("a source of a map");
        let said = Command::new(program::built("makemap"))
            .arg("--config")
            .arg(self.path("gatepost.toml"))
            .arg("-C")
            .arg(self.path("none.cf"))
            .args(options)
            .args([kind, name])
            .current_dir(&self.0)
            .stdin(std::fs::File::open(&source).map(Stdio::from).expect("the source of the map"))
            .output()
            .expect("makemap");
        assert!(said.status.success(), "makemap {kind} {name}: {}", String::from_utf8_lossy(&said.stderr));
    }
}

/// Waits until there is something to be seen.
///
/// # Panics
/// When it does not come.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ports of this address where nobody listens, all different, for a daemon that cannot ask the kernel itself. A daemon's
/// address is its own among those of the loopback network, so that no connection of another program takes the port
/// before the daemon has it.
fn free<const COUNT: usize>(address: Ipv4Addr) -> [SocketAddrV4; COUNT] {
    let held = [(); COUNT].map(|()| TcpListener::bind((address, 0)).expect("a free port"));
    held.map(|listener| {
        SocketAddrV4::new(address, listener.local_addr().expect("the address of a listener").port())
    })
}

/// What a peer wrote about itself, whose end is shown when its test fails.
#[derive(Debug)]
struct Journal(PathBuf);

impl Drop for Journal {
    #[allow(clippy::print_stderr, reason = "why a peer did not do what a test wants is to be seen")]
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(text) = std::fs::read(&self.0)
        {
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}
