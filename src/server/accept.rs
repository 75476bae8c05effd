//! Who waits at the door is taken in last in a turn, when the slots of those who left are free.

use log::{debug, warn};

use super::Server;
use super::listeners::{self, Accepted};
use crate::metrics::{CONNECTIONS, DESCRIPTORS};
use crate::models::Millis;

/// Connections taken in in one turn: about a millisecond's worth.
const BATCH: usize = 128;
/// How long to wait when there is no descriptor even to refuse with.
const RETRY: Millis = 100;
/// How often it is logged that there is no room: a crowd outside must not fill the log.
const WARNING_INTERVAL: Millis = 1000;

impl Server {
    /// Somebody waits at a listener.
    pub(super) fn crowd(&mut self, listener: usize) {
        if !self.crowded.contains(&listener) {
            self.crowded.push(listener);
        }
    }

    /// Takes in who waits, a batch at most: whoever is left waits for the next turn.
    pub(super) fn accept(&mut self) {
        let mut room = BATCH;
        while let (Some(&listener), 1..) = (self.crowded.last(), room) {
            room -= 1;
            match self.listeners.accept(listener) {
                Accepted::Connection(stream, _) if self.connections.len() >= self.max_connections => {
                    self.turn_away(CONNECTIONS);
                    listeners::refuse(stream);
                }
                Accepted::Connection(stream, address) => {
                    let now = self.clock.now();
                    match self.connections.insert(stream, address, self.poll.registry(), now) {
                        Ok(()) => self.metrics.accepted += 1,
                        Err(error) => debug!("a connection is lost as it comes in: {error}"),
                    }
                }
                Accepted::Refused => self.turn_away(DESCRIPTORS),
                Accepted::GivenUp => {}
                Accepted::Nobody => {
                    self.crowded.pop();
                }
                Accepted::Exhausted => {
                    self.crowded.clear();
                    self.accept_retry = Some(self.clock.now() + RETRY);
                }
            }
        }
        // One listener at which there is no end must not keep the others waiting.
        if self.crowded.len() > 1 {
            self.crowded.rotate_right(1);
        }
    }

    /// Whether it may be logged again that a limit is reached.
    pub(super) fn may_warn(&mut self) -> bool {
        let now = self.clock.now();
        let may_warn = now >= self.next_warning;
        if may_warn {
            self.next_warning = now + WARNING_INTERVAL;
        }
        may_warn
    }

    /// Somebody cannot be taken in, for this is full.
    fn turn_away(&mut self, full: &'static str) {
        self.metrics.turned_away.add(full);
        if self.may_warn() {
            warn!(
                "there is no room: too many {full}; {} were turned away so far",
                self.metrics.turned_away.total()
            );
        }
    }
}
