//! Every file that the configuration names, with what it is and which exceptions it has: what `authcheck config`
//! audits, and whom an opener may trust for a path.

use std::path::{Path, PathBuf};

use safefile::{Exception, Kind, Trust};

use crate::Config;

/// A file that the configuration names.
#[derive(Clone, Debug)]
pub struct NamedFile {
    /// The file itself, the ending of its type included.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// What is accepted of it.
    pub exceptions: Vec<Exception>,
    /// Which key names it: `secrets.path`.
    pub named_by: &'static str,
}

impl Config {
    /// Every file that the configuration names, itself first. One that is named twice stands here once, as the kind
    /// that asks for more.
    pub fn files(&self) -> Vec<NamedFile> {
        let mut files: Vec<NamedFile> = Vec::new();
        for (path, kind, named_by) in self.named() {
            match files.iter_mut().find(|file| file.path == path) {
                Some(file) if kind.is_secret() && !file.kind.is_secret() => {
                    (file.kind, file.named_by) = (kind, named_by);
                }
                Some(_) => {}
                None => {
                    let exceptions = self.exceptions(&path).to_vec();
                    files.push(NamedFile { path, kind, exceptions, named_by });
                }
            }
        }
        files
    }

    /// What the configuration says a file is; `None` where it does not name it.
    pub fn kind_of(&self, path: &Path) -> Option<Kind> {
        self.files().into_iter().find(|file| file.path == path).map(|file| file.kind)
    }

    /// The exceptions of one file.
    pub fn exceptions(&self, path: &Path) -> &[Exception] {
        self.files.iter().find(|rule| rule.path == path).map_or(&[], |rule| &rule.exceptions)
    }

    /// Whom to trust for one file: `base` (root, the TrustedUser, the caller) and the exceptions of this file.
    pub fn trust_for(&self, path: &Path, base: Trust) -> Trust {
        self.exceptions(path).iter().cloned().fold(base, Trust::except)
    }

    fn named(&self) -> Vec<(PathBuf, Kind, &'static str)> {
        let mut named = vec![
            (self.path.clone(), Kind::Configuration, "--config"),
            (self.secrets.path.clone(), Kind::Store, "secrets.path"),
        ];
        let tls = [
            (&self.tls.certificate, Kind::Certificate, "tls.certificate"),
            (&self.tls.key, Kind::PrivateKey, "tls.key"),
            (&self.tls.client_ca, Kind::Certificate, "tls.client_ca"),
            (&self.client_info.default_auth_info, Kind::Secret, "client_info.default_auth_info"),
        ];
        named.extend(tls.into_iter().filter_map(|(path, kind, key)| Some((path.clone()?, kind, key))));
        named.extend(self.client_info.maps.iter().map(|map| (map.file(), Kind::Secret, "client_info.maps")));
        named.extend(self.access_map.iter().map(|map| (map.file(), Kind::Map, "access_map")));
        named.extend(self.files.iter().filter_map(|rule| Some((rule.path.clone(), rule.kind?, "file"))));
        named
    }
}
