//! What a process has used, CPU and memory, and how much memory it may use.

use std::time::Duration;

/// A process's use of the machine so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident: u64,
    /// The most resident memory ever, in bytes.
    pub peak: u64,
}

pub use system::Process;

/// What [`memory_limit`] says where the system says nothing.
const ASSUMED_MEMORY: usize = 4 << 30;

/// Bytes of memory that this process may use: what the machine has, or what its cgroups allow if that is less.
pub fn memory_limit() -> usize {
    system::memory_limits().into_iter().min().unwrap_or(ASSUMED_MEMORY)
}

#[cfg(target_os = "linux")]
mod system {
    use super::Usage;
    use std::fs;
    use std::time::Duration;

    /// The kernel reports CPU time to every process in hundredths of a second, whatever its own tick.
    const TICKS_PER_SECOND: u64 = 100;

    /// A process to look at while it runs.
    #[derive(Debug)]
    pub struct Process {
        folder: String,
        /// The scheduler's account is exact to the nanosecond but knows one thread only.
        single_thread: bool,
    }

    impl Process {
        /// Whether looking is cheap enough to do ten times a second.
        pub const CHEAP: bool = true;

        pub fn new(pid: u32) -> Self {
            let folder = format!("/proc/{pid}");
            let threads = fs::read_dir(format!("{folder}/task")).map_or(0, Iterator::count);
            let exact = fs::read_to_string(format!("{folder}/schedstat")).is_ok();
            Self { folder, single_thread: threads == 1 && exact }
        }

        /// The use so far; `None` when there is no such process any more.
        pub fn usage(&self) -> Option<Usage> {
            let status = fs::read_to_string(format!("{}/status", self.folder)).ok()?;
            Some(Usage {
                cpu: self.cpu()?,
                resident: kibibytes(&status, "VmRSS:").unwrap_or_default(),
                peak: kibibytes(&status, "VmHWM:").unwrap_or_default(),
            })
        }

        fn cpu(&self) -> Option<Duration> {
            if self.single_thread {
                let text = fs::read_to_string(format!("{}/schedstat", self.folder)).ok()?;
                let nanos = text.split_whitespace().next()?.parse().ok()?;
                return Some(Duration::from_nanos(nanos));
            }
            let text = fs::read_to_string(format!("{}/stat", self.folder)).ok()?;
            ticks(&text).map(|ticks| Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
        }
    }

    /// What limits the memory of this process, in bytes.
    pub fn memory_limits() -> Vec<usize> {
        let machine = fs::read_to_string("/proc/meminfo").ok();
        let machine = machine.and_then(|text| kibibytes(&text, "MemTotal:")).map(|bytes| bytes as usize);
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let files = limit_files(&groups);
        let numbers = files.iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
        machine.into_iter().chain(numbers).collect()
    }

    /// The files with the limits of a process's cgroups, given its `/proc/PID/cgroup`: those of the group of
    /// version 2 or of the memory controller of version 1, and of all groups above it. Where a container does not
    /// see its own group by this path, it sees it as the root.
    pub(super) fn limit_files(groups: &str) -> Vec<String> {
        let mut files = Vec::new();
        for line in groups.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
                continue;
            };
            let (root, file) = match controllers {
                "" => ("/sys/fs/cgroup", "memory.max"),
                _ if controllers.split(',').any(|name| name == "memory") => {
                    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
                }
                _ => continue,
            };
            let mut path = path.trim_end_matches('/');
            files.push(format!("{root}{path}/{file}"));
            while let Some((parent, _)) = path.rsplit_once('/') {
                path = parent;
                files.push(format!("{root}{path}/{file}"));
            }
        }
        files
    }

    /// User and system time of a `/proc/PID/stat`.
    pub(super) fn ticks(stat: &str) -> Option<u64> {
        // The program's name may hold spaces and parentheses; the last one closes it.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        Some(user + system)
    }

    /// A line of `/proc/PID/status` or `/proc/meminfo`, in bytes.
    pub(super) fn kibibytes(status: &str, key: &str) -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let number: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(number * 1024)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Usage;
    use std::process::Command;

    /// What limits the memory of this process, in bytes.
    pub fn memory_limits() -> Vec<usize> {
        let output = Command::new("sysctl").args(["-n", "hw.memsize"]).output().ok();
        let text = output.and_then(|output| String::from_utf8(output.stdout).ok());
        text.and_then(|text| text.trim().parse().ok()).into_iter().collect()
    }

    /// A process to look at while it runs, through the `ps` command.
    #[derive(Debug)]
    pub struct Process {
        pid: u32,
    }

    impl Process {
        /// Whether looking is cheap enough to do ten times a second.
        pub const CHEAP: bool = false;

        pub fn new(pid: u32) -> Self {
            Self { pid }
        }

        /// The use so far; `None` when there is no such process any more. `ps` knows no peak: it is the memory now.
        pub fn usage(&self) -> Option<Usage> {
            let pid = self.pid.to_string();
            let output = Command::new("ps").args(["-o", "time=,rss=", "-p", &pid]).output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            let mut fields = text.split_whitespace();
            let cpu = super::clock(fields.next()?)?;
            let resident = fields.next()?.parse::<u64>().ok()? * 1024;
            Some(Usage { cpu, resident, peak: resident })
        }
    }
}

/// A time as `ps` prints it: `[[dd-]hh:]mm:ss[.ff]`.
#[cfg_attr(target_os = "linux", allow(dead_code))]
fn clock(text: &str) -> Option<Duration> {
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (days.parse::<f64>().ok()?, rest),
        None => (0.0, text),
    };
    let mut seconds = 0.0;
    for part in rest.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    Duration::try_from_secs_f64(days * 86_400.0 + seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ps_times_are_read() {
        let seconds = |text| clock(text).map(|time| time.as_secs_f64());
        assert_eq!(seconds("0:01.25"), Some(1.25));
        assert_eq!(seconds("01:02:03"), Some(3723.0));
        assert_eq!(seconds("2-00:00:01"), Some(172_801.0));
        assert_eq!(seconds("soon"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernels_files_are_read() {
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0";
        assert_eq!(system::ticks(stat), Some(100));
        assert_eq!(system::kibibytes("VmHWM:\t   12 kB\nVmRSS:\t 8 kB\n", "VmRSS:"), Some(8192));
        let groups = "12:cpu,cpuacct:/a\n5:memory:/docker/b\n0::/system.slice/c.service\n";
        let expected = [
            "/sys/fs/cgroup/memory/docker/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/system.slice/c.service/memory.max",
            "/sys/fs/cgroup/system.slice/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(system::limit_files(groups), expected);
        assert_eq!(system::limit_files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert!(memory_limit() > 1 << 20);
        let own = Process::new(std::process::id()).usage().unwrap();
        assert!(own.peak >= own.resident && own.resident > 0);
        assert_eq!(Process::new(u32::MAX).usage(), None);
    }
}
