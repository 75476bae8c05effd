//! How a client is reached that asks over HTTP: messages wait for its next request, and a request waits
//! for the next message.

use std::collections::VecDeque;

use super::connections::ConnectionId;
use crate::models::Millis;

/// What a message costs besides its bytes, so that many small ones count for what they are.
const OVERHEAD: usize = 48;

/// What waits for a polling client, and the request that waits for it.
#[derive(Debug, Default)]
pub struct Mailbox {
    messages: VecDeque<Box<str>>,
    /// Bytes that all messages cost.
    bytes: usize,
    /// The connection whose request is held until there is something to answer it with.
    pub parked: Option<ConnectionId>,
    /// The socket or the request that the client was reached by has gone away, and it has not come back.
    pub is_lost: bool,
    /// The connection on which a WebSocket is being tried in place of the requests, which are not held
    /// meanwhile.
    pub probe: Option<ConnectionId>,
    /// When the session ends unless its client has polled or connected for the first time by then.
    pub first_request_due: Option<Millis>,
}

impl Mailbox {
    /// The mailbox of a new session.
    pub fn opened(first_request_due: Millis) -> Mailbox {
        Mailbox { first_request_due: Some(first_request_due), ..Mailbox::default() }
    }

    /// The mailbox of a client whose socket has gone away.
    pub fn lost() -> Mailbox {
        Mailbox { is_lost: true, ..Mailbox::default() }
    }

    /// Appends a message that consists of these parts.
    pub fn push(&mut self, parts: &[&str]) {
        let message = parts.concat();
        self.bytes += message.len() + OVERHEAD;
        self.messages.push_back(message.into());
    }

    /// Takes all messages.
    pub fn take(&mut self) -> VecDeque<Box<str>> {
        self.bytes = 0;
        std::mem::take(&mut self.messages)
    }

    /// Bytes that what waits costs.
    pub fn len(&self) -> usize {
        self.bytes
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
        let mut mailbox = Mailbox::default();
        (0..1000).for_each(|_| mailbox.push(&["3"]));
        assert_eq!(mailbox.len(), 1000 * (1 + OVERHEAD));
        assert_eq!(mailbox.take().len(), 1000);
        assert_eq!(mailbox.len(), 0);
    }
}
