//! What is done by the clock, and by the silence of a peer.

use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use super::connection::State;
use super::ending::Close;
use super::sessions::{Dispatcher, Transport};
use crate::Millis;
use crate::chat::id::ClientId;
use crate::protocols::{Outgoing, Protocol, Wake};

/// Timers of each kind that are dealt with at once.
const EXPIRIES: usize = 16;

impl Endpoint {
    /// Does a part of what is due by now, and ends some of the waits for peers that sent nothing by `read_until`: the
    /// time up to which all that came has been read, except from connections that are to be read without an event.
    /// Returns whether more of that is left to do.
    pub fn tick(&mut self, now: Millis, read_until: Millis) -> bool {
        self.now = now;
        self.read_until = self.connections.set_read_until(read_until);
        let is_left = [self.continue_leaving(), self.expire(), self.limit_detached()].contains(&true);
        if self.chat.next_wakeup().is_some_and(|due| due <= now) {
            let mut dispatcher =
                Dispatcher { connections: &mut self.connections, sessions: &mut self.sessions };
            self.chat.wake(now, &mut dispatcher);
        }
        if self.figures.due().is_some_and(|due| due <= now) {
            self.publish_figures();
        }
        is_left
    }

    /// When [`Endpoint::tick`] is to be called, unless [`Endpoint::has_work`] says that it is now.
    pub fn next_deadline(&self) -> Option<Millis> {
        let due = [
            self.connections.next_deadline(),
            self.sessions.next_wakeup(),
            self.chat.next_wakeup(),
            self.figures.due(),
        ];
        due.into_iter().flatten().min()
    }

    /// Ends some of the waits that are over. Returns whether more may be.
    fn expire(&mut self) -> bool {
        for slot in self.connections.expire(self.read_until, EXPIRIES) {
            self.time_out(slot);
        }
        for client in self.sessions.expire(self.read_until, EXPIRIES) {
            self.wake(client);
        }
        let next = [self.connections.next_deadline(), self.sessions.next_wakeup()];
        next.into_iter().flatten().any(|due| due <= self.read_until)
    }

    fn time_out(&mut self, slot: u32) {
        let connection = self.connections.get(slot);
        let is_answered = connection.output.is_empty();
        let is_request = matches!(connection.state, State::Http | State::AwaitingTurn);
        if is_request && is_answered && !connection.input.is_empty() {
            self.request_timeout(slot);
        } else {
            self.end_connection(slot, Close::Now, "timeout");
        }
    }

    /// Lets a client's protocol do what it does by the clock.
    fn wake(&mut self, id: ClientId) {
        let now = self.read_until;
        let Some(client) = self.sessions.get(id) else {
            return;
        };
        if let Transport::Polling(poll_queue) = &client.transport
            && let Some(due) = poll_queue.first_request_due
        {
            if due <= now {
                return self.end_session(id, CloseCode::Away, "no poll or connect after the handshake");
            }
            return self.sessions.wake_at(id, due);
        }
        let connection = match client.transport {
            Transport::WebSocket(id) => self.connections.find(id).map(|slot| self.connections.get(slot)),
            Transport::Polling(_) => None,
        };
        let heard = match connection {
            // We paused reading this socket until the client reads, so its silence is ours.
            Some(connection) if connection.is_paused() => client.heard.max(connection.since),
            // What it has sent waits for its turn.
            Some(connection) if connection.may_have_input() => now,
            _ => client.heard,
        };
        let wake = |protocol: &mut Protocol, out: &mut Outgoing| protocol.wake(heard, now, out);
        match self.sessions.with_protocol(id, &mut self.connections, wake) {
            Some(Wake::At(time)) => self.sessions.wake_at(id, time),
            Some(Wake::Answer) => {
                self.answer_held(id);
                self.wake(id);
            }
            Some(Wake::Close(code, reason)) => self.end_session(id, code, reason),
            None => {}
        }
    }
}
