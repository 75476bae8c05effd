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

/// Up to when everything that came has been read. Silence is judged by this and not by the time: after a pause of the
/// whole process, or if more sockets are ready than one batch of events holds, what came in time may still wait in the
/// kernel.
#[derive(Debug)]
pub struct InputWatermark {
    until: Millis,
    /// The same, as of the last turn that accepted all connections that had come.
    accepted_until: Millis,
    /// When the kernel was asked first, and how many events it has given since.
    asked: Millis,
    events: usize,
}

impl InputWatermark {
    /// No input has come yet.
    pub fn new(now: Millis) -> InputWatermark {
        InputWatermark { until: now, accepted_until: now, asked: now, events: 0 }
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

    /// All connections that had come are accepted.
    pub fn accepted_all(&mut self) {
        self.accepted_until = self.until;
    }

    /// Everything that had come by then has been read, or will be in this turn. What came over connections that are not
    /// accepted yet, if there are any, is read later.
    pub fn until(&self, has_pending_accepts: bool) -> Millis {
        if has_pending_accepts { self.accepted_until } else { self.until }
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
        assert_eq!(watermark.until(false), 0);
        watermark.ask(11);
        watermark.take(3, false, 20);
        assert_eq!(watermark.until(false), 10);
        watermark.ask(12);
        watermark.take(0, false, 20);
        assert_eq!(watermark.until(false), 12);
    }

    #[test]
    fn input_of_connections_that_are_not_accepted_is_not_read() {
        let mut watermark = InputWatermark::new(0);
        for time in [10, 20] {
            watermark.ask(time);
            watermark.take(1, false, 20);
        }
        assert_eq!((watermark.until(true), watermark.until(false)), (0, 20));
        watermark.accepted_all();
        assert_eq!(watermark.until(true), 20);
    }

    #[test]
    fn batches_that_stay_full_do_not_hold_the_watermark_back() {
        let mut watermark = InputWatermark::new(0);
        for turn in 1..=6 {
            watermark.ask(turn);
            watermark.take(4, true, 11);
        }
        assert_eq!(watermark.until(false), 4, "the second round began with the fourth batch");
    }
}
