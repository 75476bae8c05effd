//! Who connects next, and when: teachers first, a bounded number at once.

use std::time::{Duration, Instant};

use crate::pacer::Pacer;

/// Connections under way at once. A listener's backlog is 128 at least; what overflows it waits a second for TCP's
/// retransmission, which would count as connect time.
const MAX_IN_FLIGHT: usize = 100;

#[derive(Debug)]
pub struct Connector {
    next: usize,
    /// Users up to this index may connect.
    limit: usize,
    in_flight: usize,
    pacer: Option<Pacer>,
}

impl Connector {
    /// `rate`: connections a second at most.
    pub fn new(rate: Option<f64>, now: Instant) -> Self {
        let pacer = rate.map(|rate| {
            let mut pacer = Pacer::new(rate);
            pacer.start(now);
            pacer
        });
        Self { next: 0, limit: 0, in_flight: 0, pacer }
    }

    /// Lets users connect up to that index.
    pub fn allow(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub fn take(&mut self, now: Instant) -> Option<usize> {
        if !self.may_connect() {
            return None;
        }
        if let Some(pacer) = &mut self.pacer {
            pacer.take(now)?;
        }
        self.in_flight += 1;
        self.next += 1;
        Some(self.next - 1)
    }

    /// A connection was upgraded, or failed before.
    pub fn done(&mut self) {
        self.in_flight -= 1;
    }

    /// How long until the next connection, if only time is missing.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        let next = self.pacer.as_ref()?.next()?;
        self.may_connect().then(|| next.saturating_duration_since(now))
    }

    fn may_connect(&self) -> bool {
        self.next < self.limit && self.in_flight < MAX_IN_FLIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_wait_for_leave_and_for_each_other() {
        let now = Instant::now();
        let mut connector = Connector::new(None, now);
        assert_eq!(connector.take(now), None);
        connector.allow(1000);
        let taken = std::iter::from_fn(|| connector.take(now)).count();
        assert_eq!(taken, MAX_IN_FLIGHT);
        connector.done();
        assert_eq!(connector.take(now), Some(MAX_IN_FLIGHT));
        assert_eq!(connector.take(now), None);
    }

    #[test]
    fn a_rate_spaces_them() {
        let now = Instant::now();
        let mut connector = Connector::new(Some(10.0), now);
        connector.allow(3);
        assert_eq!(connector.take(now), Some(0));
        assert_eq!(connector.take(now), None);
        assert_eq!(connector.wait(now), Some(Duration::from_millis(100)));
    }
}
