//! The time, read once a turn of the loop.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::models::Millis;

/// Unix time as of the start, going on with the monotonic clock: setting the system's clock moves
/// neither deadlines nor the order of messages.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    unix: Millis,
    now: Millis,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as Millis;
        Clock { started: Instant::now(), unix, now: unix }
    }

    /// Reads the time for this turn.
    pub fn tick(&mut self) {
        self.now = self.unix + self.started.elapsed().as_millis() as Millis;
    }

    /// The time of this turn.
    pub fn now(&self) -> Millis {
        self.now
    }
}
