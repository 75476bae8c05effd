//! Who waits at the door is taken in last in a turn, when the slots of those who left are free.

use std::net::IpAddr;

use log::{debug, warn};
use mio::Token;
use mio::net::TcpStream;

use super::Server;
use super::listeners::{self, Accepted};
use super::socket::Socket;
use crate::metrics::{CONNECTIONS, DESCRIPTORS};
use crate::models::Millis;

/// Connections taken in in one turn: about a millisecond's worth.
const BATCH: usize = 128;
/// How long to wait when there is no descriptor even to refuse with.
const RETRY: Millis = 100;

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
                Accepted::Connection(stream, _) if self.endpoint.is_full() => {
                    self.turn_away(CONNECTIONS);
                    listeners::refuse(stream);
                }
                Accepted::Connection(stream, address) => self.take_in(stream, address),
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

    fn take_in(&mut self, stream: TcpStream, address: IpAddr) {
        let now = self.clock.now();
        let id = self.endpoint.open(address, now);
        let slot = id.slot() as usize;
        match Socket::register(stream, self.poll.registry(), Token(id.into())) {
            Ok(socket) => {
                if self.sockets.len() <= slot {
                    self.sockets.resize_with(slot + 1, || None);
                }
                self.sockets[slot] = Some(socket);
            }
            Err(error) => {
                debug!("a connection is lost as it comes in: {error}");
                self.endpoint.lost(id, now);
            }
        }
    }

    /// Somebody cannot be taken in, for this is full.
    fn turn_away(&mut self, full: &'static str) {
        self.endpoint.metrics.turned_away.add(full);
        if self.warnings.may_warn(self.clock.now()) {
            warn!(
                "there is no room: too many {full}; {} were turned away so far",
                self.endpoint.metrics.turned_away.total()
            );
        }
    }
}
