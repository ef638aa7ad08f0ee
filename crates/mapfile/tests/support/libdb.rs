//! libdb itself, by its own tools and by perl: what it says of a file that we wrote.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::records::{Pair, first_values};
use ::tests::need::{self, Missing};

/// The programs of the peer.
pub(crate) struct Libdb {
    verify: PathBuf,
    dump: PathBuf,
    perl: PathBuf,
}

impl Libdb {
    /// What is installed here.
    pub(crate) fn find() -> Result<Self, Missing> {
        let (verify, dump) = (need::peer("db5.3_verify")?, need::peer("db5.3_dump")?);
        Ok(Self { verify, dump, perl: need::peer("perl")? })
    }

    /// Fails unless it finds nothing wrong and gives the same records, in the same order, as they are here.
    pub(crate) fn check(&self, path: &Path, records: &[Pair], what: &str) {
        self.verify(path, what);
        let text = records.iter().fold(String::new(), |mut text, (key, value)| {
            let _ = writeln!(text, " {}\n {}", hex(key), hex(value));
            text
        });
        assert!(self.dumped(path) == text, "{what}: the same records in the same order");
        self.look_up(path, records, what);
    }

    /// What it finds wrong it may only print: the order of keys on a page, for one.
    pub(crate) fn verify(&self, path: &Path, what: &str) {
        let said = Command::new(&self.verify).arg(path).output().unwrap();
        let text = text(&said);
        let fine = text.lines().all(|line| line.ends_with("succeeded.")) && text.lines().count() <= 1;
        assert!(said.status.success() && fine, "{what}: {text}");
    }

    /// Its own look-up finds every key, with the first value, and no other.
    fn look_up(&self, path: &Path, records: &[Pair], what: &str) {
        let keys = first_values(records).into_iter().fold(String::new(), |mut text, (key, value)| {
            let _ = writeln!(text, "{} {}", hex(key), hex(value));
            text
        });
        self.perl(LOOK_UP, path, &keys, what);
    }

    /// Adds, replaces and deletes by libdb, and checks what is left.
    pub(crate) fn change(&self, path: &Path, what: &str) {
        self.perl(CHANGE, path, "", what);
        self.verify(path, what);
    }

    fn perl(&self, script: &str, path: &Path, input: &str, what: &str) {
        let script = format!("{OPEN}{script}");
        let mut perl = Command::new(&self.perl);
        perl.args(["-e", &script]).arg(path);
        perl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = perl.spawn().unwrap();
        // A script that dies reads no further; what it says is what counts.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let said = child.wait_with_output().unwrap();
        assert!(said.status.success() && text(&said).is_empty(), "{what}: {}", text(&said));
    }

    fn dumped(&self, path: &Path) -> String {
        let said = Command::new(&self.dump).arg(path).output().unwrap();
        assert!(said.status.success(), "{}", text(&said));
        let text = String::from_utf8(said.stdout).unwrap();
        text.lines().filter(|line| line.starts_with(' ')).fold(String::new(), |all, line| all + line + "\n")
    }
}

fn text(said: &Output) -> String {
    String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The type is that of the file: opening it as the other fails.
const OPEN: &str = r#"
    use DB_File; use Fcntl; use strict; use warnings; srand(7);
    my $map = DB_File->TIEHASH($ARGV[0], O_RDWR, 0600, $DB_HASH)
        || DB_File->TIEHASH($ARGV[0], O_RDWR, 0600, $DB_BTREE) or die "open: $!";
"#;

const LOOK_UP: &str = r#"
    my %there;
    while (<STDIN>) {
        chomp;
        my ($key, $value) = map { pack "H*", $_ } split / /, $_, -1;
        $there{$key} = 1;
        my $found;
        $map->get($key, $found) == 0 or die "not found: " . unpack("H*", $key);
        $found eq $value or die "another value: " . unpack("H*", $key);
    }
    for my $absent (map { ("$_\0", "x$_", s/.\z//sr) } keys %there) {
        my $found;
        $there{$absent} || $map->get($absent, $found) == 1 or die "found: " . unpack("H*", $absent);
    }
"#;

/// All values of a key are deleted before it gets another: duplicates or not, there is one then.
const CHANGE: &str = r#"
    my (%want, $key, $value);
    for (my $at = $map->seq($key = "", $value, R_FIRST); $at == 0; $at = $map->seq($key, $value, R_NEXT)) {
        $want{$key} //= $value;
    }
    my @keys = sort keys %want;
    for my $round (1 .. 3) {
        for my $key (grep { rand() < 0.5 } @keys, map { "new$_" } 1 .. 300) {
            exists $want{$key} and $map->del($key) == 0 || die "delete: $!";
            delete $want{$key};
            next if rand() < 0.3;
            $want{$key} = "v" x int(rand(rand() < 0.1 ? 9000 : 60));
            $map->put($key, $want{$key}) == 0 or die "put: $!";
        }
    }
    for my $key (keys %want) {
        $map->get($key, $value) == 0 && $value eq $want{$key} or die "lost: " . unpack("H*", $key);
    }
    $map->sync() == 0 or die "sync: $!";
"#;
