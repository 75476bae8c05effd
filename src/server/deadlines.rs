//! What is done by the clock, and by the silence of a peer.

use std::time::Duration;

use tungstenite::protocol::frame::coding::CloseCode;

use super::Server;
use super::clients::{Link, Outbox};
use super::connection::State;
use crate::models::Millis;
use crate::models::id::ClientId;
use crate::protocols::{Outgoing, Protocol, Wake};

/// Timers of each kind that are dealt with before the time is looked at, and how long that goes on in one turn. The rest
/// waits for the next.
const EXPIRIES: usize = 16;
const EXPIRIES_BUDGET: Duration = Duration::from_millis(1);

impl Server {
    /// Does what is due by now, and ends the waits for peers of whom nothing has come in time.
    pub(super) fn run_timers(&mut self) {
        self.expire();
        let now = self.clock.now();
        if self.app.next_wakeup().is_some_and(|due| due <= now) {
            let mut outbox = Outbox { connections: &mut self.connections, clients: &mut self.clients };
            self.app.wake(now, &mut outbox);
        }
        if self.app.stats_due().is_some_and(|due| due <= now) {
            self.publish_stats();
        }
        if self.accept_retry.is_some_and(|due| due <= now) {
            self.accept_retry = None;
            self.crowded = (0..self.listeners.len()).collect();
        }
    }

    /// Ends the waits that are over, as far as there is time.
    fn expire(&mut self) {
        let heard = self.heard.until();
        let is_due = |next: Option<Millis>| next.is_some_and(|due| due <= heard);
        let began = self.clock.uptime();
        while is_due(self.connections.next_deadline()) || is_due(self.clients.next_wakeup()) {
            for slot in self.connections.expire(heard, EXPIRIES) {
                self.time_out(slot);
            }
            for client in self.clients.expire(heard, EXPIRIES) {
                self.wake(client);
            }
            self.clock.tick();
            if self.clock.uptime() - began > EXPIRIES_BUDGET {
                break;
            }
        }
    }

    fn time_out(&mut self, slot: u32) {
        let connection = self.connections.get(slot);
        let is_answered = connection.outbound.is_empty();
        if matches!(connection.state, State::Http) && is_answered && !connection.inbound.is_empty() {
            self.request_timeout(slot);
        } else {
            self.drop_connection(slot, "timeout");
        }
    }

    /// Lets a client's protocol do what it does by the clock.
    fn wake(&mut self, id: ClientId) {
        let now = self.heard.until();
        let Some(client) = self.clients.get(id) else {
            return;
        };
        if let Link::Polling(mailbox) = &client.link
            && let Some(due) = mailbox.first_request_due
        {
            if due <= now {
                return self.close_client(id, CloseCode::Away, "no poll or connect after the handshake");
            }
            return self.clients.wake_at(id, due);
        }
        let connection = match client.link {
            Link::Socket(id) => self.connections.find(id).map(|slot| self.connections.get(slot)),
            Link::Polling(_) => None,
        };
        let heard = match connection {
            // We paused reading this socket until the client reads, so its silence is ours.
            Some(connection) if connection.is_paused() => client.heard.max(connection.since),
            // What it has sent waits for its turn.
            Some(connection) if connection.is_unread => now,
            _ => client.heard,
        };
        let wake = |protocol: &mut Protocol, out: &mut Outgoing| protocol.wake(heard, now, out);
        match self.clients.speak(id, &mut self.connections, wake) {
            Some(Wake::At(time)) => self.clients.wake_at(id, time),
            Some(Wake::Answer) => {
                self.answer_held(id);
                self.wake(id);
            }
            Some(Wake::Close(code, reason)) => self.close_client(id, code, reason),
            None => {}
        }
    }
}
