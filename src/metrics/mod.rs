//! What the server counts about itself. One thread counts, so these are plain integers, and counting costs
//! an addition.

pub mod exposition;

use std::time::Duration;

use crate::chat::command::CommandError;

/// Counts by kind, for kinds that are few: what a client sends must not make one.
#[derive(Clone, Debug)]
pub struct CounterVec<K>(Vec<(K, u64)>);

impl<K> Default for CounterVec<K> {
    fn default() -> CounterVec<K> {
        CounterVec(Vec::new())
    }
}

impl<K: Copy + PartialEq> CounterVec<K> {
    /// Nothing of each of these kinds, so that they are there before the first comes.
    pub fn of(kinds: &[K]) -> CounterVec<K> {
        CounterVec(kinds.iter().map(|&kind| (kind, 0)).collect())
    }

    /// One more of a kind.
    pub fn add(&mut self, kind: K) {
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => self.0.push((kind, 1)),
        }
    }

    /// How many there are of a kind.
    pub fn get(&self, kind: K) -> u64 {
        self.0.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count)
    }

    /// How many there are of all kinds.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The kinds and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.0.iter().copied()
    }
}

/// What went over the sockets.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Reads that gave something or an end, and the bytes that they gave.
    pub reads: u64,
    pub bytes_in: u64,
    /// WebSocket frames that came whole.
    pub frames_in: u64,
    /// Writes that took something, and the bytes that they took.
    pub writes: u64,
    pub bytes_out: u64,
    /// WebSocket frames to be written: over `writes`, how well frames share a write.
    pub frames_out: u64,
}

/// What came of those who came, and of what they said.
#[derive(Debug, Default)]
pub struct Metrics {
    pub loop_stats: LoopStats,
    /// Connections that were taken in.
    pub accepted: u64,
    /// Connections for which there was no room, by what there was not enough of.
    pub rejected: CounterVec<&'static str>,
    /// Sessions without a connection that were ended because there were too many, by the limit.
    pub evicted: CounterVec<&'static str>,
    /// Sessions that ended, by reason.
    pub ended_sessions: CounterVec<&'static str>,
    /// Connections and sessions that were evicted because all used too much memory.
    pub overloads: u64,
    /// HTTP responses by status code, upgrades among them.
    pub responses: CounterVec<u16>,
    /// Requests of clients that were refused, by reason.
    pub refusals: CounterVec<CommandError>,
    /// Frames and messages that are none of their protocol, by what is wrong.
    pub bad_input: CounterVec<&'static str>,
}

/// What there may be too little of for one more connection.
pub const CONNECTIONS: &str = "connections";
pub const DESCRIPTORS: &str = "descriptors";
/// Which limit there may be too many sessions without a connection for: that of all, or that of one peer.
pub const TOTAL: &str = "total";
pub const PEER: &str = "peer";

impl Metrics {
    /// Nothing has happened yet.
    pub fn new() -> Metrics {
        let rejected = CounterVec::of(&[CONNECTIONS, DESCRIPTORS]);
        Metrics { rejected, evicted: CounterVec::of(&[TOTAL, PEER]), ..Metrics::default() }
    }
}

/// How often it is logged that a limit is reached, in milliseconds: a flood must not fill the log.
const WARNING_INTERVAL: u64 = 1000;

/// When it may be logged again that a limit is reached.
#[derive(Debug, Default)]
pub struct Warnings {
    next: u64,
}

impl Warnings {
    /// Whether it may be logged at this time, in milliseconds.
    pub fn may_warn(&mut self, now: u64) -> bool {
        let may_warn = now >= self.next;
        if may_warn {
            self.next = now + WARNING_INTERVAL;
        }
        may_warn
    }
}

/// How the loop spends its time.
#[derive(Debug, Default)]
pub struct LoopStats {
    pub count: u64,
    /// Sockets that were ready, over all turns, and in the fullest one.
    pub events: u64,
    pub largest_batch: u64,
    /// Time not spent waiting, over all turns, and in the longest one.
    pub busy: Duration,
    pub longest: Duration,
    began: Duration,
}

impl LoopStats {
    /// A turn begins at this time since the start.
    pub fn begin(&mut self, now: Duration) {
        self.count += 1;
        self.began = now;
    }

    /// When this turn began.
    pub fn began(&self) -> Duration {
        self.began
    }

    /// This many sockets are ready in this turn.
    pub fn batch(&mut self, events: usize) {
        self.events += events as u64;
        self.largest_batch = self.largest_batch.max(events as u64);
    }

    /// The turn is over.
    pub fn end(&mut self, now: Duration) {
        let busy = now.saturating_sub(self.began);
        self.busy += busy;
        self.longest = self.longest.max(busy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_apart() {
        let mut tally = CounterVec::of(&["a", "b"]);
        ["b", "c", "b"].into_iter().for_each(|kind| tally.add(kind));
        assert_eq!(tally.iter().collect::<Vec<_>>(), [("a", 0), ("b", 2), ("c", 1)]);
        assert_eq!((tally.get("b"), tally.get("d"), tally.total()), (2, 0, 3));
    }

    #[test]
    fn waiting_is_not_busy() {
        let mut turns = LoopStats::default();
        for (begin, end) in [(10, 15), (100, 101)] {
            turns.begin(Duration::from_millis(begin));
            turns.batch(begin as usize);
            turns.end(Duration::from_millis(end));
        }
        assert_eq!((turns.busy, turns.longest), (Duration::from_millis(6), Duration::from_millis(5)));
        assert_eq!((turns.count, turns.events, turns.largest_batch), (2, 110, 100));
    }
}
