//! The time, read when a turn of the loop begins and when it is over.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::models::Millis;

/// Unix time as of the start, going on with the monotonic clock: setting the system's clock moves
/// neither deadlines nor the order of messages.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    unix: Millis,
    uptime: Duration,
    now: Millis,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as Millis;
        Clock { started: Instant::now(), unix, uptime: Duration::ZERO, now: unix }
    }

    /// Reads the time.
    pub fn tick(&mut self) {
        self.uptime = self.started.elapsed();
        self.now = self.unix + self.uptime.as_millis() as Millis;
    }

    /// The time of this turn.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The time since the start.
    pub fn uptime(&self) -> Duration {
        self.uptime
    }

    /// When the server was started.
    pub fn started(&self) -> Millis {
        self.unix
    }
}
