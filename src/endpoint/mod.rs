//! Everything between bytes and the chat, without a socket and without a clock: the connections and what each is in the
//! middle of, the clients and their protocols, and the chat. Bytes and the time are passed in, bytes come out.
//!
//! For each connection the caller does this, in the order of the loop in [`crate::server`]:
//!
//! - [`Endpoint::open`] once;
//! - for each event [`Endpoint::ready`], and if it says so a read, which leads to [`Endpoint::receive`],
//!   [`Endpoint::drained`], [`Endpoint::input_ended`] once the peer has shut its side and all is read, or
//!   [`Endpoint::lost`] if the connection failed;
//! - input that is left to do, or to be read: [`Endpoint::next_deferred`], [`Endpoint::next_unread`],
//!   [`Endpoint::resume`];
//! - [`Endpoint::answer_waiting`] for responses that take long to make;
//! - [`Endpoint::tick`] for what time asks for;
//! - [`Endpoint::next_to_write`] and [`Endpoint::written`] until there is nothing to write;
//! - [`Endpoint::free_closed`], after which slots may be used again.

mod binding;
mod buffer;
pub(crate) mod connection;
pub(crate) mod connections;
mod costly;
mod deadlines;
mod detached;
mod echo;
mod ending;
mod figures;
mod gauges;
mod http;
mod metrics;
mod overload;
mod poll_queue;
mod polling;
mod receive;
pub(crate) mod sessions;

use core::net::IpAddr;
use std::collections::HashMap;

use uuid::Uuid;

use crate::Millis;
use crate::chat::id::{ClientId, RandomIds};
use crate::chat::snapshot::Snapshot;
use crate::chat::{Chat, Limits};
use crate::http::origins::Origins;
use crate::http::peer::TrustedProxies;
use crate::memory::Memory;
use crate::metrics::{Metrics, Warnings};
use crate::options::Options;
use crate::process::Usage;
#[cfg(doc)]
use crate::protocols::Protocol;
use crate::websocket;

pub use connection::ConnectionId;
use connection::{Binding, ReadSide, State};
pub use connections::Write;
use connections::{Connections, Written};
use costly::CostlyResponses;
use detached::DetachedSessions;
use ending::{Close, PEER_GONE};
use figures::FiguresBoard;
use sessions::Sessions;

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

/// What an event tells of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    pub readable: bool,
    pub writable: bool,
    /// The peer has shut its side or reset the connection.
    pub ended: bool,
}

/// All connections and sessions, and the chat.
pub struct Endpoint {
    /// The time as of the last call.
    pub(crate) now: Millis,
    /// Up to when everything that came has been read.
    read_until: Millis,
    started: Millis,
    pub(crate) connections: Connections,
    pub(crate) sessions: Sessions,
    detached: DetachedSessions,
    /// Sessions by the names that their requests give them ([`Protocol::session_name`]).
    pub(crate) session_names: HashMap<Box<str>, ClientId, RandomIds>,
    pub(crate) chat: Chat,
    /// Makes what the ids of sessions are made of.
    pub(crate) new_id: Box<dyn FnMut() -> Uuid>,
    figures: FiguresBoard,
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
    pub(crate) idle_timeout: Millis,
    /// Whether [`Endpoint::stop`] was called.
    is_stopping: bool,
}

impl Endpoint {
    /// Without connections. Chats and sessions get their ids from `new_id`, which has to be unguessable; `usage` says what
    /// this process uses, if looking costs little.
    pub fn new(
        options: &Options,
        max_connections: usize,
        now: Millis,
        new_id: impl FnMut() -> Uuid + Clone + 'static,
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
            sessions: Sessions::new(now),
            detached: DetachedSessions::new(max_connections),
            session_names: HashMap::default(),
            chat: Chat::new(limits, &memory, new_id.clone()),
            new_id: Box::new(new_id),
            figures: FiguresBoard::default(),
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

    /// The chat, to look at.
    pub fn chat(&self) -> &Chat {
        &self.chat
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

    /// An event tells of a connection. Returns whether to read from it now: not if it has to wait for its output, or for
    /// others because it sends much or `is_late`, which says that this turn has no time left for events.
    pub fn ready(&mut self, id: ConnectionId, ready: Ready, is_late: bool, now: Millis) -> Next {
        self.now = now;
        let Some(slot) = self.connections.find(id) else {
            return Next::Wait;
        };
        if ready.writable {
            self.connections.unblock(slot, now);
        }
        if ready.ended {
            self.ending(slot);
        }
        if ready.readable || ready.ended { self.readable(slot, is_late) } else { Next::Wait }
    }

    /// The peer shuts its side or has reset the connection; what it sent before may be unread.
    fn ending(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        if !connection.is_ending() {
            connection.read_side = ReadSide::Ending;
        }
        if connection.is_held_in_vain() {
            self.end_input(slot);
        } else if connection.is_paused() {
            connection.since = self.now;
            self.connections.restart_timer(slot);
        }
    }

    fn readable(&mut self, slot: u32, is_late: bool) -> Next {
        let connection = self.connections.get(slot);
        if connection.is_closed() {
            return Next::Wait;
        }
        if connection.is_paused() || connection.is_heavy() {
            self.connections.resume_later(slot);
        } else if is_late {
            self.connections.defer(slot);
        } else if !connection.in_unread {
            return Next::Read;
        }
        // One that is to be resumed has input to be dealt with first, which an end would cut off.
        Next::Wait
    }

    /// Takes in bytes that were read. `is_more` says that there may be more.
    pub fn receive(&mut self, id: ConnectionId, bytes: &mut [u8], is_more: bool, now: Millis) {
        self.now = now;
        if let Some(slot) = self.connections.find(id) {
            let traffic = &mut self.connections.traffic;
            traffic.reads += 1;
            traffic.bytes_in += bytes.len() as u64;
            if is_more {
                self.connections.resume_later(slot);
            }
            self.take_in(slot, bytes);
        }
    }

    /// All input of a connection has been read.
    pub fn drained(&mut self, id: ConnectionId) {
        if let Some(slot) = self.connections.find(id) {
            self.connections.get_mut(slot).set_last_read(0, false);
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
            self.end_connection(slot, Close::Now, PEER_GONE);
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

    /// Goes on with the input of a connection that is there already. Returns whether to read more.
    pub fn resume(&mut self, id: ConnectionId, now: Millis) -> Next {
        self.now = now;
        let Some(slot) = self.connections.find(id) else {
            return Next::Wait;
        };
        self.take_in(slot, &mut []);
        let connection = self.connections.get(slot);
        if connection.in_unread || connection.is_closed() {
            return Next::Wait;
        }
        if connection.is_paused() {
            self.connections.resume_later(slot);
            return Next::Wait;
        }
        Next::Read
    }

    /// The next connection that has output, and the output: empty if only the connection's end is to be told. Requests
    /// that are held are answered before.
    pub fn next_to_write(&mut self, now: Millis) -> Option<(ConnectionId, &[u8])> {
        self.now = now;
        self.answer_pollable();
        let slot = self.connections.next_dirty()?;
        Some((self.connections.id(slot), self.connections.get(slot).output.waiting()))
    }

    /// Output of [`Endpoint::next_to_write`] was written, in this many calls.
    pub fn written(&mut self, id: ConnectionId, write: Write, calls: u64, now: Millis) -> Next {
        self.now = now;
        let Some(slot) = self.connections.find(id) else {
            return Next::Wait;
        };
        self.connections.traffic.writes += calls;
        match self.connections.written(slot, write, now) {
            Written::Shut => return Next::Shut,
            Written::CaughtUp => self.send_late_status(slot),
            Written::Close => self.end_connection(slot, Close::Now, PEER_GONE),
            Written::Blocked if self.connections.is_too_far_behind(slot) => self.evict_slow_consumer(slot),
            Written::Done | Written::Blocked => {}
        }
        Next::Wait
    }

    /// Sends a client the newest status, which its socket did not take when it was due.
    fn send_late_status(&mut self, slot: u32) {
        let State::WebSocket(Binding::Owned(client) | Binding::Shared(Some(client)), _) =
            self.connections.get(slot).state
        else {
            return;
        };
        let status = self.sessions.get_mut(client).and_then(|session| session.late_status.take());
        if let Some(status) = status {
            websocket::write_text(self.connections.frame(slot), &[&status]);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An endpoint with one connection that was opened at time 0.
    fn endpoint() -> (Endpoint, ConnectionId) {
        let mut endpoint = Endpoint::new(&Options::default(), 10, 0, Uuid::new_v4, || None);
        let id = endpoint.open([127, 0, 0, 1].into(), 0);
        (endpoint, id)
    }

    #[test]
    fn an_end_that_is_told_late_in_a_turn_waits_as_input_does() {
        for ended in [false, true] {
            let (mut endpoint, id) = endpoint();
            let ready = Ready { readable: true, writable: false, ended };
            assert_eq!(endpoint.ready(id, ready, true, 1), Next::Wait);
            assert_eq!((endpoint.next_deferred(), endpoint.resume(id, 2)), (Some(id), Next::Read));
        }
    }

    #[test]
    fn a_request_that_never_gets_its_turn_is_answered_with_a_timeout() {
        let (mut endpoint, id) = endpoint();
        endpoint.receive(id, &mut b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), false, 1);
        assert!(endpoint.has_work() && endpoint.next_to_write(1).is_none());
        let hour = 3_600_000;
        while endpoint.tick(hour, hour) {}
        let (_, output) = endpoint.next_to_write(hour).unwrap();
        assert!(output.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(output));
    }
}
