//! Responses that take long to make or to write, of which a turn makes a few: first come, first served.

use std::collections::VecDeque;

use super::Endpoint;
use super::connection::ConnectionId;
use super::connection::State;
use crate::Millis;

/// Responses of some 100 KiB that are made and written in one turn.
const COSTLY_RESPONSES: usize = 4;

/// Who waits for a costly response.
#[derive(Debug, Default)]
pub struct CostlyResponses {
    /// Connections whose next request asks for one, which are paused until it is their turn, in the order in which
    /// these requests were read. Some may be gone.
    waiting: VecDeque<ConnectionId>,
    /// Whether the first of them may have one now.
    is_open: bool,
}

impl CostlyResponses {
    /// Whether any connection waits.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Endpoint {
    /// Whether the request of a connection, which asks for a costly response, has to wait for its turn. Each has to
    /// when it is read, also if no other waits: to make the response at once would hold up the reading of the
    /// others, and those that are read later could get ahead of them.
    pub(super) fn must_await_costly(&self, slot: u32) -> bool {
        !self.costly.is_open || self.costly.waiting.front() != Some(&self.connections.id(slot))
    }

    /// Leaves a request for a costly response until it is its turn. Returns the bytes that are carried out: none.
    pub(super) fn await_costly(&mut self, slot: u32) -> usize {
        self.work = 0;
        self.connections.set_state(slot, State::AwaitingTurn, self.now);
        self.connections.resume_later(slot);
        self.costly.waiting.push_back(self.connections.id(slot));
        0
    }

    /// A response takes long to make or to write: it is the connection's only one in this turn.
    pub(super) fn take_costly(&mut self) {
        self.costly.is_open = false;
        self.work = 0;
    }

    /// Answers the connections that have waited longest, as many as a turn may.
    pub fn answer_waiting(&mut self, now: Millis) {
        self.now = now;
        for _ in 0..COSTLY_RESPONSES {
            let Some(id) = self.costly.waiting.front() else {
                break;
            };
            if let Some(slot) = self.connections.find(*id)
                && matches!(self.connections.get(slot).state, State::AwaitingTurn)
            {
                self.connections.set_state(slot, State::Http, now);
                // Its request waits no longer: `/metrics` does not show it as backlog.
                self.connections.get_mut(slot).share.set(0);
                self.costly.is_open = true;
                self.take_in(slot, &mut []);
                self.costly.is_open = false;
                // It was paused, and there may be more to read.
                self.connections.resume_later(slot);
            }
            self.costly.waiting.pop_front();
        }
    }
}
