//! Accepting, which comes last in a turn, when the slots of the connections that closed are free.

use std::net::IpAddr;

use log::{debug, warn};
use mio::Token;
use mio::net::TcpStream;

use super::Server;
use super::listeners::{self, Accepted};
use super::socket::Socket;
use crate::Millis;
use crate::metrics::{CONNECTIONS, DESCRIPTORS};

/// Connections taken in in one turn: about a millisecond's worth.
const BATCH: usize = 128;
/// How long to wait when there is no descriptor even to refuse with.
const RETRY: Millis = 100;

impl Server {
    /// A listener has connections to accept.
    pub(super) fn accept_later(&mut self, listener: usize) {
        if !self.accept_ready.contains(&listener) {
            self.accept_ready.push(listener);
        }
    }

    /// Accepts the connections that wait, a batch at most. The rest waits for the next turn.
    pub(super) fn accept(&mut self) {
        let mut room = BATCH;
        while let (Some(&listener), 1..) = (self.accept_ready.last(), room) {
            room -= 1;
            match self.listeners.accept(listener) {
                Accepted::Connection(stream, _) if self.endpoint.is_full() => {
                    self.reject(CONNECTIONS);
                    listeners::refuse(stream);
                }
                Accepted::Connection(stream, address) => self.admit(stream, address),
                Accepted::Refused => self.reject(DESCRIPTORS),
                Accepted::GivenUp => {}
                Accepted::WouldBlock => {
                    self.accept_ready.pop();
                }
                Accepted::Exhausted => {
                    self.accept_ready.clear();
                    self.accept_retry = Some(self.clock.now() + RETRY);
                }
            }
        }
        if self.accept_ready.is_empty() {
            self.watermark.accepted_all();
        }
        // One listener at which there is no end must not keep the others waiting.
        if self.accept_ready.len() > 1 {
            self.accept_ready.rotate_right(1);
        }
    }

    fn admit(&mut self, stream: TcpStream, address: IpAddr) {
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

    /// Counts and logs a connection that is rejected for lack of this.
    fn reject(&mut self, full: &'static str) {
        self.endpoint.metrics.rejected.add(full);
        if self.warnings.may_warn(self.clock.now()) {
            warn!(
                "there is no room: too many {full}; {} were rejected so far",
                self.endpoint.metrics.rejected.total()
            );
        }
    }
}
