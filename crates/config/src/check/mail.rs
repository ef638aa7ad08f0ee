//! Relaying, submission, queue and delivery, and what guessing costs.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::Reader;
use crate::model::{Config, Delivery, Queue, Submission, Throttle};
use crate::parse::{At, Section, Table};
use crate::words::{Domain, DomainError, MapName, Network};

impl Reader<'_, '_> {
    pub(super) fn host_name(&mut self, top: Table<'_>) -> Option<Domain> {
        let text = top.text("host_name", self.found)?;
        self.parsed(&text)
    }

    pub(super) fn local_domains(&mut self, top: Table<'_>) -> Option<BTreeSet<Domain>> {
        let domains = self.domains("local_domains", top)?;
        Some(domains.into_iter().map(|domain| domain.value).collect())
    }

    pub(super) fn relay_domains(&mut self, top: Table<'_>) -> BTreeSet<Domain> {
        let domains = self.domains("relay_domains", top).unwrap_or_default();
        for top_level in domains.iter().filter(|domain| domain.value.is_top()) {
            let cause = format_args!("relay_domains holds every domain below {}", top_level.value);
            self.found.remark(top_level.at.clone(), cause, "anybody may relay there");
        }
        domains.into_iter().map(|domain| domain.value).collect()
    }

    fn domains(&mut self, key: &str, top: Table<'_>) -> Option<Vec<At<Domain>>> {
        let words = top.words(key, self.found)?;
        Some(words.into_iter().filter_map(|word| self.domain(word)).collect())
    }

    fn domain(&mut self, word: At<&str>) -> Option<At<Domain>> {
        match word.value.parse() {
            Ok(domain) => return Some(At { value: domain, at: word.at }),
            Err(error @ DomainError::Address(_)) => {
                let hint = "clients may relay by the access map: Connect:ADDRESS RELAY";
                self.found.add_with_hint(word.at, error, hint);
            }
            Err(error) => self.found.add(word.at, error),
        }
        None
    }

    pub(super) fn submission(&mut self, top: Table<'_>) -> Submission {
        let table = top.table(&SUBMISSION, self.found);
        Submission {
            senders: table.parsed("senders", self.found).unwrap_or_default(),
            received_user: table.flag("received_user", self.found).is_some_and(|flag| flag.value),
        }
    }

    pub(super) fn queue(&mut self, table: Table<'_>) -> Queue {
        let default = Queue::default();
        Queue {
            directory: table.path("directory", self.found).map_or(default.directory, |path| path.value),
            min_free: table.size("min_free", 0..=(1 << 40), self.found).unwrap_or(default.min_free),
            lifetime: table
                .time("lifetime", LIFETIMES, self.found)
                .map_or(default.lifetime, |time| time.value),
        }
    }

    pub(super) fn delivery(&mut self, table: Table<'_>) -> Delivery {
        let maildirs = table.path("maildirs", self.found);
        Delivery { maildirs: maildirs.map_or(Delivery::default().maildirs, |path| path.value) }
    }

    /// The front's directories: neither lies in the other, or mail would be delivered into the queue, and nothing lies in
    /// them that the front may not reach.
    pub(super) fn lie_apart(&mut self, queue: Table<'_>, delivery: Table<'_>, config: &Config) {
        let (waiting, delivered) = (&config.queue.directory, &config.delivery.maildirs);
        if waiting.starts_with(delivered) || delivered.starts_with(waiting) {
            let at =
                if delivery.has("maildirs") { delivery.place("maildirs") } else { queue.place("directory") };
            self.found.add(at, "queue.directory and delivery.maildirs lie in each other");
        }
        for (table, key, directory) in [(queue, "directory", waiting), (delivery, "maildirs", delivered)] {
            for inside in secrets(config).filter(|path| path.starts_with(directory)) {
                let shown = safefile::display_path(&inside);
                let cause = format_args!("this directory belongs to the front, which may not reach {shown}");
                self.found.add(table.place(key), cause);
            }
        }
    }

    pub(super) fn throttle(&mut self, top: Table<'_>) -> Throttle {
        let table = top.table(&THROTTLE, self.found);
        let default = Throttle::default();
        let number = |key, bounds, found: &mut _| table.number(key, bounds, found).map(|number| number.value);
        let enabled = table.flag("enabled", self.found);
        let longest = table.time("longest_delay", DELAYS, self.found);
        let forget = table.time("forget_after", MEMORY, self.found);
        let throttle = Throttle {
            enabled: enabled.as_ref().is_none_or(|flag| flag.value),
            delay_after: number("delay_after", 0..=MOST_FAILURES, self.found).unwrap_or(default.delay_after),
            longest_delay: longest.map_or(default.longest_delay, |time| time.value),
            refuse_after: number("refuse_after", 1..=MOST_FAILURES, self.found)
                .unwrap_or(default.refuse_after),
            forget_after: forget.map_or(default.forget_after, |time| time.value),
            exempt: self.exempt(table),
            max_connections_per_address: number("max_connections_per_address", 1..=1_000_000, self.found)
                .unwrap_or(default.max_connections_per_address),
            password_checks: number("password_checks", 1..=1024, self.found),
        };
        if let Some(enabled) = enabled.filter(|flag| !flag.value) {
            let hint = "passwords may be guessed as fast as they can be checked";
            self.found.remark(enabled.at, "throttle.enabled is false", hint);
        }
        if throttle.delay_after > throttle.refuse_after {
            let cause = format_args!(
                "throttle.delay_after is more than throttle.refuse_after: {} and {}",
                throttle.delay_after, throttle.refuse_after
            );
            let key = if table.has("delay_after") { "delay_after" } else { "refuse_after" };
            self.found.add(table.place(key), cause);
        }
        throttle
    }

    fn exempt(&mut self, table: Table<'_>) -> Vec<Network> {
        let words = table.words("exempt", self.found).unwrap_or_default();
        words.into_iter().filter_map(|word| self.parsed(&word)).collect()
    }
}

/// What only the keeper may reach.
fn secrets(config: &Config) -> impl Iterator<Item = PathBuf> {
    let maps = config.client_info.maps.iter().map(MapName::file);
    std::iter::once(config.secrets.path.clone())
        .chain(maps)
        .chain(config.client_info.default_auth_info.clone())
}

pub(super) const SUBMISSION: Section = Section { name: "submission", keys: &["senders", "received_user"] };
pub(super) const QUEUE: Section = Section { name: "queue", keys: &["directory", "min_free", "lifetime"] };
pub(super) const DELIVERY: Section = Section { name: "delivery", keys: &["maildirs"] };
pub(super) const THROTTLE: Section = Section {
    name: "throttle",
    keys: &[
        "enabled",
        "delay_after",
        "longest_delay",
        "refuse_after",
        "forget_after",
        "exempt",
        "max_connections_per_address",
        "password_checks",
    ],
};

const MOST_FAILURES: u32 = 10_000;
/// A minute is for whoever tries it out.
const LIFETIMES: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(365 * 24);
const DELAYS: RangeInclusive<Duration> = Duration::from_secs(0)..=Duration::from_mins(4);
const MEMORY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(168);
