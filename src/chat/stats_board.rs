//! Who watches the server's figures, and when they are told.

use std::collections::HashSet;

use crate::Millis;
use crate::chat::event::{Deliver, Event};
use crate::chat::id::ClientId;
use crate::stats::Stats;

/// How often the figures are told, in milliseconds.
const INTERVAL: Millis = 1000;
/// How soon they may be told again because somebody has joined.
const SHORTEST_INTERVAL: Millis = 100;

/// The clients that watch the figures. As long as there are none, nothing is due and nothing is counted.
#[derive(Debug, Default)]
pub struct StatsBoard {
    watchers: HashSet<ClientId>,
    due: Option<Millis>,
    soonest: Millis,
}

impl StatsBoard {
    /// A client watches from now on, and is told at once. So is everybody, which must not be as often as one
    /// client likes to join.
    pub fn watch(&mut self, client: ClientId, now: Millis) {
        self.watchers.insert(client);
        let soonest = now.max(self.soonest);
        self.due = Some(self.due.map_or(soonest, |due| due.min(soonest)));
    }

    /// A client watches no longer.
    pub fn unwatch(&mut self, client: ClientId) {
        self.watchers.remove(&client);
        if self.watchers.is_empty() {
            self.due = None;
        }
    }

    /// When the figures are to be told next.
    pub fn due(&self) -> Option<Millis> {
        self.due
    }

    /// Tells the figures to everybody who watches.
    pub fn publish(&mut self, stats: &Stats, now: Millis, out: &mut dyn Deliver) {
        self.due = Some(now + INTERVAL);
        self.soonest = now + SHORTEST_INTERVAL;
        out.broadcast(&mut self.watchers.iter().copied(), &Event::Stats(stats));
    }

    /// How many clients watch.
    pub fn watchers(&self) -> usize {
        self.watchers.len()
    }
}
