//! When to send under `--rate`: a schedule that does not wait for the server.

use std::time::{Duration, Instant};

/// Intended send times, evenly spaced. They go on while the server stalls, so a late send counts its whole delay.
#[derive(Debug)]
pub struct Pacer {
    /// Nanoseconds between two sends.
    interval: f64,
    start: Option<Instant>,
    sent: u64,
}

impl Pacer {
    /// `rate`: events a second.
    pub fn new(rate: f64) -> Self {
        Self { interval: 1e9 / rate, start: None, sent: 0 }
    }

    /// The clock starts with the first call.
    pub fn start(&mut self, now: Instant) {
        self.start.get_or_insert(now);
    }

    /// The time of the next send, once the clock runs.
    pub fn next(&self) -> Option<Instant> {
        let offset = Duration::from_nanos((self.sent as f64 * self.interval) as u64);
        self.start.map(|start| start + offset)
    }

    /// Takes the next send if its time has come.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next().filter(|due| *due <= now)?;
        self.sent += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_places_while_nobody_takes_them() {
        let start = Instant::now();
        let mut pacer = Pacer::new(1000.0);
        assert_eq!(pacer.take(start), None);
        pacer.start(start);
        pacer.start(start + Duration::from_secs(9));
        let late = start + Duration::from_millis(2);
        let taken: Vec<_> = std::iter::from_fn(|| pacer.take(late)).collect();
        let expected = [0, 1, 2].map(|ms| start + Duration::from_millis(ms));
        assert_eq!(taken, expected);
        assert_eq!(pacer.next(), Some(start + Duration::from_millis(3)));
    }
}
