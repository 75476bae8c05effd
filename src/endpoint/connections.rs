//! All connections in one slab, with the lists that the loop works off: to be written to, to be read without an event,
//! to be freed.

use core::net::IpAddr;
use std::collections::VecDeque;

use slab::Slab;

use super::buffer::Buffer;
use super::connection::{Binding, Connection, ConnectionId, ReadSide, State, WriteSide};
use crate::Millis;
use crate::memory::Memory;
use crate::metrics::{CounterVec, Traffic};
use crate::timer_wheel::Timers;

/// Milliseconds that a peer may take to close after it was told, and to take the output before that.
const CLOSE_TIMEOUT: Millis = 3_000;
/// Output buffers kept for reuse, and the bytes of the largest one kept.
const SPARE_BUFFERS: usize = 256;
const SPARE_CAPACITY: usize = 4096;

/// How much of a connection's output was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// All of it.
    Done,
    /// These bytes; the kernel takes no more for now.
    Blocked(usize),
}

/// What to do with a connection after a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// Nothing.
    Done,
    /// It takes output again: what was left out while it did not can be sent.
    CaughtUp,
    /// It does not take all of its output.
    Blocked,
    /// It is closing and all is written: shut the write side.
    Shut,
    /// The same, and the peer has shut its side: close it.
    Close,
}

/// A connection that is to be read without an event. All input that came until a time is read.
#[derive(Clone, Copy, Debug)]
struct Unread {
    id: ConnectionId,
    read_until: Millis,
}

/// All connections.
#[derive(Debug)]
pub struct Connections {
    slab: Slab<Connection>,
    generation: u32,
    max_backlog: usize,
    /// Milliseconds that a peer has to close.
    close_timeout: Millis,
    /// How many are closing.
    closing: usize,
    timers: Timers,
    /// Buffers for the next output: a connection that sends little needs no allocation, and an idle one holds none.
    spare: Vec<Vec<u8>>,
    /// What the connections' buffers count towards.
    memory: Memory,
    pub traffic: Traffic,
    /// Connections that were closed, by reason.
    pub ended: CounterVec<&'static str>,
    /// Those with output to write.
    dirty: VecDeque<ConnectionId>,
    /// Those that have sent little, and for which there was no time when their event came.
    deferred: VecDeque<Unread>,
    /// Those that may have more input, of which no event will tell.
    unread: VecDeque<Unread>,
    /// Up to when all input is read but that of the connections in these two lists.
    read_until: Millis,
    /// Those that were closed, whose slots must not be reused in this turn.
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
            read_until: now,
            closed: Vec::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// How many are closing.
    pub fn closing(&self) -> usize {
        self.closing
    }

    /// Changes the milliseconds that each peer has to close, from when it was told.
    pub fn set_close_timeout(&mut self, timeout: Millis) {
        self.close_timeout = timeout;
    }

    /// Adds a connection.
    pub fn insert(&mut self, address: IpAddr, now: Millis) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        let connection = Connection::new(address, self.generation, self.memory.share(), now);
        let slot = self.slab.insert(connection) as u32;
        self.restart_timer(slot);
        ConnectionId { slot, generation: self.generation }
    }

    /// The slot of a connection, valid for this turn; `None` if that connection is gone.
    pub fn find(&self, id: ConnectionId) -> Option<u32> {
        let connection = self.slab.get(id.slot as usize)?;
        (connection.generation == id.generation && !connection.is_closed()).then_some(id.slot)
    }

    /// Names the connection in a slot for longer than a turn.
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
        let open = self.slab.iter().filter(|(_, connection)| !connection.is_closed());
        open.map(|(slot, connection)| (slot as u32, connection))
    }

    /// Where to append output, which is written at the end of the turn.
    pub fn output(&mut self, slot: u32) -> &mut Vec<u8> {
        let connection = &mut self.slab[slot as usize];
        let is_blocked = connection.write_side == WriteSide::Blocked;
        if is_blocked {
            connection.count_memory();
        }
        // To write to a blocked one is in vain, unless to see that it is too far behind.
        let is_due = !is_blocked || connection.output.len() > self.max_backlog;
        if is_due && !connection.in_dirty {
            connection.in_dirty = true;
            self.dirty.push_back(ConnectionId { slot, generation: connection.generation });
        }
        let output = connection.output.tail();
        if output.capacity() == 0 {
            *output = self.spare.pop().unwrap_or_default();
        }
        output
    }

    /// Where to append a WebSocket frame.
    pub fn frame(&mut self, slot: u32) -> &mut Vec<u8> {
        self.traffic.frames_out += 1;
        self.output(slot)
    }

    /// Notes that the kernel may take output again, since its peer has taken some.
    pub fn unblock(&mut self, slot: u32, now: Millis) {
        let connection = self.get_mut(slot);
        if connection.write_side == WriteSide::Blocked {
            connection.write_side = WriteSide::Unblocked;
            connection.note_progress(now);
            self.output(slot);
        }
    }

    /// The next connection that has output to write.
    pub fn next_dirty(&mut self) -> Option<u32> {
        loop {
            let id = self.dirty.pop_front()?;
            if let Some(slot) = self.find(id) {
                self.get_mut(slot).in_dirty = false;
                return Some(slot);
            }
        }
    }

    /// Whether any connection has output to write.
    pub fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether a connection reads too slowly. An echoed one has only its own messages to read, which may be larger than
    /// others'. Nor does a single response make a reader slow: what it carries was limited while it waited, and the
    /// answer to a poll may be longer than that, as Engine.IO 3 and JSONP escape.
    pub fn is_too_far_behind(&self, slot: u32) -> bool {
        let connection = self.get(slot);
        let behind = connection.output.len().saturating_sub(connection.last_response);
        behind > self.max_backlog && !matches!(connection.state, State::WebSocket(Binding::Echo, _))
    }

    /// Removes output that was written.
    pub fn written(&mut self, slot: u32, write: Write, now: Millis) -> Written {
        let connection = &mut self.slab[slot as usize];
        let was_paused = connection.is_paused();
        let was_blocked = connection.write_side != WriteSide::Ready;
        let (length, write_side) = match write {
            Write::Done => (connection.output.len(), WriteSide::Ready),
            Write::Blocked(length) => (length, WriteSide::Blocked),
        };
        connection.write_side = write_side;
        self.traffic.bytes_out += length as u64;
        if length > 0 {
            connection.note_progress(now);
        }
        if let Some(buffer) = connection.output.consume(length)
            && self.spare.len() < SPARE_BUFFERS
            && buffer.capacity() <= SPARE_CAPACITY
        {
            self.spare.push(buffer);
        }
        connection.last_response = connection.last_response.min(connection.output.len());
        connection.count_memory();
        if was_paused && connection.may_have_input() && !connection.is_paused() {
            self.resume_later(slot);
        }
        if was_blocked || write_side == WriteSide::Blocked {
            self.restart_timer(slot);
        }
        let connection = self.get(slot);
        match connection.state {
            _ if write_side == WriteSide::Blocked => Written::Blocked,
            State::Closing(_) if connection.read_side == ReadSide::Ended => Written::Close,
            State::Closing(_) => Written::Shut,
            _ if was_blocked => Written::CaughtUp,
            _ => Written::Done,
        }
    }

    /// Notes that a connection is to be read without an event: in the next turn, or once it is not paused any more.
    pub fn resume_later(&mut self, slot: u32) {
        if let Some(unread) = self.mark_unread(slot) {
            self.unread.push_back(unread);
        }
    }

    /// Notes that a connection is to be read without an event, before those of [`Connections::resume_later`].
    pub fn defer(&mut self, slot: u32) {
        if let Some(unread) = self.mark_unread(slot) {
            self.deferred.push_back(unread);
        }
    }

    /// Returns what to put into a list, unless the connection is in one or paused.
    fn mark_unread(&mut self, slot: u32) -> Option<Unread> {
        let read_until = self.read_until;
        let connection = self.get_mut(slot);
        if connection.read_side == ReadSide::Drained {
            connection.read_side = ReadSide::Unread;
        }
        if connection.is_paused() || std::mem::replace(&mut connection.in_unread, true) {
            return None;
        }
        let id = ConnectionId { slot, generation: connection.generation };
        Some(Unread { id, read_until })
    }

    /// All input that came until this time is read, but for that of connections that are to be read without an event.
    /// Returns up to when theirs is read too: until then silence is the peer's.
    pub fn set_read_until(&mut self, time: Millis) -> Millis {
        self.read_until = time;
        // Each list is in the order of its times.
        let first = [self.deferred.front(), self.unread.front()].into_iter().flatten();
        first.map(|unread| unread.read_until).fold(time, Millis::min)
    }

    /// Takes the next connection that was deferred; `None` if it is gone.
    pub fn next_deferred(&mut self) -> Option<u32> {
        let unread = self.deferred.pop_front()?;
        self.unmark_unread(unread.id)
    }

    /// Takes the next other connection that is to be read without an event; `None` if it is gone.
    pub fn next_unread(&mut self) -> Option<u32> {
        let unread = self.unread.pop_front()?;
        self.unmark_unread(unread.id)
    }

    fn unmark_unread(&mut self, id: ConnectionId) -> Option<u32> {
        let slot = self.find(id)?;
        let connection = self.get_mut(slot);
        connection.in_unread = false;
        if connection.read_side == ReadSide::Unread {
            connection.read_side = ReadSide::Drained;
        }
        Some(slot)
    }

    /// How many connections are deferred, some of which may be gone.
    pub fn deferred_len(&self) -> usize {
        self.deferred.len()
    }

    /// How many others are to be read without an event, some of which may be gone.
    pub fn unread_len(&self) -> usize {
        self.unread.len()
    }

    /// Whether any connection is to be read without an event.
    pub fn has_unread(&self) -> bool {
        !self.deferred.is_empty() || !self.unread.is_empty()
    }

    /// Changes a connection's state, and begins the wait that belongs to it. Returns the state before. One that is
    /// closed stays so.
    pub fn set_state(&mut self, slot: u32, state: State, now: Millis) -> State {
        let connection = &mut self.slab[slot as usize];
        if connection.is_closed() {
            return state;
        }
        self.closing += usize::from(matches!(state, State::Closing(_)));
        self.closing -= usize::from(matches!(connection.state, State::Closing(_)));
        connection.since = now;
        let before = std::mem::replace(&mut connection.state, state);
        self.restart_timer(slot);
        before
    }

    /// Drops a connection's input: it is closing. What it has as output is still written.
    pub fn drop_input(&mut self, slot: u32) {
        let connection = self.get_mut(slot);
        (connection.input, connection.reader, connection.pending) = (Buffer::default(), None, None);
        // Even if there is no output left, it is the write that shuts the write side.
        self.output(slot);
    }

    /// Closes a connection that is not closed yet, and counts it by the reason. Its slot is free after the turn.
    pub fn close(&mut self, slot: u32, reason: &'static str, now: Millis) {
        self.set_state(slot, State::Closed, now);
        self.ended.add(reason);
        let connection = self.get_mut(slot);
        (connection.input, connection.output) = (Buffer::default(), Buffer::default());
        (connection.reader, connection.pending) = (None, None);
        connection.count_memory();
        self.closed.push(slot);
    }

    /// Takes the connections whose time is up, `most` at the most.
    pub fn expire(&mut self, now: Millis, most: usize) -> Vec<u32> {
        let mut due = self.timers.expire(now, most);
        due.retain(|&slot| match self.get(slot).deadline(self.close_timeout) {
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

    /// Sets the timer to the end of the current wait.
    pub fn restart_timer(&mut self, slot: u32) {
        match self.get(slot).deadline(self.close_timeout) {
            Some(deadline) => self.timers.set(slot, deadline),
            None => self.timers.cancel(slot),
        }
    }

    /// Frees the slots of the connections that were closed in this turn, each of which is passed to `free`.
    pub fn free_closed(&mut self, mut free: impl FnMut(ConnectionId)) {
        for slot in self.closed.drain(..) {
            let Connection { generation, .. } = self.slab.remove(slot as usize);
            free(ConnectionId { slot, generation });
        }
    }
}

#[cfg(test)]
mod tests;
