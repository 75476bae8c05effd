//! The figures that the live page shows, and the clients that have subscribed to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Endpoint;
use super::gauges::Gauges;
use super::sessions::Dispatcher;
use crate::Millis;
use crate::chat::chat_lifetime::Status;
use crate::chat::id::ClientId;

/// Milliseconds between two publications.
const INTERVAL: Millis = 1000;
/// Milliseconds after which the figures may be published again because a client has subscribed.
const SHORTEST_INTERVAL: Millis = 100;

/// What is published. Counters (messages, busy time) are cumulative: two publications make a rate, even if one between
/// them was missed.
#[derive(Debug, Serialize)]
struct Figures {
    /// Since the server started.
    uptime_ms: Millis,
    #[serde(flatten)]
    status: Status,
    /// How long the first in the queue has waited.
    oldest_wait_ms: Millis,
    /// Messages relayed since the start.
    messages: u64,
    /// Connections in total, and by protocol; `http` are requests, and connections that are closing.
    connections: BTreeMap<&'static str, u64>,
    /// Time that the loop did not wait since the start.
    busy_us: u64,
    /// Bytes that wait for slow readers.
    backlog_bytes: usize,
    /// Resident memory, where the system tells it at little cost.
    memory_bytes: Option<u64>,
}

/// The clients that have subscribed to the figures. Without any, nothing is due and nothing is counted.
#[derive(Debug, Default)]
pub struct FiguresBoard {
    watchers: BTreeSet<ClientId>,
    due: Option<Millis>,
    soonest: Millis,
}

impl FiguresBoard {
    /// A client subscribes, or unsubscribes. To subscribe makes a publication due at once. It goes to all, so that it
    /// must not be as often as a client likes to join.
    pub fn watch(&mut self, client: ClientId, watches: bool, now: Millis) {
        if watches {
            self.watchers.insert(client);
            let soonest = now.max(self.soonest);
            self.due = Some(self.due.map_or(soonest, |due| due.min(soonest)));
        } else if self.watchers.remove(&client) && self.watchers.is_empty() {
            self.due = None;
        }
    }

    /// When the figures are to be published next.
    pub fn due(&self) -> Option<Millis> {
        self.due
    }

    /// How many clients have subscribed.
    pub fn watchers(&self) -> usize {
        self.watchers.len()
    }
}

impl Endpoint {
    /// Publishes the figures.
    pub(super) fn publish_figures(&mut self) {
        self.figures.due = Some(self.now + INTERVAL);
        self.figures.soonest = self.now + SHORTEST_INTERVAL;
        let figures = self.figures();
        let mut dispatcher = Dispatcher { connections: &mut self.connections, sessions: &mut self.sessions };
        dispatcher.broadcast_encoded(
            &mut self.figures.watchers.iter().copied(),
            false,
            |protocol| protocol.encoding_for_figures(),
            |encoding, out| encoding.figures(&figures, out),
        );
    }

    fn figures(&self) -> Figures {
        let Gauges { connections, .. } = self.gauges();
        let mut counts = BTreeMap::from([("total", connections.total())]);
        for ((protocol, _), count) in connections.iter() {
            *counts.entry(protocol).or_default() += count;
        }
        let models = self.chat.models();
        Figures {
            uptime_ms: self.now.saturating_sub(self.started),
            status: models.status(),
            oldest_wait_ms: self.oldest_wait(),
            messages: models.chats.messages(),
            connections: counts,
            busy_us: self.metrics.loop_stats.busy.as_micros() as u64,
            backlog_bytes: self.memory.waiting(),
            memory_bytes: (self.usage)().map(|usage| usage.resident),
        }
    }
}
