//! The time, read when a turn of the loop begins, when input has come in it and when it is over; and the time up to which
//! all input has been read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Millis;

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

    /// The time, as it was last read.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The time since the start.
    pub fn uptime(&self) -> Duration {
        self.uptime
    }
}

/// Up to when everything that came has been read. Silence is judged by this and not by the time: after a pause
/// of the whole process, or in a crowd that one batch of events does not hold, what came in time may still wait
/// in the kernel.
#[derive(Debug)]
pub struct InputWatermark {
    until: Millis,
    /// When the kernel was asked first, and how many events it has given since.
    asked: Millis,
    events: usize,
}

impl InputWatermark {
    /// No input has come yet.
    pub fn new(now: Millis) -> InputWatermark {
        InputWatermark { until: now, asked: now, events: 0 }
    }

    /// The kernel is about to be asked.
    pub fn ask(&mut self, now: Millis) {
        if self.events == 0 {
            self.asked = now;
        }
    }

    /// The kernel gave so many events. A batch with room left was all there was. Full ones end too: each source
    /// comes once before any comes again.
    pub fn take(&mut self, events: usize, is_full: bool, sources: usize) {
        self.events += events;
        if !is_full || self.events > sources {
            self.until = self.asked;
            self.events = 0;
        }
    }

    /// Everything that had come by then has been read, or will be in this turn.
    pub fn until(&self) -> Millis {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_heard_when_a_batch_has_room_left() {
        let mut watermark = InputWatermark::new(0);
        watermark.ask(10);
        watermark.take(4, true, 20);
        assert_eq!(watermark.until(), 0);
        watermark.ask(11);
        watermark.take(3, false, 20);
        assert_eq!(watermark.until(), 10);
        watermark.ask(12);
        watermark.take(0, false, 20);
        assert_eq!(watermark.until(), 12);
    }

    #[test]
    fn batches_that_stay_full_do_not_hold_the_watermark_back() {
        let mut watermark = InputWatermark::new(0);
        for turn in 1..=6 {
            watermark.ask(turn);
            watermark.take(4, true, 11);
        }
        assert_eq!(watermark.until(), 4, "the second round began with the fourth batch");
    }
}
