//! What the server's process costs, as Linux's `/proc` has it. It is read here and not through the server's own module, so
//! that a mistake there cannot hide.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Server;

impl Server {
    /// What the process holds in memory, in bytes.
    pub fn memory(&self) -> usize {
        self.status("VmRSS:")
    }

    /// The most that it ever held.
    pub fn peak_memory(&self) -> usize {
        self.status("VmHWM:")
    }

    /// Seconds of CPU that the process has used: its only thread's account, exact to the nanosecond.
    pub fn cpu(&self) -> f64 {
        let schedstat = fs::read_to_string(self.proc("schedstat")).expect("the server runs");
        let nanoseconds = schedstat.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        nanoseconds.expect("a number of nanoseconds") as f64 / 1e9
    }

    /// How many descriptors are open; 0 where this cannot be read.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).map_or(0, |entries| entries.count())
    }

    /// Whether a signal has stopped the process.
    pub fn is_stopped(&self) -> bool {
        fs::read_to_string(self.proc("stat")).unwrap().rsplit(") ").next().unwrap().starts_with('T')
    }

    /// Whether the kernel has the end of what `peer` sends: a packet may arrive after one that was sent later
    /// on another connection. The columns are those of proc(5): 2 is the remote address, 3 the state, and 08
    /// is CLOSE_WAIT.
    pub fn has_the_end_of(&self, peer: SocketAddr) -> bool {
        let port = format!(":{:04X}", peer.port());
        fs::read_to_string(self.proc("net/tcp")).unwrap().lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns[2].ends_with(&port) && columns[3] == "08"
        })
    }

    /// A line of proc(5)'s `status` that is in KiB, in bytes.
    fn status(&self, key: &str) -> usize {
        let status = fs::read_to_string(self.proc("status")).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("the line is there");
        let kibibytes = line.trim().strip_suffix(" kB").and_then(|number| number.parse::<usize>().ok());
        1024 * kibibytes.expect("a number of kB")
    }

    fn proc(&self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.child.id()).into()
    }
}
