//! The clients: each with its protocol's state, and the connection that its events go to.

use slab::Slab;

use super::connections::Connections;
use super::timers::Timers;
use crate::event::{Deliver, Event};
use crate::models::Millis;
use crate::models::id::ClientId;
use crate::protocols::{Dialect, Protocol};
use crate::websocket;

/// A client and where it is reached.
#[derive(Debug)]
pub struct Client {
    generation: u32,
    /// The slot of its connection.
    pub connection: u32,
    /// When something last came from it.
    pub heard: Millis,
    pub protocol: Protocol,
}

/// All clients.
#[derive(Debug)]
pub struct Clients {
    slab: Slab<Client>,
    generation: u32,
    timers: Timers,
}

impl Clients {
    /// No clients yet.
    pub fn new(now: Millis) -> Clients {
        Clients { slab: Slab::new(), generation: 0, timers: Timers::new(now) }
    }

    /// Takes a client in, under an id that no client had before. It is due to be woken at once, to say
    /// when it wants to be.
    pub fn insert(&mut self, connection: u32, protocol: Protocol, now: Millis) -> ClientId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = self.slab.insert(Client { generation, connection, heard: now, protocol }) as u32;
        self.timers.set(slot, now);
        ClientId { slot, generation }
    }

    /// Forgets a client.
    pub fn remove(&mut self, id: ClientId) {
        if self.get(id).is_some() {
            self.slab.remove(id.slot as usize);
            self.timers.cancel(id.slot);
        }
    }

    /// Takes the clients that wanted to be woken by now.
    pub fn expire(&mut self, now: Millis) -> Vec<ClientId> {
        let due = self.timers.expire(now).into_iter();
        due.map(|slot| ClientId { slot, generation: self.slab[slot as usize].generation }).collect()
    }

    /// Sets when a client is to be woken.
    pub fn wake_at(&mut self, id: ClientId, time: Millis) {
        self.timers.set(id.slot, time);
    }

    /// When to call [`Clients::expire`].
    pub fn next_wakeup(&self) -> Option<Millis> {
        self.timers.next()
    }

    /// The client with this id, unless it is gone.
    pub fn get(&mut self, id: ClientId) -> Option<&mut Client> {
        self.slab.get_mut(id.slot as usize).filter(|client| client.generation == id.generation)
    }
}

/// Events on their way to the outbound buffers of their clients' connections.
pub struct Outbox<'a> {
    pub connections: &'a mut Connections,
    pub clients: &'a mut Clients,
}

impl Deliver for Outbox<'_> {
    fn deliver(&mut self, to: ClientId, event: &Event<'_>) {
        let Some(client) = self.clients.get(to) else {
            return;
        };
        if client.protocol.wants(event) {
            let outbound = self.connections.outbound(client.connection);
            encode(client.protocol.dialect(), event, outbound);
        }
    }

    fn broadcast(&mut self, to: &mut dyn Iterator<Item = ClientId>, event: &Event<'_>) {
        let mut encoded: Vec<(Dialect, Vec<u8>)> = Vec::new();
        for id in to {
            let Some(client) = self.clients.get(id).filter(|client| client.protocol.wants(event)) else {
                continue;
            };
            let dialect = client.protocol.dialect();
            let known = encoded.iter().position(|(known, _)| *known == dialect);
            let index = known.unwrap_or_else(|| {
                let mut frame = Vec::new();
                encode(dialect, event, &mut frame);
                encoded.push((dialect, frame));
                encoded.len() - 1
            });
            self.connections.outbound(client.connection).extend_from_slice(&encoded[index].1);
        }
    }
}

fn encode(dialect: Dialect, event: &Event<'_>, out: &mut Vec<u8>) {
    dialect.encode(event, &mut |parts| websocket::write_text(out, parts));
}
