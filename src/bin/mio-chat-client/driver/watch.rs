//! The processes whose use of the machine is measured.

use mio_chat_server::process::{Process, Usage};

/// A process's use of the machine at the run's turning points.
#[derive(Debug, Clone, Copy)]
pub struct Track {
    pub before: Usage,
    /// When the first chat was ready.
    pub messaging: Option<Usage>,
    /// When everybody was connected; the hold's end in an idle run.
    pub connected: Option<Usage>,
    pub after: Usage,
}

/// A process and its track so far.
pub struct Watch {
    pub process: Process,
    pub track: Track,
}

impl Watch {
    /// Begins to watch; `None` when there is no such process.
    pub fn new(pid: u32) -> Option<Self> {
        let process = Process::new(pid);
        let before = process.usage()?;
        Some(Self { process, track: Track { before, messaging: None, connected: None, after: before } })
    }
}
