//! What the server's process costs, as /proc has it.

use std::fs;
use std::path::PathBuf;

use super::Server;

impl Server {
    /// What the process holds in memory, in bytes; 0 where this cannot be read.
    pub fn memory(&self) -> usize {
        self.memory_line("VmRSS:")
    }

    /// The most that it ever held.
    pub fn peak_memory(&self) -> usize {
        self.memory_line("VmHWM:")
    }

    /// How many descriptors are open; 0 where this cannot be read.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).map_or(0, |entries| entries.count())
    }

    /// Seconds of CPU that the process has used.
    pub fn cpu(&self) -> f64 {
        // In clock ticks of a hundredth of a second, behind the name in brackets.
        const USER_AND_SYSTEM: std::ops::Range<usize> = 11..13;
        let stat = fs::read_to_string(self.proc("stat")).unwrap_or_default();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = fields.get(USER_AND_SYSTEM).unwrap_or_default().iter();
        ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }

    /// Whether a signal has stopped the process.
    pub fn is_stopped(&self) -> bool {
        fs::read_to_string(self.proc("stat")).unwrap().rsplit(") ").next().unwrap().starts_with('T')
    }

    fn memory_line(&self, name: &str) -> usize {
        let status = fs::read_to_string(self.proc("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    fn proc(&self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.child.id()).into()
    }
}
