//! What a server costs as a whole: all processes below one, those that have ended included.

use std::collections::HashMap;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::shell::Outcome;

/// The processor time of these processes and everything below them. What has ended is in the account of who waited for
/// it; so a server must not be asked while its processes are being waited for.
pub(super) fn processor(roots: &[u32]) -> Outcome<Duration> {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u32::try_from(ticks).ok());
    let ticks = ticks.filter(|ticks| *ticks > 0).ok_or("no clock ticks")?;
    let processes = processes();
    let spent: u64 =
        below(roots, &processes).iter().filter_map(|id| processes.get(id)).map(|it| it.ticks).sum();
    Ok(Duration::from_secs(spent) / ticks)
}

/// The memory of these processes and everything below them, in KiB: what several share is counted once (PSS).
pub(super) fn memory(roots: &[u32]) -> Outcome<u64> {
    below(roots, &processes()).into_iter().map(proportional).sum()
}

fn proportional(process: u32) -> Outcome<u64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let field = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB"));
    field.and_then(|number| number.parse().ok()).ok_or_else(|| format!("{path} has no Pss"))
}

struct Process {
    parent: u32,
    /// Its own and those of children that it has waited for.
    ticks: u64,
}

fn processes() -> HashMap<u32, Process> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| Some((id, read(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?)))
        .collect()
}

/// proc_pid_stat(5): behind the name, which may hold anything, the state, the parent, and from the 14th field on utime, stime,
/// cutime, cstime.
fn read(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Process { parent, ticks })
}

fn below(roots: &[u32], processes: &HashMap<u32, Process>) -> Vec<u32> {
    let mut found = roots.to_vec();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(processes.iter().filter(|(_, it)| it.parent == parent).map(|(id, _)| *id));
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_moves_no_field() {
        let stat = "7 (a) b (c) S 5 7 7 0 -1 0 1 0 0 0 11 22 33 44 20 0 1";
        let process = read(stat).unwrap();
        assert_eq!((process.parent, process.ticks), (5, 110));
    }

    #[test]
    fn grandchildren_belong_to_a_tree() {
        let process = |parent| Process { parent, ticks: 0 };
        let processes = HashMap::from([(2, process(1)), (3, process(2)), (4, process(9))]);
        assert_eq!(below(&[1], &processes), [1, 2, 3]);
    }
}
