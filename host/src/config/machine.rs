//! Owns what the process may use of its machine: the memory, from which the defaults of the totals follow.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Where the machine does not say how much memory it has: as much as a small one.
const UNKNOWN_BYTES: u64 = 1 << 30;

/// So many hundredths of the memory that the process may use.
pub(crate) fn share(hundredths: u64) -> u64 {
    static MEMORY: OnceLock<u64> = OnceLock::new();
    *MEMORY.get_or_init(memory_bytes) / 100 * hundredths
}

/// What the machine has, or the control groups that the process is in allow.
fn memory_bytes() -> u64 {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total_of(&text));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let allowed = group_files(&groups)
        .into_iter()
        .filter_map(|path| read(Path::new(&path))?.trim().parse().ok())
        .min();
    machine
        .into_iter()
        .chain(allowed)
        .min()
        .unwrap_or(UNKNOWN_BYTES)
}

/// The total in `/proc/meminfo`, which is in KiB.
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

/// The files that hold the bounds on the memory of these groups and those around them: version 2, and version 1.
fn group_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // Within a container the path may be that of the host, while its own root is mounted.
        let around = Path::new(path.trim_start_matches('/')).ancestors();
        files.extend(
            around.map(|group| Path::new(root).join(group).join(file).display().to_string()),
        );
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_how_much_memory_it_has() {
        let meminfo = "MemFree:  1 kB\nMemTotal:       24689112 kB\n";
        assert_eq!(total_of(meminfo), Some(24_689_112 * 1024));
        assert_eq!(total_of("MemTotal: much"), None);
    }

    #[test]
    fn the_bounds_of_a_group_and_of_those_around_it_are_looked_up() {
        assert_eq!(
            group_files("0::/a/b\n"),
            [
                "/sys/fs/cgroup/a/b/memory.max",
                "/sys/fs/cgroup/a/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        assert_eq!(
            group_files("3:cpu,memory:/x\n2:pids:/x\n"),
            [
                "/sys/fs/cgroup/memory/x/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ]
        );
    }

    #[test]
    fn shares_are_parts_of_one_whole() {
        assert!(share(100) > 64 << 20, "{}", share(100));
        assert!(share(5) * 20 <= share(100));
    }
}
