//! The sessions: each a client of the chat with its protocol's state, and the transport by which it is reached.

use std::rc::Rc;

use slab::Slab;

use super::connection::{ConnectionId, WriteSide};
use super::connections::Connections;
use super::detached::Rank;
use super::poll_queue::PollQueue;
use crate::Millis;
use crate::chat::event::{Deliver, Event};
use crate::chat::id::ClientId;
use crate::http::peer::Peer;
use crate::protocols::{Encoding, Outgoing, Protocol};
use crate::timer_wheel::Timers;
use crate::websocket;

/// How a session is reached.
#[derive(Debug)]
pub enum Transport {
    /// Over the WebSocket on this connection.
    WebSocket(ConnectionId),
    /// In answer to its requests.
    Polling(Box<PollQueue>),
}

/// A session. The chat knows it as a client.
#[derive(Debug)]
pub struct Session {
    generation: u32,
    /// When something last came from it.
    pub heard: Millis,
    pub transport: Transport,
    pub protocol: Protocol,
    /// The newest status, if its socket took no output when it was due.
    pub late_status: Option<Rc<str>>,
    /// The address that opened it.
    pub peer: Peer,
    /// Its place among the detached sessions, if it is one.
    pub detached: Option<Rank>,
}

impl Session {
    /// Whether it cannot be reached now, and may never be again: its connection was lost, or it has not polled or
    /// connected yet. A session between two polls is not absent.
    pub fn is_absent(&self) -> bool {
        match &self.transport {
            Transport::Polling(poll_queue) => poll_queue.is_lost || poll_queue.first_request_due.is_some(),
            Transport::WebSocket(_) => false,
        }
    }

    /// Puts messages together to the body that answers a request. The client waits for it, so as far as it is late the
    /// client's silence is ours.
    pub fn payload<'a>(&mut self, messages: impl Iterator<Item = &'a str>, now: Millis) -> String {
        self.heard += self.protocol.lateness(now);
        self.protocol.payload(messages)
    }
}

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    slab: Slab<Session>,
    generation: u32,
    timers: Timers,
    /// Polling sessions for which something was queued in this turn.
    pollable: Vec<ClientId>,
}

impl Sessions {
    /// No sessions yet.
    pub fn new(now: Millis) -> Sessions {
        Sessions { slab: Slab::new(), generation: 0, timers: Timers::new(now), pollable: Vec::new() }
    }

    /// Adds a session under an id that none had before. Its protocol is woken at once, to say when next.
    pub fn insert(&mut self, transport: Transport, protocol: Protocol, peer: Peer, now: Millis) -> ClientId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let session =
            Session { generation, heard: now, transport, protocol, late_status: None, peer, detached: None };
        let slot = self.slab.insert(session) as u32;
        self.timers.set(slot, now);
        ClientId { slot, generation }
    }

    /// Forgets a session.
    pub fn remove(&mut self, id: ClientId) -> Option<Session> {
        self.get(id)?;
        self.timers.cancel(id.slot);
        Some(self.slab.remove(id.slot as usize))
    }

    /// The session of this client, unless it has ended.
    pub fn get(&self, id: ClientId) -> Option<&Session> {
        self.slab.get(id.slot as usize).filter(|session| session.generation == id.generation)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Session> {
        self.slab.get_mut(id.slot as usize).filter(|session| session.generation == id.generation)
    }

    /// The queue of a session that polls.
    pub fn poll_queue(&mut self, id: ClientId) -> Option<&mut PollQueue> {
        match &mut self.get_mut(id)?.transport {
            Transport::Polling(poll_queue) => Some(poll_queue),
            Transport::WebSocket(_) => None,
        }
    }

    /// Notes that something came from a client.
    pub fn set_heard(&mut self, id: ClientId, now: Millis) {
        if let Some(session) = self.get_mut(id) {
            session.heard = now;
        }
    }

    /// Calls `say` with a session's protocol and a sink for its messages.
    pub fn with_protocol<T>(
        &mut self,
        id: ClientId,
        connections: &mut Connections,
        say: impl FnOnce(&mut Protocol, &mut Outgoing) -> T,
    ) -> Option<T> {
        let Session { transport, protocol, .. } = self.get_mut(id)?;
        match transport {
            Transport::WebSocket(id) => {
                let slot = connections.find(*id)?;
                let mut out = |parts: &[&str]| websocket::write_text(connections.frame(slot), parts);
                Some(say(protocol, &mut out))
            }
            Transport::Polling(poll_queue) => {
                let said = say(protocol, &mut |parts| poll_queue.push(parts));
                if !poll_queue.is_empty() {
                    self.pollable.push(id);
                }
                Some(said)
            }
        }
    }

    /// Sends a client a text that others get too. Of a status only the newest waits for a client that takes nothing
    /// at the moment.
    fn send_shared(&mut self, id: ClientId, connections: &mut Connections, text: Rc<str>, is_status: bool) {
        let Some(session) = self.get_mut(id) else {
            return;
        };
        match &mut session.transport {
            Transport::WebSocket(connection) => {
                let Some(slot) = connections.find(*connection) else {
                    return;
                };
                if is_status && connections.get(slot).write_side == WriteSide::Blocked {
                    session.late_status = Some(text);
                } else {
                    if is_status {
                        session.late_status = None;
                    }
                    websocket::write_text(connections.frame(slot), &[&text]);
                }
            }
            Transport::Polling(poll_queue) => {
                if is_status {
                    poll_queue.push_status(text);
                } else {
                    poll_queue.push_shared(text);
                }
                self.pollable.push(id);
            }
        }
    }

    /// Notes that something is queued for a polling session.
    pub fn mark_pollable(&mut self, id: ClientId) {
        self.pollable.push(id);
    }

    /// Takes one of the sessions noted, which may have ended or been answered.
    pub fn next_pollable(&mut self) -> Option<ClientId> {
        self.pollable.pop()
    }

    /// All sessions and their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ClientId, &Session)> {
        let id = |slot, session: &Session| ClientId { slot: slot as u32, generation: session.generation };
        self.slab.iter().map(move |(slot, session)| (id(slot, session), session))
    }

    /// Takes the sessions whose protocols wanted to be woken by now, `most` at the most.
    pub fn expire(&mut self, now: Millis, most: usize) -> Vec<ClientId> {
        let due = self.timers.expire(now, most).into_iter();
        due.map(|slot| ClientId { slot, generation: self.slab[slot as usize].generation }).collect()
    }

    /// Sets when a session's protocol is to be woken.
    pub fn wake_at(&mut self, id: ClientId, time: Millis) {
        if self.get(id).is_some() {
            self.timers.set(id.slot, time);
        }
    }

    /// When to call [`Sessions::expire`].
    pub fn next_wakeup(&self) -> Option<Millis> {
        self.timers.next()
    }
}

/// Events on their way to their clients.
pub struct Dispatcher<'a> {
    pub connections: &'a mut Connections,
    pub sessions: &'a mut Sessions,
}

impl Deliver for Dispatcher<'_> {
    fn deliver(&mut self, to: ClientId, event: &Event<'_>) -> bool {
        let deliver = |protocol: &mut Protocol, out: &mut Outgoing| protocol.deliver(event, out);
        self.sessions.with_protocol(to, self.connections, deliver).unwrap_or(true)
    }

    fn broadcast(&mut self, to: &mut dyn Iterator<Item = ClientId>, event: &Event<'_>) {
        let is_status = matches!(event, Event::Status(_));
        self.broadcast_encoded(
            to,
            is_status,
            |protocol| protocol.encoding_for(event),
            |encoding, out| encoding.broadcast(event, out),
        );
    }
}

impl Dispatcher<'_> {
    /// Sends several clients the same, encoded once for each of the encodings that `encoding_for` names.
    pub(super) fn broadcast_encoded(
        &mut self,
        to: &mut dyn Iterator<Item = ClientId>,
        is_status: bool,
        encoding_for: impl Fn(&Protocol) -> Option<Encoding>,
        encode: impl Fn(Encoding, &mut Outgoing),
    ) {
        let mut encoded: Vec<(Encoding, Rc<str>)> = Vec::new();
        for id in to {
            let Some(encoding) = self.sessions.get(id).and_then(|session| encoding_for(&session.protocol))
            else {
                continue;
            };
            let known = encoded.iter().find(|(known, _)| *known == encoding).map(|(_, text)| text.clone());
            let text = known.unwrap_or_else(|| {
                let mut text = String::new();
                encode(encoding, &mut |parts| text.push_str(&parts.concat()));
                let text: Rc<str> = text.into();
                encoded.push((encoding, text.clone()));
                text
            });
            self.sessions.send_shared(id, self.connections, text, is_status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::protocols::phoenix::{Phoenix, Version};

    #[test]
    fn a_status_that_is_late_does_not_come_behind_a_newer_one() {
        let memory = Memory::new(0);
        let mut connections = Connections::new(usize::MAX, memory, 0);
        let address = [127, 0, 0, 1].into();
        connections.insert(address, 0);
        let mut sessions = Sessions::new(0);
        let protocol = Protocol::Phoenix(Phoenix::new(Version::V1, 1000));
        let transport = Transport::WebSocket(connections.id(0));
        let client = sessions.insert(transport, protocol, Peer::of(address), 0);

        connections.get_mut(0).write_side = WriteSide::Blocked;
        sessions.send_shared(client, &mut connections, "older".into(), true);
        assert!(connections.get(0).output.is_empty() && sessions.get(client).unwrap().late_status.is_some());
        connections.get_mut(0).write_side = WriteSide::Ready;
        sessions.send_shared(client, &mut connections, "newer".into(), true);
        assert!(connections.get(0).output.waiting().ends_with(b"newer"));
        assert_eq!(sessions.get(client).unwrap().late_status, None);
    }
}
