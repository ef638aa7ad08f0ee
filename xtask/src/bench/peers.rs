//! The peers' programs for maps. Postfix excludes sendmail as a package, so it is unpacked below `target/peers` and told
//! where its parts are.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Place;
use crate::shell::{Outcome, output, root};

/// An unpacked Postfix, with a configuration of its own.
pub(super) struct Postfix {
    tree: PathBuf,
    configuration: PathBuf,
}

impl Postfix {
    /// Unpacks it where that has not been done; `None` where there is no package to be had.
    pub(super) fn find(place: &Place) -> Outcome<Option<Self>> {
        let tree = root().join("target/peers/bench");
        if !tree.join("usr/sbin/postmap").exists() && unpack(&tree).is_err() {
            return Ok(None);
        }
        let configuration = place.file("postfix");
        std::fs::create_dir_all(&configuration)
            .map_err(|error| format!("{}: {error}", configuration.display()))?;
        place.write("postfix/dynamicmaps.cf", DYNAMIC_MAPS)?;
        let own = configuration.display();
        let libraries = tree.join(LIBRARIES);
        let main = format!(
            "compatibility_level = 3.6\nshlib_directory = {}\nmeta_directory = {own}\n\
             data_directory = {own}\nqueue_directory = {own}\nmyhostname = bench.example\n\
             mail_owner = daemon\ndefault_privs = nobody\nsetgid_group = mail\n\
             lmdb_map_size = 8589934592\n",
            libraries.display()
        );
        place.write("postfix/main.cf", &main)?;
        Ok(Some(Self { tree, configuration }))
    }

    pub(super) fn postmap(&self) -> Command {
        let mut command = Command::new(self.tree.join("usr/sbin/postmap"));
        command.env("LD_LIBRARY_PATH", self.tree.join(LIBRARIES)).arg("-c").arg(&self.configuration);
        command
    }
}

fn unpack(tree: &Path) -> Outcome {
    let archives = tree.with_extension("packages");
    std::fs::create_dir_all(&archives).map_err(|error| format!("{}: {error}", archives.display()))?;
    output(Command::new("apt-get").args(["download", "-q"]).args(PACKAGES).current_dir(&archives))?;
    let entries = std::fs::read_dir(&archives).map_err(|error| format!("{}: {error}", archives.display()))?;
    for entry in entries.flatten() {
        output(Command::new("dpkg").arg("-x").arg(entry.path()).arg(tree))?;
    }
    Ok(())
}

const PACKAGES: [&str; 3] = ["postfix", "postfix-cdb", "postfix-lmdb"];
const LIBRARIES: &str = "usr/lib/postfix";
const DYNAMIC_MAPS: &str = "\
cdb postfix-cdb.so dict_cdb_open mkmap_cdb_open
lmdb postfix-lmdb.so dict_lmdb_open mkmap_lmdb_open
";
