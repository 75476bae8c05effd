//! All connections in one slab, with the lists that the loop works off: to be written, to be read again, to
//! be freed.

use core::net::IpAddr;
use std::collections::VecDeque;

use slab::Slab;

use super::connection::{Connection, State};
use super::input::InputBuffer;
use crate::Millis;
use crate::memory::Memory;
use crate::metrics::{CounterVec, Traffic};
use crate::protocols::bayeux::LIFETIME;
use crate::timer_wheel::Timers;

/// How long a request may take, and with it an upgrade.
const HEAD_TIMEOUT: Millis = 10_000;
/// How long a peer may take to close after it was told, and to take in the end of what it is told.
const CLOSE_TIMEOUT: Millis = 3_000;
/// How long a peer that is nobody's client may leave its answers unread, or take over a frame.
const SEND_TIMEOUT: Millis = 60_000;
/// Buffers kept for the next connections that have something to say, and the largest one kept: so
/// connections that say little need no allocation, and idle ones hold none.
const SPARE_BUFFERS: usize = 256;
const SPARE_CAPACITY: usize = 4096;

/// Names a connection for longer than a turn: a slot may belong to another connection by then, which has
/// another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId {
    slot: u32,
    generation: u32,
}

impl ConnectionId {
    /// Index into a table of connections. Another connection may have it later.
    pub fn slot(self) -> u32 {
        self.slot
    }
}

impl From<ConnectionId> for usize {
    fn from(id: ConnectionId) -> usize {
        id.slot as usize | (id.generation as usize) << 32
    }
}

impl From<usize> for ConnectionId {
    fn from(number: usize) -> ConnectionId {
        ConnectionId { slot: number as u32, generation: (number >> 32) as u32 }
    }
}

// The number holds a slot and its generation, 32 bits each.
const _: () = assert!(usize::BITS >= 64);

/// How much of a connection's output was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// All of it.
    Done,
    /// So many bytes; the kernel takes no more for now.
    Blocked(usize),
}

/// What became of a connection by a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    Done,
    /// The kernel has taken what it did not take before.
    CaughtUp,
    /// The kernel takes no more for now.
    Blocked,
    /// All is said, and the write side is to be shut.
    Shut,
    /// All is said, and the peer has shut its side: the connection can be closed.
    Over,
}

/// All connections.
#[derive(Debug)]
pub struct Connections {
    slab: Slab<Connection>,
    generation: u32,
    max_backlog: usize,
    /// Milliseconds that a peer has to close.
    close_timeout: Millis,
    /// How many are saying good-bye.
    closing: usize,
    timers: Timers,
    spare: Vec<Vec<u8>>,
    /// What the connections' buffers count towards.
    memory: Memory,
    pub traffic: Traffic,
    /// Connections that were closed, by what they ended with.
    pub ended: CounterVec<&'static str>,
    /// Those with something to write.
    dirty: VecDeque<ConnectionId>,
    /// Those that have sent little, and for which there was no time when their event came.
    deferred: VecDeque<ConnectionId>,
    /// Those that may have more input, of which no new edge will tell.
    unread: VecDeque<ConnectionId>,
    /// Those that are closed, whose slots must not be reused in this turn.
    closed: Vec<u32>,
}

impl Connections {
    /// No connections yet.
    pub fn new(max_backlog: usize, memory: Memory, now: Millis) -> Connections {
        Connections {
            slab: Slab::new(),
            generation: 0,
            max_backlog,
            memory,
            close_timeout: CLOSE_TIMEOUT,
            closing: 0,
            timers: Timers::new(now),
            spare: Vec::new(),
            traffic: Traffic::default(),
            ended: CounterVec::default(),
            dirty: VecDeque::new(),
            deferred: VecDeque::new(),
            unread: VecDeque::new(),
            closed: Vec::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// How many are saying good-bye.
    pub fn closing(&self) -> usize {
        self.closing
    }

    /// Gives all peers so long to close, from when they are told.
    pub fn set_close_timeout(&mut self, timeout: Millis) {
        self.close_timeout = timeout;
    }

    /// Takes a connection in.
    pub fn insert(&mut self, address: IpAddr, now: Millis) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        let connection = Connection::new(address, self.generation, self.memory.share(), now);
        let slot = self.slab.insert(connection) as u32;
        self.timers.set(slot, now + HEAD_TIMEOUT);
        ConnectionId { slot, generation: self.generation }
    }

    /// The slot of a connection, valid for this turn; `None` if that connection is gone.
    pub fn find(&self, id: ConnectionId) -> Option<u32> {
        let connection = self.slab.get(id.slot as usize)?;
        (connection.generation == id.generation && !connection.is_closed).then_some(id.slot)
    }

    /// What to remember the connection in a slot by.
    pub fn id(&self, slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: self.get(slot).generation }
    }

    /// The connection in a slot that came from here in this turn.
    pub fn get(&self, slot: u32) -> &Connection {
        &self.slab[slot as usize]
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, slot: u32) -> &mut Connection {
        &mut self.slab[slot as usize]
    }

    /// All connections that are not closed, and their slots.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        let open = self.slab.iter().filter(|(_, connection)| !connection.is_closed);
        open.map(|(slot, connection)| (slot as u32, connection))
    }

    /// Where to append what a connection is to be told; it is written at the end of the turn.
    pub fn outbound(&mut self, slot: u32) -> &mut Vec<u8> {
        let connection = &mut self.slab[slot as usize];
        if connection.is_blocked {
            connection.count_memory();
        }
        // To write to a blocked one is in vain, unless to see that it is too far behind.
        let is_due = !connection.is_blocked || connection.outbound.len() > self.max_backlog;
        if is_due && !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push_back(ConnectionId { slot, generation: connection.generation });
        }
        if connection.outbound.capacity() == 0 {
            connection.outbound = self.spare.pop().unwrap_or_default();
        }
        &mut connection.outbound
    }

    /// Where to append a WebSocket frame.
    pub fn frame(&mut self, slot: u32) -> &mut Vec<u8> {
        self.traffic.frames_out += 1;
        self.outbound(slot)
    }

    /// The kernel may take more again.
    pub fn writable(&mut self, slot: u32) {
        if self.slab[slot as usize].is_blocked {
            self.slab[slot as usize].is_blocked = false;
            self.outbound(slot);
        }
    }

    /// The next connection that has something to write.
    pub fn next_dirty(&mut self) -> Option<u32> {
        loop {
            let id = self.dirty.pop_front()?;
            if let Some(slot) = self.find(id) {
                self.get_mut(slot).is_dirty = false;
                return Some(slot);
            }
        }
    }

    /// Whether any connection is to be written to.
    pub fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether a connection reads so slowly that it is to be cut off. One that is echoed has only its own messages
    /// to read, which may be larger than others'. Nor does a single response make a reader slow: what it carries was
    /// limited while it waited, and the answer to a poll may be longer than that, as Engine.IO 3 and JSONP escape.
    pub fn is_too_far_behind(&self, slot: u32) -> bool {
        let connection = &self.slab[slot as usize];
        let behind = connection.outbound.len().saturating_sub(connection.last_response);
        behind > self.max_backlog && !matches!(connection.state, State::Echo(_))
    }

    /// So much of what waits for a connection was written.
    pub fn written(&mut self, slot: u32, write: Write, now: Millis) -> Written {
        let connection = &mut self.slab[slot as usize];
        let was_paused = connection.is_paused();
        let was_blocked = connection.was_blocked;
        let length = match write {
            Write::Done => connection.outbound.len(),
            Write::Blocked(length) => length,
        };
        self.traffic.bytes_out += length as u64;
        // A peer that takes something in is not timed out for being slow.
        if length > 0 && !matches!(connection.state, State::Probe(..)) {
            connection.since = now;
        }
        connection.is_blocked = write != Write::Done;
        connection.was_blocked = connection.is_blocked;
        connection.outbound.drain(..length);
        connection.last_response = connection.last_response.min(connection.outbound.len());
        if connection.outbound.is_empty() {
            let buffer = std::mem::take(&mut connection.outbound);
            if self.spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_CAPACITY {
                self.spare.push(buffer);
            }
        }
        connection.count_memory();
        if connection.is_unread && was_paused && !connection.is_paused() {
            self.read_again(slot);
        }
        if was_blocked {
            self.restart_timer(slot);
        }
        let connection = &self.slab[slot as usize];
        match connection.state {
            _ if connection.is_blocked => Written::Blocked,
            State::Closing if connection.is_eof => Written::Over,
            State::Closing => Written::Shut,
            _ if was_blocked => Written::CaughtUp,
            _ => Written::Done,
        }
    }

    /// Notes that a connection is to be read without an edge: in the next turn, or once it is flushed.
    pub fn read_again(&mut self, slot: u32) {
        if let Some(id) = self.mark_unread(slot) {
            self.unread.push_back(id);
        }
    }

    /// Notes that a connection is to be read without an edge, before those of [`Connections::read_again`].
    pub fn defer(&mut self, slot: u32) {
        if let Some(id) = self.mark_unread(slot) {
            self.deferred.push_back(id);
        }
    }

    /// Returns what to put into a list, unless the connection is in one or paused.
    fn mark_unread(&mut self, slot: u32) -> Option<ConnectionId> {
        let connection = &mut self.slab[slot as usize];
        connection.is_unread = true;
        if connection.is_paused() || std::mem::replace(&mut connection.is_in_unread, true) {
            return None;
        }
        Some(ConnectionId { slot, generation: connection.generation })
    }

    /// Takes the next connection that was deferred; `None` if it is not to be read any more.
    pub fn next_deferred(&mut self) -> Option<u32> {
        let id = self.deferred.pop_front()?;
        self.unmark_unread(id)
    }

    /// Takes the next other connection that is to be read without an edge; `None` if it is not any more.
    pub fn next_unread(&mut self) -> Option<u32> {
        let id = self.unread.pop_front()?;
        self.unmark_unread(id)
    }

    fn unmark_unread(&mut self, id: ConnectionId) -> Option<u32> {
        let slot = self.find(id)?;
        let connection = self.get_mut(slot);
        connection.is_in_unread = false;
        std::mem::take(&mut connection.is_unread).then_some(slot)
    }

    /// How many connections are deferred, some of which may be gone.
    pub fn deferred_len(&self) -> usize {
        self.deferred.len()
    }

    /// How many others are to be read without an edge, some of which may be gone.
    pub fn unread_len(&self) -> usize {
        self.unread.len()
    }

    /// Whether any connection is to be read without an edge.
    pub fn has_unread(&self) -> bool {
        !self.deferred.is_empty() || !self.unread.is_empty()
    }

    /// A connection is in the middle of something else now, with a deadline of its own or none. Returns
    /// what it was in the middle of before.
    pub fn set_state(&mut self, slot: u32, state: State, now: Millis) -> State {
        let connection = &mut self.slab[slot as usize];
        if connection.is_closed {
            return state;
        }
        let before = std::mem::replace(&mut connection.state, state);
        connection.since = now;
        self.closing += usize::from(matches!(connection.state, State::Closing));
        self.closing -= usize::from(matches!(before, State::Closing));
        self.restart_timer(slot);
        before
    }

    /// Takes the connections whose time is up, so many at the most.
    pub fn expire(&mut self, now: Millis, most: usize) -> Vec<u32> {
        let mut due = self.timers.expire(now, most);
        due.retain(|&slot| match self.deadline(slot) {
            // The wait has begun anew since the timer was set, which moving it each time would cost more.
            Some(deadline) if deadline > now => {
                self.timers.set(slot, deadline);
                false
            }
            Some(_) => true,
            None => false,
        });
        due
    }

    /// When to call [`Connections::expire`].
    pub fn next_deadline(&self) -> Option<Millis> {
        self.timers.next()
    }

    /// When a wait is over. A client's silence is its protocol's business.
    fn deadline(&self, slot: u32) -> Option<Millis> {
        let connection = &self.slab[slot as usize];
        let timeout = match connection.state {
            State::Http if connection.is_unread || !connection.outbound.is_empty() => SEND_TIMEOUT,
            State::Http | State::Probe(..) => HEAD_TIMEOUT,
            State::Bayeux(..) => LIFETIME,
            State::Echo(_) => SEND_TIMEOUT,
            State::WebSocket(..) | State::Held(_) => return None,
            State::Closing => self.close_timeout,
        };
        Some(connection.since + timeout)
    }

    /// Begins the wait of the state that a connection is in.
    pub fn restart_timer(&mut self, slot: u32) {
        match self.deadline(slot) {
            Some(deadline) => self.timers.set(slot, deadline),
            None => self.timers.cancel(slot),
        }
    }

    /// Says good-bye: the connection is closed when all is written and the peer has closed. `why` is counted.
    pub fn begin_close(&mut self, slot: u32, why: &'static str, now: Millis) {
        let connection = &mut self.slab[slot as usize];
        (connection.inbound, connection.reader, connection.pending) = (InputBuffer::default(), None, None);
        connection.awaits_costly = false;
        connection.ending.get_or_insert(why);
        self.set_state(slot, State::Closing, now);
        // Even if nothing is left to write, the flush is what shuts the write side.
        self.outbound(slot);
    }

    /// Drops a connection. Its slot is free after the turn, and dropping the socket deregisters it. `why` is
    /// counted, unless there is an earlier reason.
    pub fn close(&mut self, slot: u32, why: &'static str) {
        let connection = &mut self.slab[slot as usize];
        if connection.is_closed {
            return;
        }
        connection.is_closed = true;
        self.ended.add(connection.ending.unwrap_or(why));
        self.closing -= usize::from(matches!(connection.state, State::Closing));
        connection.is_unread = false;
        (connection.inbound, connection.outbound) = (InputBuffer::default(), Vec::new());
        (connection.reader, connection.pending) = (None, None);
        connection.count_memory();
        self.timers.cancel(slot);
        self.closed.push(slot);
    }

    /// Frees the slots of the connections that closed in this turn, each of which is passed to `free`.
    pub fn free_closed(&mut self, mut free: impl FnMut(ConnectionId)) {
        for slot in self.closed.drain(..) {
            let Connection { generation, .. } = self.slab.remove(slot as usize);
            free(ConnectionId { slot, generation });
        }
    }
}
