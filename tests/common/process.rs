//! What the server's process costs.

use std::fs;
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

    fn usage(&self) -> Usage {
        Process::new(self.child.id()).usage().expect("the server runs")
    }

    fn proc(&self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.child.id()).into()
    }
}
