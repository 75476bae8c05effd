//! Everything between bytes and the chat, without a socket and without a clock: the connections and what each is in the
//! middle of, the clients and their protocols, and the chat. Bytes and the time are passed in, bytes come out.
//!
//! For each connection the caller does this, in the order of the loop in [`crate::server`]:
//!
//! - [`Endpoint::open`] once, then [`Endpoint::receive`] with what came, [`Endpoint::input_ended`] once the peer has shut
//!   its side and all is read, or [`Endpoint::lost`] if the connection failed;
//! - input that is left to do, or to be read: [`Endpoint::next_deferred`], [`Endpoint::next_unread`],
//!   [`Endpoint::resume`];
//! - [`Endpoint::answer_waiting`] for responses that take long to make;
//! - [`Endpoint::tick`] for what time asks for;
//! - [`Endpoint::next_to_write`], [`Endpoint::output`] and [`Endpoint::written`] until there is nothing to write;
//! - [`Endpoint::free_closed`], after which slots may be used again.

pub(crate) mod clients;
pub(crate) mod connection;
pub(crate) mod connections;
mod costly;
mod deadlines;
mod departure;
mod echo;
mod gauges;
mod http;
mod input;
mod links;
mod metrics;
mod overload;
mod poll_queue;
mod polling;
mod receive;
mod sessions;
mod shutdown;

use core::net::IpAddr;
use std::collections::HashMap;

use uuid::Uuid;

use crate::Millis;
use crate::chat::id::ClientId;
use crate::chat::snapshot::Snapshot;
use crate::chat::{Chat, Limits};
use crate::http::origins::Origins;
use crate::http::peer::TrustedProxies;
use crate::memory::Memory;
use crate::metrics::{Metrics, Warnings};
use crate::options::Options;
use crate::process::Usage;

use clients::Clients;
pub use connections::{ConnectionId, Write};
use connections::{Connections, Written};
use costly::CostlyResponses;
use sessions::DetachedSessions;

/// What to do next with a connection after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing until an event tells of the connection.
    Wait,
    /// To read what has come.
    Read,
    /// To shut the write side: all is written.
    Shut,
}

/// All connections and clients, and the chat.
pub struct Endpoint {
    /// The time as of the last call.
    pub(crate) now: Millis,
    /// Up to when everything that came has been read.
    read_until: Millis,
    started: Millis,
    pub(crate) connections: Connections,
    pub(crate) clients: Clients,
    detached: DetachedSessions,
    /// Bayeux clients by clientId.
    pub(crate) client_ids: HashMap<Box<str>, ClientId>,
    pub(crate) chat: Chat,
    pub(crate) memory: Memory,
    /// What is counted. The loop counts its turns here too.
    pub metrics: Metrics,
    warnings: Warnings,
    /// What this process uses, if looking costs little.
    usage: fn() -> Option<Usage>,
    costly: CostlyResponses,
    /// The snapshot as it was last made, and the turn in which that was.
    snapshot: Option<(u64, Snapshot)>,
    /// The metrics as they were last told, and the turn in which that was.
    scrape: (u64, String),
    pub(crate) origins: Origins,
    trusted_proxies: TrustedProxies,
    /// What is left of the work that the connection whose input is read may cause in this turn.
    pub(crate) work: u32,
    max_connections: usize,
    pub(crate) max_message_size: usize,
    pub(crate) max_backlog: usize,
    idle_timeout: Millis,
    /// Whether [`Endpoint::stop`] was called.
    is_stopping: bool,
}

impl Endpoint {
    /// Without connections. Chats get their ids from `new_id`; `usage` says what this process uses, if looking costs
    /// little.
    pub fn new(
        options: &Options,
        max_connections: usize,
        now: Millis,
        new_id: impl FnMut() -> Uuid + 'static,
        usage: fn() -> Option<Usage>,
    ) -> Endpoint {
        let limits = Limits {
            students_per_teacher: options.students_per_teacher,
            status_interval: options.status_interval.as_millis() as Millis,
            chat_history: options.chat_history,
        };
        let memory = Memory::new(options.max_memory);
        Endpoint {
            now,
            read_until: now,
            started: now,
            connections: Connections::new(options.max_backlog, memory.clone(), now),
            clients: Clients::new(now),
            detached: DetachedSessions::new(max_connections),
            client_ids: HashMap::new(),
            chat: Chat::new(limits, &memory, new_id),
            memory,
            metrics: Metrics::new(),
            warnings: Warnings::default(),
            usage,
            costly: CostlyResponses::default(),
            snapshot: None,
            scrape: (0, String::new()),
            origins: options.origins.clone(),
            trusted_proxies: options.trusted_proxies.clone(),
            work: 0,
            max_connections,
            max_message_size: options.max_message_size,
            max_backlog: options.max_backlog,
            idle_timeout: options.idle_timeout.as_millis() as Millis,
            is_stopping: false,
        }
    }

    /// Whether there are as many connections as there may be.
    pub fn is_full(&self) -> bool {
        self.connections.len() >= self.max_connections
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Takes in a connection from this address. Its slot is its own until it is reported by
    /// [`Endpoint::free_closed`].
    pub fn open(&mut self, address: IpAddr, now: Millis) -> ConnectionId {
        self.metrics.accepted += 1;
        self.connections.insert(address, now)
    }

    /// The peer shuts its side or has reset the connection, as an event says: what it sent before may be unread. Returns
    /// whether the event is dealt with by that.
    pub fn ending(&mut self, id: ConnectionId, now: Millis) -> bool {
        self.now = now;
        let Some(slot) = self.connections.find(id) else {
            return true;
        };
        self.connections.get_mut(slot).has_ended = true;
        let is_held = self.connections.get(slot).is_held_in_vain();
        if is_held {
            self.end_input(slot);
        }
        is_held
    }

    /// There is input to be read from a connection. `is_late` says that this turn has no time left for it. Otherwise the
    /// connection may have to wait for its output, or for others because it sends much.
    pub fn readable(&mut self, id: ConnectionId, is_late: bool) -> Next {
        let Some(slot) = self.connections.find(id) else {
            return Next::Wait;
        };
        let connection = self.connections.get(slot);
        if connection.is_paused() || connection.is_heavy {
            self.connections.read_again(slot);
        } else if is_late {
            self.connections.defer(slot);
        } else if !connection.is_unread {
            // One that is has input to be dealt with first, which an end would cut off.
            return Next::Read;
        }
        Next::Wait
    }

    /// These bytes have come. `is_more` says that more may be there.
    pub fn receive(&mut self, id: ConnectionId, bytes: &mut [u8], is_more: bool, now: Millis) {
        self.now = now;
        if let Some(slot) = self.connections.find(id) {
            let traffic = &mut self.connections.traffic;
            traffic.reads += 1;
            traffic.bytes_in += bytes.len() as u64;
            if is_more {
                self.connections.read_again(slot);
            }
            self.take_in(slot, bytes);
        }
    }

    /// All that came from a connection has been read.
    pub fn drained(&mut self, id: ConnectionId) {
        if let Some(slot) = self.connections.find(id) {
            self.connections.get_mut(slot).is_heavy = false;
        }
    }

    /// The peer has shut its side, and all that it sent before is read.
    pub fn input_ended(&mut self, id: ConnectionId, now: Millis) {
        self.now = now;
        if let Some(slot) = self.connections.find(id) {
            self.connections.traffic.reads += 1;
            self.end_input(slot);
        }
    }

    /// Reading or writing has failed: the connection is gone.
    pub fn lost(&mut self, id: ConnectionId, now: Millis) {
        self.now = now;
        if let Some(slot) = self.connections.find(id) {
            self.drop_connection(slot, receive::PEER_GONE);
        }
    }

    /// How many connections are deferred, some of which may be gone.
    pub fn deferred_len(&self) -> usize {
        self.connections.deferred_len()
    }

    /// How many others are to be resumed, some of which may be gone.
    pub fn unread_len(&self) -> usize {
        self.connections.unread_len()
    }

    /// Takes the next connection that was deferred; `None` if it is not to be read any more.
    pub fn next_deferred(&mut self) -> Option<ConnectionId> {
        self.connections.next_deferred().map(|slot| self.connections.id(slot))
    }

    /// Takes the next other connection that is to be read without an event; `None` if it is not any more.
    pub fn next_unread(&mut self) -> Option<ConnectionId> {
        self.connections.next_unread().map(|slot| self.connections.id(slot))
    }

    /// Goes on with what a connection has sent already.
    pub fn resume(&mut self, id: ConnectionId, now: Millis) -> Next {
        self.now = now;
        let Some(slot) = self.connections.find(id) else {
            return Next::Wait;
        };
        self.take_in(slot, &mut []);
        let connection = self.connections.get(slot);
        if connection.is_unread || connection.is_closed {
            return Next::Wait;
        }
        if connection.is_paused() {
            self.connections.read_again(slot);
            return Next::Wait;
        }
        Next::Read
    }

    /// The next connection that has something to be told. What waits for polls is given to those that are held.
    pub fn next_to_write(&mut self, now: Millis) -> Option<ConnectionId> {
        self.now = now;
        self.answer_pollable();
        self.connections.next_dirty().map(|slot| self.connections.id(slot))
    }

    /// What is to be written to a connection; empty if it is gone or only its end is to be told.
    pub fn output(&self, id: ConnectionId) -> &[u8] {
        self.connections.find(id).map_or(&[], |slot| &self.connections.get(slot).outbound)
    }

    /// So much of [`Endpoint::output`] was written, in so many calls.
    pub fn written(&mut self, id: ConnectionId, write: Write, calls: u64, now: Millis) -> Next {
        self.now = now;
        let Some(slot) = self.connections.find(id) else {
            return Next::Wait;
        };
        self.connections.traffic.writes += calls;
        match self.connections.written(slot, write, now) {
            Written::Shut => return Next::Shut,
            Written::CaughtUp => self.send_late_status(slot),
            // One that has said good-bye has its reason.
            Written::Over => self.drop_connection(slot, receive::PEER_GONE),
            Written::Blocked if self.connections.is_too_far_behind(slot) => self.evict_slow_consumer(slot),
            Written::Done | Written::Blocked => {}
        }
        Next::Wait
    }

    /// The kernel may take more from a connection again.
    pub fn writable(&mut self, id: ConnectionId) {
        if let Some(slot) = self.connections.find(id) {
            self.connections.writable(slot);
        }
    }

    /// Whether there is work that neither an event nor a deadline will tell of.
    pub fn has_work(&self) -> bool {
        let has_io =
            self.connections.has_unread() || self.connections.has_dirty() || self.costly.has_waiting();
        has_io || self.chat.next_leaving().is_some() || self.detached.has_excess()
    }

    /// Frees the slots of the connections that closed in this turn, each of which is passed to `free`.
    pub fn free_closed(&mut self, free: impl FnMut(ConnectionId)) {
        self.connections.free_closed(free);
        self.debug_check_links();
    }
}
