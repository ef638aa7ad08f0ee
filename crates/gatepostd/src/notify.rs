//! What the service manager is told, by the datagrams of sd_notify(3): nothing where there is none.

use std::env;
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The way to the service manager.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear that we are alive.
    watchdog: Option<Duration>,
    told: Option<Instant>,
}

impl Notify {
    /// As the environment says. Processes of ours get an empty one, so that nobody else speaks for the daemon.
    pub(crate) fn of_environment() -> Self {
        let watchdog = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        let is_ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let watchdog = watchdog.filter(|_| is_ours).map(|time| Duration::from_micros(time) / 2);
        Self { socket: env::var_os("NOTIFY_SOCKET").and_then(|name| socket(&name)), watchdog, told: None }
    }

    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nMAINPID={}\nSTATUS={status}\n", std::process::id()));
    }

    /// What it shows from now on.
    pub(crate) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={status}\n"));
    }

    /// Before the configuration is read again; [`Notify::ready`] follows.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
    }

    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\n");
    }

    /// Says that we are alive, where it is time to.
    pub(crate) fn alive(&mut self, now: Instant) {
        let Some(interval) = self.watchdog else { return };
        if self.told.is_none_or(|told| now.saturating_duration_since(told) >= interval) {
            self.told = Some(now);
            self.tell("WATCHDOG=1\n");
        }
    }

    fn tell(&self, words: &str) {
        if let Some((socket, address)) = &self.socket {
            // Who does not listen misses it.
            let _ = socket.send_to_addr(words.as_bytes(), address);
        }
    }
}

fn socket(name: &OsString) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', abstracted @ ..] => SocketAddr::from_abstract_name(abstracted).ok()?,
        [b'/', ..] => SocketAddr::from_pathname(name).ok()?,
        _ => return None,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_by_datagrams_and_the_watchdog_in_time() {
        let dir = ::tests::scratch::dir();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let watchdog = Some(Duration::from_secs(5));
        let mut notify = Notify { socket: socket(&path.into_os_string()), watchdog, told: None };
        let hear = || {
            let mut octets = [0; 200];
            let count = manager.recv(&mut octets).unwrap();
            String::from_utf8_lossy(&octets[..count]).into_owned()
        };
        notify.ready("well");
        assert_eq!(hear(), format!("READY=1\nMAINPID={}\nSTATUS=well\n", std::process::id()));
        notify.reloading();
        assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        let now = Instant::now();
        notify.alive(now);
        notify.alive(now + Duration::from_secs(4));
        notify.stopping();
        assert_eq!((hear().as_str(), hear().as_str()), ("WATCHDOG=1\n", "STOPPING=1\n"));
        assert!(socket(&OsString::from("relative")).is_none());
    }
}
