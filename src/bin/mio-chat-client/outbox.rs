//! What is to be written, by user.

use crate::frames;

/// Frames that wait for the end of the batch, when each connection gets one write.
#[derive(Debug)]
pub struct Outbox {
    buffers: Vec<Vec<u8>>,
    dirty: Vec<usize>,
}

/// An empty buffer above this size gives its memory back.
const KEPT_CAPACITY: usize = 16 << 10;

impl Outbox {
    pub fn new(users: usize) -> Self {
        Self { buffers: vec![Vec::new(); users], dirty: Vec::new() }
    }

    /// Appends a text frame; nothing for an empty text.
    pub fn text(&mut self, user: usize, text: &str) {
        if !text.is_empty() {
            self.frame(user, frames::TEXT, text.as_bytes());
        }
    }

    pub fn frame(&mut self, user: usize, opcode: u8, payload: &[u8]) {
        self.mark(user);
        frames::write(&mut self.buffers[user], opcode, payload);
    }

    /// Appends bytes that are no frame: the upgrade request.
    pub fn raw(&mut self, user: usize, bytes: &[u8]) {
        self.mark(user);
        self.buffers[user].extend_from_slice(bytes);
    }

    fn mark(&mut self, user: usize) {
        // What is left from a full socket goes out on its writable edge, and new frames with it.
        if self.buffers[user].is_empty() {
            self.dirty.push(user);
        }
    }

    /// The users who have something new to write.
    pub fn take_dirty(&mut self, into: &mut Vec<usize>) {
        std::mem::swap(&mut self.dirty, into);
        self.dirty.clear();
    }

    pub fn pending(&self, user: usize) -> &[u8] {
        &self.buffers[user]
    }

    /// Forgets what has been written.
    pub fn written(&mut self, user: usize, bytes: usize) {
        let buffer = &mut self.buffers[user];
        if bytes < buffer.len() {
            buffer.drain(..bytes);
        } else if buffer.capacity() > KEPT_CAPACITY {
            *buffer = Vec::new();
        } else {
            buffer.clear();
        }
    }
}
