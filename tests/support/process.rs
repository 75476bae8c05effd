//! What the server's process costs.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use mio_chat_server::process::{Process, Usage};

use super::Server;

impl Server {
    /// What the process holds in memory, in bytes.
    pub fn memory(&self) -> usize {
        self.usage().resident as usize
    }

    /// The most that it ever held.
    pub fn peak_memory(&self) -> usize {
        self.usage().peak as usize
    }

    /// Seconds of CPU that the process has used.
    pub fn cpu(&self) -> f64 {
        self.usage().cpu.as_secs_f64()
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

    fn usage(&self) -> Usage {
        Process::new(self.child.id()).usage().expect("the server runs")
    }

    fn proc(&self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.child.id()).into()
    }
}
