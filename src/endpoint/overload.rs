//! What happens when clients use more memory than `--max-memory` allows: some are evicted, until there is room again.
//! There are two kinds of use: output and input that wait, and the state of sessions (users and subscriptions). The
//! largest users of the larger kind are evicted first, so that a flood of one kind does not end clients that use the
//! other.

use std::cmp::Reverse;

use log::warn;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use super::connection::ConnectionId;
use super::sessions::Transport;
use crate::Millis;
use crate::chat::id::ClientId;

/// Evictions in one call, after which the caller looks at the time.
const EVICTIONS: usize = 64;

/// A user of memory.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    Connection(ConnectionId),
    /// A session, and why it ends if it is evicted.
    Session(ClientId, &'static str),
}

/// Users of memory, and the bytes of each.
type Uses = Vec<(usize, Holder)>;

impl Endpoint {
    /// Whether more memory is used than may be.
    pub fn uses_too_much(&self) -> bool {
        self.memory.excess() > 0
    }

    /// Evicts some of the clients that use most memory, if all use too much together. Returns whether to call again:
    /// something was freed, and it is still too much.
    pub fn limit_memory(&mut self, now: Millis) -> bool {
        self.now = now;
        let excess = self.memory.excess();
        if excess == 0 {
            return false;
        }
        if self.warnings.may_warn(now) {
            warn!(
                "{} bytes wait and {} are users and subscriptions, more than --max-memory: the largest are evicted",
                self.memory.waiting(),
                self.memory.session_state()
            );
        }
        self.evict_largest(self.memory.total() - excess) && self.memory.excess() > 0
    }

    /// Evicts clients as long as more than `enough` bytes are used, [`EVICTIONS`] at the most. Before each of them, the
    /// users of clients that have left go off line. Returns whether there was anything to do.
    fn evict_largest(&mut self, enough: usize) -> bool {
        let mut holders = None;
        for done in 0..EVICTIONS {
            if self.memory.total() <= enough {
                break;
            }
            if let Some(client) = self.chat.next_leaving() {
                self.remove_users(client);
                continue;
            }
            let holders = holders.get_or_insert_with(|| in_order(self.waiting(), self.session_states()));
            let Some((_, holder)) = holders.next() else {
                return done > 0;
            };
            self.metrics.overloads += 1;
            match holder {
                Holder::Connection(id) => {
                    if let Some(slot) = self.connections.find(id) {
                        self.evict_slow_consumer(slot);
                    }
                }
                Holder::Session(client, reason) => self.end_session(client, CloseCode::Policy, reason),
            }
        }
        true
    }

    /// The output, input and messages that wait, by connection and session.
    fn waiting(&self) -> Uses {
        let connections = self.connections.iter().map(|(slot, connection)| {
            (connection.share.bytes(), Holder::Connection(self.connections.id(slot)))
        });
        let sessions = self.sessions.iter().map(|(id, session)| {
            let waiting = match &session.transport {
                Transport::Polling(poll_queue) => poll_queue.len(),
                Transport::WebSocket(_) => 0,
            };
            (waiting + session.protocol.held_bytes(), Holder::Session(id, "too far behind"))
        });
        connections.chain(sessions).filter(|(bytes, _)| *bytes > 0).collect()
    }

    /// The users and subscriptions of each session.
    fn session_states(&self) -> Uses {
        let sessions = self.sessions.iter().map(|(id, session)| {
            let bytes = self.chat.clients().memory(id) + session.protocol.session_state();
            (bytes, Holder::Session(id, "too many users or subscriptions"))
        });
        sessions.filter(|(bytes, _)| *bytes > 0).collect()
    }
}

/// The order in which to evict: the kind first that is more in total, and of each kind the largest first. Of each, no
/// more than are evicted at once.
fn in_order(waiting: Uses, state: Uses) -> impl Iterator<Item = (usize, Holder)> {
    let total = |uses: &Uses| uses.iter().map(|(bytes, _)| bytes).sum::<usize>();
    let (first, second) = if total(&waiting) >= total(&state) { (waiting, state) } else { (state, waiting) };
    [first, second].into_iter().flat_map(|mut uses| {
        if uses.len() > EVICTIONS {
            uses.select_nth_unstable_by_key(EVICTIONS, |(bytes, _)| Reverse(*bytes));
            uses.truncate(EVICTIONS);
        }
        uses.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
        uses
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(list: impl IntoIterator<Item = usize>) -> Uses {
        let id = ClientId { slot: 0, generation: 0 };
        list.into_iter().map(|bytes| (bytes, Holder::Session(id, ""))).collect()
    }

    fn order(waiting: Uses, state: Uses) -> Vec<usize> {
        in_order(waiting, state).map(|(bytes, _)| bytes).collect()
    }

    #[test]
    fn of_the_kind_that_is_more_the_largest_goes_first() {
        // Many who wait for a little are more than one who has many users, and the other way round.
        assert_eq!(order(uses([2, 4, 3]), uses([8])), [4, 3, 2, 8]);
        assert_eq!(order(uses([7]), uses([2, 3, 4])), [4, 3, 2, 7]);
    }

    #[test]
    fn of_many_only_as_many_are_sorted_as_are_evicted_at_once() {
        let largest: Vec<_> = (1000 - EVICTIONS..1000).rev().collect();
        assert_eq!(order(uses(0..1000), Uses::new()), largest);
    }
}
