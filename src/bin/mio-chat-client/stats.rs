//! What is counted and timed while the load runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use mio_chat_server::process::Usage;

/// Times in nanoseconds, three digits exact, up to an hour.
pub type Times = Histogram<u64>;

/// Something that went wrong: how often, and how it read the first time.
#[derive(Debug, Default, Clone)]
pub struct Errors {
    pub count: u64,
    pub first: String,
}

/// The state of things at one moment of the run, for plots.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Seconds since the run began.
    pub at: f64,
    /// Relayed messages so far.
    pub messages: u64,
    /// Round trips since the sample before, in nanoseconds; 0 where there were none.
    pub p50: u64,
    pub p99: u64,
    pub server: Option<Usage>,
    pub client: Option<Usage>,
}

#[derive(Debug)]
pub struct Stats {
    pub connect: Times,
    /// From ready to assigned: the queue's wait.
    pub assigned: Times,
    pub round_trip: Times,
    /// Round trips since the last sample.
    pub recent: Times,
    /// Relayed messages that arrived, at either side.
    pub messages: u64,
    /// Chats that came to their end.
    pub chats: u64,
    pub served: usize,
    pub first_ready: Option<Instant>,
    pub last_message: Option<Instant>,
    pub last_progress: Instant,
    pub errors: BTreeMap<&'static str, Errors>,
    pub samples: Vec<Sample>,
}

impl Stats {
    pub fn new(now: Instant) -> Self {
        Self {
            connect: times(),
            assigned: times(),
            round_trip: times(),
            recent: times(),
            messages: 0,
            chats: 0,
            served: 0,
            first_ready: None,
            last_message: None,
            last_progress: now,
            errors: BTreeMap::new(),
            samples: Vec::new(),
        }
    }

    /// A relayed message arrived.
    pub fn message(&mut self, now: Instant) {
        self.messages += 1;
        self.last_message = Some(now);
    }

    pub fn round_trip(&mut self, time: Duration) {
        record(&mut self.round_trip, time);
        record(&mut self.recent, time);
    }

    /// Counts an error under its kind and keeps the first one's words.
    pub fn error(&mut self, kind: &'static str, detail: impl FnOnce() -> String) {
        let errors = self.errors.entry(kind).or_default();
        if errors.count == 0 {
            errors.first = detail();
        }
        errors.count += 1;
    }
}

/// An empty histogram.
pub fn times() -> Times {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("the bounds are constant and valid")
}

/// Adds one time; what lies out of bounds counts as the bound.
pub fn record(times: &mut Times, time: Duration) {
    times.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}
