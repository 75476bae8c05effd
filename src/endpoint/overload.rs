//! What happens when clients use more memory than `--max-memory` allows: some are cut off, until there is room again.
//! There are two kinds of use: output and input that wait, and the state of sessions (users and subscriptions). The
//! clients that use most of the larger kind are cut off first, so that a flood of one kind does not end clients that
//! use the other.

use log::warn;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use super::clients::Transport;
use super::connections::ConnectionId;
use crate::Millis;
use crate::chat::id::ClientId;

/// Bytes: to cut off a client that uses less would free too little.
const WORTH_CUTTING: usize = 1024;

/// Steps after which the time is looked at.
const CUT_AT_ONCE: usize = 64;

/// A user of memory.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    Connection(ConnectionId),
    /// A session, and why it is closed if it is.
    Session(ClientId, &'static str),
}

/// Users of memory, and the bytes of each.
type Uses = Vec<(usize, Holder)>;

impl Endpoint {
    /// Whether more memory is used than may be.
    pub fn uses_too_much(&self) -> bool {
        self.memory.excess() > 0
    }

    /// Cuts off some of the clients that use most memory, if all use too much together. Returns whether to call again:
    /// something was freed, and it is still too much.
    pub fn limit_memory(&mut self, now: Millis) -> bool {
        self.now = now;
        let excess = self.memory.excess();
        if excess == 0 {
            return false;
        }
        if self.warnings.may_warn(now) {
            warn!(
                "{} bytes wait and {} are users and subscriptions, more than --max-memory: who has most is cut off",
                self.memory.waiting(),
                self.memory.session_state()
            );
        }
        self.cut(self.memory.total() - excess) && self.memory.excess() > 0
    }

    /// Cuts off some clients, as long as more than `enough` bytes are used. Before each of them, the users of clients
    /// that have left go off line. Returns whether there was anything to do.
    fn cut(&mut self, enough: usize) -> bool {
        let mut holders = None;
        for done in 0..CUT_AT_ONCE {
            if self.memory.total() <= enough {
                break;
            }
            if let Some(client) = self.chat.next_leaving() {
                self.users_gone(client);
                continue;
            }
            let holders = holders.get_or_insert_with(|| in_order(self.waiting(), self.session_states()));
            let Some((_, owner)) = holders.next() else {
                return done > 0;
            };
            self.metrics.overloads += 1;
            match owner {
                Holder::Connection(id) => {
                    if let Some(slot) = self.connections.find(id) {
                        self.evict_slow_consumer(slot);
                    }
                }
                Holder::Session(client, reason) => self.close_client(client, CloseCode::Policy, reason),
            }
        }
        true
    }

    /// The output, input and messages that wait, by connection and session.
    fn waiting(&self) -> Uses {
        let connections = self.connections.iter().map(|(slot, connection)| {
            (connection.share.bytes(), Holder::Connection(self.connections.id(slot)))
        });
        let sessions = self.clients.iter().map(|(id, client)| {
            let waiting = match &client.transport {
                Transport::Polling(poll_queue) => poll_queue.len(),
                Transport::WebSocket(_) => 0,
            };
            (waiting + client.protocol.held_bytes(), Holder::Session(id, "too far behind"))
        });
        connections.chain(sessions).filter(|(bytes, _)| *bytes >= WORTH_CUTTING).collect()
    }

    /// How much the users and subscriptions of each session are.
    fn session_states(&self) -> Uses {
        let sessions = self.clients.iter().map(|(id, client)| {
            let bytes = self.chat.clients().memory(id) + client.protocol.session_state();
            (bytes, Holder::Session(id, "too many users or subscriptions"))
        });
        sessions.filter(|(bytes, _)| *bytes >= WORTH_CUTTING).collect()
    }
}

/// The order in which to cut off: the kind first that is more in total, and of each kind the largest first.
fn in_order(mut waiting: Uses, mut state: Uses) -> impl Iterator<Item = (usize, Holder)> {
    for uses in [&mut waiting, &mut state] {
        uses.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    }
    let total = |uses: &Uses| uses.iter().map(|(bytes, _)| bytes).sum::<usize>();
    let (first, second) = if total(&waiting) >= total(&state) { (waiting, state) } else { (state, waiting) };
    first.into_iter().chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_kind_that_is_more_the_largest_goes_first() {
        let uses = |list: &[(usize, u32)]| -> Uses {
            let owner = |slot| Holder::Session(ClientId { slot, generation: 0 }, "");
            list.iter().map(|(bytes, slot)| (*bytes, owner(*slot))).collect()
        };
        let order = |waiting, state| -> Vec<usize> {
            in_order(uses(waiting), uses(state)).map(|(bytes, _)| bytes).collect()
        };
        // Many who wait for a little are more than one who has many users, and the other way round.
        assert_eq!(order(&[(2, 1), (4, 2), (3, 3)], &[(8, 4)]), [4, 3, 2, 8]);
        assert_eq!(order(&[(7, 1)], &[(2, 4), (3, 5), (4, 1)]), [4, 3, 2, 7]);
    }
}
