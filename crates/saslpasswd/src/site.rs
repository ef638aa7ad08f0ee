//! The place where a task works: configuration, whom to trust, which store, who asks, and when.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cli::{Exit, Io, Report, printable};
use config::trusted_user::{self, Files, Given, Origin, TrustedUserError};
use config::{Config, HostAccounts};
use credential::{ChangedBy, DecoyKey, Identity, Policy, Realm, Record, Salts, Timestamp, Username};
use safefile::{Account, Kind, ReplaceError, Replacement, SafeFile, Trust, Uid};
use store::secrets::{Access, Edit, NewStore, SecretStore};
use store::{StoreError, Wait};

use crate::date;
use crate::options::{Effect, ListOptions, Options, Who};
use crate::trouble;

/// Everything that a task needs to know beside its own arguments.
pub(crate) struct Site {
    config: Config,
    trust: Trust,
    /// The store.
    pub(crate) path: PathBuf,
    wait: Wait,
    app: String,
    /// Whether anything is changed.
    pub(crate) effect: Effect,
    /// When the task began.
    pub(crate) now: Timestamp,
}

impl Site {
    /// Reads the configuration and finds out who is trusted.
    pub(crate) fn find(program: &str, options: &Options) -> Result<Self, Report> {
        let (config, trust) = agreed(options.config.as_deref(), options.trusted_user.as_deref())?;
        Ok(Self {
            path: options.store.clone().unwrap_or_else(|| config.secrets.path.clone()),
            config,
            trust,
            wait: telling(Wait::up_to(options.wait), program),
            app: options.app.clone(),
            effect: options.effect,
            now: date::now(),
        })
    }

    /// For sasldblistusers, which changes nothing.
    pub(crate) fn to_list(program: &str, options: &ListOptions) -> Result<Self, Report> {
        let (config, trust) = agreed(options.config.as_deref(), options.trusted_user.as_deref())?;
        Ok(Self {
            path: options.file.clone().unwrap_or_else(|| config.secrets.path.clone()),
            config,
            trust,
            wait: telling(Wait::default(), program),
            app: "sasldblistusers".to_owned(),
            effect: Effect::Rehearse,
            now: date::now(),
        })
    }

    /// What is kept of a password, and at which cost.
    pub(crate) fn policy(&self) -> &Policy {
        &self.config.secrets.policy
    }

    /// The realm of users who are named without one: `-u`, else the configuration's, for which the resolver is asked where
    /// that does not say.
    pub(crate) fn realm(&self, given: Option<&str>) -> Result<Realm, Report> {
        if let Some(name) = given {
            let shown = printable::octets(name);
            return Realm::prepare(name).map_err(|error| trouble::refused(format_args!("{shown}: {error}")));
        }
        let name = self.config.realm();
        let shown = format!("realm {}", printable::octets(&name));
        Realm::prepare(&name).map_err(|error| Report::new(Exit::CONFIG, shown, error))
    }

    /// The identity that was typed: split at the first `@`; the realm in it beats `-u`.
    pub(crate) fn identity(&self, who: &Who) -> Result<Identity, Report> {
        let bad =
            |error| trouble::refused(format_args!("{}: {error}", printable::octets(who.userid.as_bytes())));
        let octets = who.userid.as_bytes();
        let mut parts = octets.splitn(2, |&octet| octet == b'@');
        let user = Username::of_userid(parts.next().unwrap_or_default()).map_err(bad)?;
        let realm = match (parts.next(), &who.realm) {
            (Some(realm), _) => Realm::from_octets(realm).map_err(bad)?,
            (None, given) => self.realm(given.as_deref())?,
        };
        Ok(Identity::new(user, realm))
    }

    /// Whom to trust for a file: exceptions are named per file. The store has none.
    pub(crate) fn trust_for(&self, path: &Path) -> Trust {
        self.config.trust_for(path, self.trust.clone())
    }

    /// Whom to trust for a store or a copy of it.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Opens a file of secrets that is not the store.
    pub(crate) fn open_secret(&self, path: &Path) -> Result<SafeFile, Report> {
        SafeFile::open(path, Kind::Secret, &self.trust_for(path)).map_err(Report::from)
    }

    /// Opens the store; where something else stands in its place, the report says what and how to bring it in.
    pub(crate) fn open(&self, access: Access) -> Result<SecretStore, Report> {
        self.try_open(access)?.ok_or_else(|| self.missing())
    }

    /// Opens the store; `None`: nothing is there. Who only rehearses does not touch it.
    pub(crate) fn try_open(&self, access: Access) -> Result<Option<SecretStore>, Report> {
        let access = if self.effect == Effect::Rehearse { Access::Read } else { access };
        match SecretStore::open(&self.path, &self.trust, access, self.wait.clone()) {
            Ok(store) => Ok(Some(store)),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(trouble::not_opened(error, &self.path)),
        }
    }

    /// How long another program that writes is waited for.
    pub(crate) fn patience(&self) -> Duration {
        self.wait.limit()
    }

    /// Makes the store, with what `fill` puts into it.
    pub(crate) fn create<T>(
        &self,
        fill: impl FnOnce(&mut Edit<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut key = [0; DecoyKey::OCTETS];
        random(&mut key).map_err(|source| StoreError::Io { path: self.path.clone(), source })?;
        let new = NewStore { decoy_key: DecoyKey::new(key), created: self.now };
        SecretStore::create(&self.path, &self.trust, new, fill)
    }

    /// Whether the store could be made, as far as that shows without making it.
    pub(crate) fn rehearse_creation(&self) -> Result<(), Report> {
        rehearse_new(&self.path, &self.trust).map_err(trouble::report)
    }

    /// Nothing is at the store's path, and nobody asked to make it.
    pub(crate) fn missing(&self) -> Report {
        Report::new(Exit::NOINPUT, printable::path(&self.path), "no such store")
            .because("only -c, --import and --load make one, so that a mistyped name does not")
            .mend(format_args!("saslpasswd -c -f {} USERID", safefile::shell_quote(&self.path)))
    }

    /// Who makes a change, with what.
    pub(crate) fn changed_by(&self) -> Result<ChangedBy, Report> {
        changed_with(&self.app)
    }

    /// Changes one user's record by `edit`, in a transaction of its own; `None` where there is no such user. `edit` may
    /// run again when another program was faster.
    pub(crate) fn change<T>(
        &self,
        store: &SecretStore,
        identity: &Identity,
        mut edit: impl FnMut(&mut Record) -> Result<T, Report>,
    ) -> Result<Option<T>, Report> {
        loop {
            let Some(mut stored) = store.look_up(identity).map_err(trouble::report)? else { return Ok(None) };
            let value = edit(&mut stored.record)?;
            if self.effect == Effect::Rehearse {
                return Ok(Some(value));
            }
            stored.record.touch(self.now, self.changed_by()?);
            let put = store.write(|change| change.put_if(&stored.record, Some(stored.revision)));
            if put.map_err(trouble::report)?.is_some() {
                return Ok(Some(value));
            }
        }
    }

    /// Says what was done, or would be in a rehearsal.
    pub(crate) fn confirm(&self, io: &mut Io, identity: &Identity, what: &str) -> Result<(), Report> {
        let rehearsal = self.effect == Effect::Rehearse;
        if io.format() == cli::Format::Json {
            let user = identity.to_string();
            return io.out().json(&serde_json::json!({ "user": user, "done": what, "dry_run": rehearsal }));
        }
        let user = printable::octets(&identity.to_string()).to_string();
        io.out().line(format_args!("{user}: {}{what}", if rehearsal { "would be " } else { "" }))
    }
}

/// The configuration, and whom it and the command line trust: beside root and the TrustedUser the person who started
/// this tool by hand.
fn agreed(named: Option<&Path>, flag: Option<&str>) -> Result<(Config, Trust), Report> {
    let caller = Uid::effective();
    let config = Config::load(named, &Trust::root().caller(caller)).map_err(trouble::of_config)?;
    let given = Given { flag, sendmail_cf: None, config: Some(&config) };
    let trusted = trusted_user::resolve(&given, Files::Ours, &HostAccounts).map_err(|error| match error {
        TrustedUserError::Unknown { origin: Origin::Flag, .. } => Report::plain(Exit::USAGE, error),
        TrustedUserError::Unknown { .. } => Report::plain(Exit::CONFIG, error),
        TrustedUserError::Failed(_) => Report::plain(Exit::OSERR, error),
    })?;
    let trust = trusted.trust().caller(caller);
    Ok((config, trust))
}

/// Whether a store, or a copy of one, could be made here.
pub(crate) fn rehearse_new(path: &Path, trust: &Trust) -> Result<(), StoreError> {
    Replacement::rehearse_new(path, Kind::Store, trust).map_err(|error| match error {
        ReplaceError::Exists { path } => StoreError::Exists { path },
        other => StoreError::NotReplaced(other),
    })
}

/// Who makes a change, with this.
pub(crate) fn changed_with(app: &str) -> Result<ChangedBy, Report> {
    ChangedBy::new(&Account::by_uid(Uid::effective()).short(), app)
        .map_err(|error| Report::new(Exit::USAGE, "-a", error))
}

/// Fresh salts.
pub(crate) fn salts() -> Result<Salts, Report> {
    let mut octets = [0; Salts::OCTETS];
    random(&mut octets).map_err(no_random)?;
    Ok(Salts::from_random(octets))
}

fn no_random(error: std::io::Error) -> Report {
    Report::new(Exit::OSERR, "the system's random numbers", error)
}

fn random(octets: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(octets).map_err(|error| std::io::Error::other(error.to_string()))
}

/// A wait of which a person is told why nothing happens.
fn telling(wait: Wait, program: &str) -> Wait {
    let program = program.to_owned();
    wait.telling(move || say_that_we_wait(&program))
}

/// Told from inside the store, where no `Io` is at hand; only a person is told.
fn say_that_we_wait(program: &str) {
    use std::io::{IsTerminal as _, Write as _};
    let mut err = std::io::stderr();
    if err.is_terminal() {
        let _ = writeln!(err, "{program}: waiting for another program that is writing to the store");
    }
}
