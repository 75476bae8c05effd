//! What happens when clients use more memory than `--max-memory` allows: some are cut off, until there is room again.
//! There are two kinds of use: output and input that wait, and the state of sessions (users and subscriptions). Those
//! who use most of the kind that is more in total go first, so that a flood of one kind ends nobody for the other.
//! Everybody else goes on.

use std::time::Duration;

use log::warn;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Server;
use super::clients::Link;
use super::connections::ConnectionId;
use crate::models::id::ClientId;

/// Whoever uses less than this is not worth cutting off.
const WORTH_CUTTING: usize = 1024;

/// How long cutting off goes on in one turn. If that frees too little, the next turn goes on.
const CUTTING_BUDGET: Duration = Duration::from_millis(4);

/// Who uses memory.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    Connection(ConnectionId),
    /// A session, and why it is closed if it is.
    Session(ClientId, &'static str),
}

/// Who uses how many bytes.
type Uses = Vec<(usize, Holder)>;

impl Server {
    /// Cuts off those who use most memory if it is too much together.
    pub(super) fn limit_memory(&mut self) {
        let excess = self.memory.excess();
        if excess == 0 {
            return;
        }
        if self.may_warn() {
            warn!(
                "{} bytes wait and {} are users and subscriptions, more than --max-memory: who has most is cut off",
                self.memory.waiting(),
                self.memory.session_state()
            );
        }
        let enough = self.memory.total() - excess;
        let began = self.clock.uptime();
        if self.has_to_cut(enough, began) {
            self.cut(enough, began);
        }
        self.flush();
    }

    /// Whether somebody has to be cut off so that at most `enough` bytes are used, and there is time for it in a turn
    /// that began to do so at `began`. Users of clients that have left already go off line before.
    fn has_to_cut(&mut self, enough: usize, began: Duration) -> bool {
        loop {
            self.clock.tick();
            if self.memory.total() <= enough || self.clock.uptime() - began > CUTTING_BUDGET {
                return false;
            }
            let Some(client) = self.app.next_leaving() else {
                return true;
            };
            self.users_gone(client);
        }
    }

    fn cut(&mut self, enough: usize, began: Duration) {
        for (_, holder) in in_order(self.waiting(), self.session_states()) {
            if !self.has_to_cut(enough, began) {
                break;
            }
            self.metrics.overloads += 1;
            match holder {
                Holder::Connection(id) => {
                    if let Some(slot) = self.connections.find(id) {
                        self.cut_off(slot);
                    }
                }
                Holder::Session(client, reason) => self.close_client(client, CloseCode::Policy, reason),
            }
        }
    }

    /// For whom how much waits.
    fn waiting(&self) -> Uses {
        let connections = self.connections.iter().map(|(slot, connection)| {
            (connection.share.bytes(), Holder::Connection(self.connections.id(slot)))
        });
        let sessions = self.clients.iter().map(|(id, client)| {
            let waiting = match &client.link {
                Link::Polling(mailbox) => mailbox.len(),
                Link::Socket(_) => 0,
            };
            (waiting + client.protocol.held_bytes(), Holder::Session(id, "too far behind"))
        });
        connections.chain(sessions).filter(|(bytes, _)| *bytes >= WORTH_CUTTING).collect()
    }

    /// How much the users and subscriptions of each session are.
    fn session_states(&self) -> Uses {
        let sessions = self.clients.iter().map(|(id, client)| {
            let bytes = self.app.clients().memory(id) + client.protocol.session_state();
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
            let holder = |slot| Holder::Session(ClientId { slot, generation: 0 }, "");
            list.iter().map(|(bytes, slot)| (*bytes, holder(*slot))).collect()
        };
        let order = |waiting, state| -> Vec<usize> {
            in_order(uses(waiting), uses(state)).map(|(bytes, _)| bytes).collect()
        };
        // Many who wait for a little are more than one who has many users, and the other way round.
        assert_eq!(order(&[(2, 1), (4, 2), (3, 3)], &[(8, 4)]), [4, 3, 2, 8]);
        assert_eq!(order(&[(7, 1)], &[(2, 4), (3, 5), (4, 1)]), [4, 3, 2, 7]);
    }
}
