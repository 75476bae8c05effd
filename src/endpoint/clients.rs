//! The clients: each with its protocol's state, and where it is reached.

use std::rc::Rc;

use slab::Slab;

use super::connections::{ConnectionId, Connections};
use super::poll_queue::PollQueue;
use super::sessions::Rank;
use crate::Millis;
use crate::chat::event::{Deliver, Event};
use crate::chat::id::ClientId;
use crate::http::peer::Peer;
use crate::protocols::bayeux::Bayeux;
use crate::protocols::{Encoding, Outgoing, Protocol};
use crate::timer_wheel::Timers;
use crate::websocket;

/// Where a client is reached.
#[derive(Debug)]
pub enum Transport {
    /// Over the WebSocket on this connection.
    WebSocket(ConnectionId),
    /// In answer to its requests.
    Polling(Box<PollQueue>),
}

/// A client and where it is reached.
#[derive(Debug)]
pub struct Client {
    generation: u32,
    /// When something last came from it.
    pub heard: Millis,
    pub transport: Transport,
    pub protocol: Protocol,
    /// The newest status, if its socket took nothing when it was due.
    pub late_status: Option<Rc<str>>,
    /// Who opened its session.
    pub peer: Peer,
    /// Its place among the detached sessions, if it is one.
    pub detached: Option<Rank>,
}

impl Client {
    /// Whether it cannot be reached now, and may never be again: its connection was lost, or it has not polled or
    /// connected yet. A client between two polls is not absent.
    pub fn is_absent(&self) -> bool {
        match &self.transport {
            Transport::Polling(poll_queue) => poll_queue.is_lost || poll_queue.first_request_due.is_some(),
            Transport::WebSocket(_) => false,
        }
    }
}

/// All clients.
#[derive(Debug)]
pub struct Clients {
    slab: Slab<Client>,
    generation: u32,
    timers: Timers,
    /// Polling clients that were told something in this turn.
    mail: Vec<ClientId>,
}

impl Clients {
    /// No clients yet.
    pub fn new(now: Millis) -> Clients {
        Clients { slab: Slab::new(), generation: 0, timers: Timers::new(now), mail: Vec::new() }
    }

    /// Takes a client in, under an id that no client had before. It is due to be woken at once, to say
    /// when it wants to be.
    pub fn insert(&mut self, transport: Transport, protocol: Protocol, peer: Peer, now: Millis) -> ClientId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let client =
            Client { generation, heard: now, transport, protocol, late_status: None, peer, detached: None };
        let slot = self.slab.insert(client) as u32;
        self.timers.set(slot, now);
        ClientId { slot, generation }
    }

    /// Forgets a client.
    pub fn remove(&mut self, id: ClientId) -> Option<Client> {
        self.get(id)?;
        self.timers.cancel(id.slot);
        Some(self.slab.remove(id.slot as usize))
    }

    /// The client with this id, unless it is gone.
    pub fn get(&self, id: ClientId) -> Option<&Client> {
        self.slab.get(id.slot as usize).filter(|client| client.generation == id.generation)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.slab.get_mut(id.slot as usize).filter(|client| client.generation == id.generation)
    }

    /// The poll_queue of a client that polls.
    pub fn poll_queue(&mut self, id: ClientId) -> Option<&mut PollQueue> {
        match &mut self.get_mut(id)?.transport {
            Transport::Polling(poll_queue) => Some(poll_queue),
            Transport::WebSocket(_) => None,
        }
    }

    /// The protocol's state of a client that speaks Bayeux.
    pub fn bayeux(&mut self, id: ClientId) -> Option<&mut Bayeux> {
        match &mut self.get_mut(id)?.protocol {
            Protocol::Bayeux(bayeux) => Some(bayeux),
            _ => None,
        }
    }

    /// Notes that something came from a client.
    pub fn heard(&mut self, id: ClientId, now: Millis) {
        if let Some(client) = self.get_mut(id) {
            client.heard = now;
        }
    }

    /// Lets a client's protocol say something to the client.
    pub fn with_protocol<T>(
        &mut self,
        id: ClientId,
        connections: &mut Connections,
        say: impl FnOnce(&mut Protocol, &mut Outgoing) -> T,
    ) -> Option<T> {
        let Client { transport, protocol, .. } = self.get_mut(id)?;
        match transport {
            Transport::WebSocket(id) => {
                let slot = connections.find(*id)?;
                let mut out = |parts: &[&str]| websocket::write_text(connections.frame(slot), parts);
                Some(say(protocol, &mut out))
            }
            Transport::Polling(poll_queue) => {
                let said = say(protocol, &mut |parts| poll_queue.push(parts));
                if !poll_queue.is_empty() {
                    self.mail.push(id);
                }
                Some(said)
            }
        }
    }

    /// Sends a client a text that others get too. Of a status only the newest waits for a client that takes nothing
    /// at the moment.
    fn send_shared(&mut self, id: ClientId, connections: &mut Connections, text: Rc<str>, is_status: bool) {
        let Some(client) = self.get_mut(id) else {
            return;
        };
        match &mut client.transport {
            Transport::WebSocket(connection) => {
                let Some(slot) = connections.find(*connection) else {
                    return;
                };
                if is_status && connections.get(slot).is_blocked {
                    client.late_status = Some(text);
                } else {
                    if is_status {
                        client.late_status = None;
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
                self.mail.push(id);
            }
        }
    }

    /// Notes that a polling client has mail.
    pub fn mark_pollable(&mut self, id: ClientId) {
        self.mail.push(id);
    }

    /// Takes one of the clients that have mail, which may be gone or have been answered.
    pub fn next_pollable(&mut self) -> Option<ClientId> {
        self.mail.pop()
    }

    /// All clients and their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ClientId, &Client)> {
        let id = |slot, client: &Client| ClientId { slot: slot as u32, generation: client.generation };
        self.slab.iter().map(move |(slot, client)| (id(slot, client), client))
    }

    /// Takes the clients that wanted to be woken by now, so many at the most.
    pub fn expire(&mut self, now: Millis, most: usize) -> Vec<ClientId> {
        let due = self.timers.expire(now, most).into_iter();
        due.map(|slot| ClientId { slot, generation: self.slab[slot as usize].generation }).collect()
    }

    /// Sets when a client is to be woken.
    pub fn wake_at(&mut self, id: ClientId, time: Millis) {
        if self.get(id).is_some() {
            self.timers.set(id.slot, time);
        }
    }

    /// When to call [`Clients::expire`].
    pub fn next_wakeup(&self) -> Option<Millis> {
        self.timers.next()
    }
}

/// Events on their way to their clients.
pub struct Dispatcher<'a> {
    pub connections: &'a mut Connections,
    pub clients: &'a mut Clients,
}

impl Deliver for Dispatcher<'_> {
    fn deliver(&mut self, to: ClientId, event: &Event<'_>) -> bool {
        let deliver = |protocol: &mut Protocol, out: &mut Outgoing| protocol.deliver(event, out);
        self.clients.with_protocol(to, self.connections, deliver).unwrap_or(true)
    }

    fn broadcast(&mut self, to: &mut dyn Iterator<Item = ClientId>, event: &Event<'_>) {
        let mut encoded: Vec<(Encoding, Rc<str>)> = Vec::new();
        for id in to {
            let Some(encoding) = self.clients.get(id).and_then(|client| client.protocol.encoding_for(event))
            else {
                continue;
            };
            let known = encoded.iter().find(|(known, _)| *known == encoding).map(|(_, text)| text.clone());
            let text = known.unwrap_or_else(|| {
                let mut text = String::new();
                encoding.broadcast(event, &mut |parts| text.push_str(&parts.concat()));
                let text: Rc<str> = text.into();
                encoded.push((encoding, text.clone()));
                text
            });
            self.clients.send_shared(id, self.connections, text, matches!(event, Event::Status(_)));
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
        let mut clients = Clients::new(0);
        let protocol = Protocol::Phoenix(Phoenix::new(Version::V1, 1000));
        let transport = Transport::WebSocket(connections.id(0));
        let client = clients.insert(transport, protocol, Peer::of(address), 0);

        connections.get_mut(0).is_blocked = true;
        clients.send_shared(client, &mut connections, "older".into(), true);
        assert!(connections.get(0).outbound.is_empty() && clients.get(client).unwrap().late_status.is_some());
        connections.get_mut(0).is_blocked = false;
        clients.send_shared(client, &mut connections, "newer".into(), true);
        assert!(connections.get(0).outbound.ends_with(b"newer"));
        assert_eq!(clients.get(client).unwrap().late_status, None);
    }
}
