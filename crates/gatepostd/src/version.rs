//! `gatepostd --version --verbose`: what sendmail says with `-d0.1`.

use cli::{Exit, Io, Report};
use config::{Config, Limits};
use credential::Mechanism;
use safefile::display_path;

/// Says which version it is and, where that is wanted, what is in it.
pub(crate) fn say(is_verbose: bool, io: &mut Io) -> Result<Exit, Report> {
    io.out().line(concat!("gatepostd ", env!("CARGO_PKG_VERSION")))?;
    if is_verbose {
        for (what, words) in facts() {
            io.out().line(format_args!("{what:>18}: {words}"))?;
        }
    }
    Ok(Exit::OK)
}

fn facts() -> Vec<(&'static str, String)> {
    let (config, limits) = (Config::default(), Limits::default());
    let mechanisms: Vec<_> =
        Mechanism::ALL.into_iter().filter(|it| it.has_server()).map(Mechanism::name).collect();
    vec![
        ("mechanisms", mechanisms.join(" ")),
        ("kinds of maps", config::words::known_types()),
        ("TLS", "1.3, 1.2 (rustls, ring)".to_owned()),
        ("configuration", config::DEFAULT_PATH.to_owned()),
        ("store", display_path(&config.secrets.path)),
        ("queue", display_path(&config.queue.directory)),
        ("Maildirs", display_path(&config.delivery.maildirs)),
        ("control socket", display_path(&config.control_socket)),
        ("pid file", display_path(&config.pid_file)),
        ("message", format!("{} octets, {} recipients", limits.max_message_size, limits.max_recipients)),
        ("connections", format!("{} of one listener", limits.max_connections)),
        ("front runs as", config.front().to_owned()),
    ]
}
