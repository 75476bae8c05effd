//! How a client is reached that asks over HTTP: messages wait for its next request, and a request waits
//! for the next message.

use std::collections::VecDeque;
use std::rc::Rc;

use super::connection::ConnectionId;
use crate::Millis;
use crate::memory::{Memory, Share};

/// What a message costs besides its bytes, so that many small ones count for what they are.
const OVERHEAD: usize = 48;

/// What waits for a polling client, and the request that waits for it.
#[derive(Debug)]
pub struct PollQueue {
    messages: VecDeque<Rc<str>>,
    /// The place of the status among the messages, if there is one.
    status: Option<usize>,
    /// Bytes that all messages cost.
    share: Share,
    /// The connection whose request is held until there is something to answer it with.
    pub held_request: Option<ConnectionId>,
    /// The socket or the request that the client was reached by has gone away, and it has not come back.
    pub is_lost: bool,
    /// The connection on which a WebSocket is being tried in place of the requests, which are not held
    /// meanwhile.
    pub probe: Option<ConnectionId>,
    /// The connection whose post has not come whole, or is carried out over several turns. It may be gone or have
    /// gone on to something else.
    pub posting: Option<ConnectionId>,
    /// When the session ends unless its client has polled or connected for the first time by then.
    pub first_request_due: Option<Millis>,
}

impl PollQueue {
    /// The queue of a new session.
    pub fn opened(memory: &Memory, first_request_due: Millis) -> PollQueue {
        PollQueue { first_request_due: Some(first_request_due), ..PollQueue::new(memory) }
    }

    /// The queue of a session whose WebSocket has closed.
    pub fn lost(memory: &Memory) -> PollQueue {
        PollQueue { is_lost: true, ..PollQueue::new(memory) }
    }

    fn new(memory: &Memory) -> PollQueue {
        PollQueue {
            messages: VecDeque::new(),
            status: None,
            share: memory.share(),
            held_request: None,
            is_lost: false,
            probe: None,
            posting: None,
            first_request_due: None,
        }
    }

    /// Appends a message that consists of these parts.
    pub fn push(&mut self, parts: &[&str]) {
        let message = parts.concat();
        self.share.set(self.share.bytes() + message.len() + OVERHEAD);
        self.messages.push_back(message.into());
    }

    /// Appends a message that others get too. Its text is stored once for all of them and not counted here.
    pub fn push_shared(&mut self, message: Rc<str>) {
        self.share.set(self.share.bytes() + OVERHEAD);
        self.messages.push_back(message);
    }

    /// Appends a status, or puts it in place of an older one that still waits: only the newest is of use.
    pub fn push_status(&mut self, status: Rc<str>) {
        match self.status.and_then(|place| self.messages.get_mut(place)) {
            Some(older) => *older = status,
            None => {
                self.status = Some(self.messages.len());
                self.push_shared(status);
            }
        }
    }

    /// Takes all messages.
    pub fn take(&mut self) -> VecDeque<Rc<str>> {
        self.share.set(0);
        self.status = None;
        std::mem::take(&mut self.messages)
    }

    /// Bytes that what waits costs.
    pub fn len(&self) -> usize {
        self.share.bytes()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_count_for_what_they_cost() {
        let memory = Memory::new(0);
        let mut poll_queue = PollQueue::lost(&memory);
        (0..1000).for_each(|_| poll_queue.push(&["3"]));
        assert_eq!((poll_queue.len(), memory.total()), (1000 * (1 + OVERHEAD), 1000 * (1 + OVERHEAD)));
        assert_eq!(poll_queue.take().len(), 1000);
        assert_eq!((poll_queue.len(), memory.total()), (0, 0));
    }

    #[test]
    fn only_the_newest_status_waits() {
        let mut poll_queue = PollQueue::lost(&Memory::new(0));
        let texts = |poll_queue: &mut PollQueue| {
            poll_queue.take().iter().map(|text| text.to_string()).collect::<Vec<_>>()
        };
        poll_queue.push(&["a"]);
        poll_queue.push_status("status 1".into());
        poll_queue.push(&["b"]);
        let before = poll_queue.len();
        poll_queue.push_status("status 2".into());
        assert_eq!(poll_queue.len(), before);
        assert_eq!(texts(&mut poll_queue), ["a", "status 2", "b"]);
        poll_queue.push_status("status 3".into());
        assert_eq!(texts(&mut poll_queue), ["status 3"]);
    }
}
