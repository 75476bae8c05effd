//! How much memory clients make the server use. What waits: output that a peer has not read, messages that have not
//! been asked for, input that has not come whole. And the state of sessions: the users and subscriptions that a client
//! has, for as long as it has them. Each of these has its own bound; this counts them all together, since many peers
//! could each stay just below theirs.

use std::cell::Cell;
use std::rc::Rc;

/// The total, which every [`Share`] that was made from it counts towards.
#[derive(Clone, Debug)]
pub struct Memory {
    waiting: Rc<Cell<usize>>,
    session_state: Rc<Cell<usize>>,
    limit: usize,
}

impl Memory {
    /// Nothing is counted yet, and at most `limit` bytes are to be.
    pub fn new(limit: usize) -> Memory {
        Memory { waiting: Rc::default(), session_state: Rc::default(), limit }
    }

    /// A part of what waits, of 0 bytes.
    pub fn share(&self) -> Share {
        Share { total: self.waiting.clone(), bytes: 0 }
    }

    /// A part of the state of sessions, of 0 bytes.
    pub fn session_state_share(&self) -> Share {
        Share { total: self.session_state.clone(), bytes: 0 }
    }

    /// Bytes of all that waits.
    pub fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Bytes of the state of all sessions.
    pub fn session_state(&self) -> usize {
        self.session_state.get()
    }

    /// Bytes of all shares.
    pub fn total(&self) -> usize {
        self.waiting() + self.session_state()
    }

    /// The most bytes that all shares are to have.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes that have to be freed before there is room again: some more than what is too much, so that the next
    /// byte is not too much at once; 0 if there is room.
    pub fn excess(&self) -> usize {
        if self.total() <= self.limit { 0 } else { self.total() - (self.limit - self.limit / 8) }
    }
}

/// What one owner has waiting, or as its state. It no longer counts when it is dropped.
#[derive(Debug)]
pub struct Share {
    total: Rc<Cell<usize>>,
    bytes: usize,
}

impl Share {
    /// Bytes of this share.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes the share to this many bytes.
    pub fn set(&mut self, bytes: usize) {
        if bytes != self.bytes {
            self.total.set(self.total.get() - self.bytes + bytes);
            self.bytes = bytes;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_that_of_all_shares() {
        let memory = Memory::new(800);
        let (mut one, mut other) = (memory.share(), memory.share());
        one.set(300);
        other.set(500);
        assert_eq!((memory.total(), memory.excess()), (800, 0));
        other.set(501);
        assert_eq!((memory.total(), memory.excess()), (801, 101));
        one.set(100);
        assert_eq!((memory.total(), one.bytes()), (601, 100));
        drop(other);
        assert_eq!(memory.total(), 100);
        let mut state = memory.session_state_share();
        state.set(701);
        assert_eq!((memory.waiting(), memory.session_state(), memory.excess()), (100, 701, 101));
    }
}
