//! What happens when more waits than `--max-memory` allows: those who are furthest behind are cut off, until there
//! is room again. Everybody else goes on.

use std::time::Duration;

use log::warn;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Server;
use super::clients::Link;
use super::connections::ConnectionId;
use crate::models::id::ClientId;

/// Whoever has less than this waiting is not behind.
const WORTH_CUTTING: usize = 1024;

/// How long cutting off goes on in one turn. If that frees too little, the next turn goes on.
const CUTTING_BUDGET: Duration = Duration::from_millis(4);

/// Who has something waiting.
enum Holder {
    Connection(ConnectionId),
    Session(ClientId),
}

impl Server {
    /// Cuts off those who are furthest behind if too much waits.
    pub(super) fn limit_memory(&mut self) {
        let excess = self.memory.excess();
        if excess == 0 {
            return;
        }
        if self.may_warn() {
            warn!(
                "{} bytes wait, more than --max-memory: who is furthest behind is cut off",
                self.memory.total()
            );
        }
        let enough = self.memory.total() - excess;
        let began = self.clock.uptime();
        for (_, holder) in self.furthest_behind() {
            self.clock.tick();
            if self.memory.total() <= enough || self.clock.uptime() - began > CUTTING_BUDGET {
                break;
            }
            self.metrics.overloads += 1;
            match holder {
                Holder::Connection(id) => {
                    if let Some(slot) = self.connections.find(id) {
                        self.cut_off(slot);
                    }
                }
                Holder::Session(client) => self.close_client(client, CloseCode::Policy, "too far behind"),
            }
        }
        self.flush();
    }

    /// Everybody who is behind, and by how many bytes, the furthest first.
    fn furthest_behind(&self) -> Vec<(usize, Holder)> {
        let connections = self.connections.iter().map(|(slot, connection)| {
            (connection.share.bytes(), Holder::Connection(self.connections.id(slot)))
        });
        let sessions = self.clients.iter().map(|(id, client)| {
            let waiting = match &client.link {
                Link::Polling(mailbox) => mailbox.len(),
                Link::Socket(_) => 0,
            };
            (waiting + client.protocol.held_bytes(), Holder::Session(id))
        });
        let mut behind: Vec<_> =
            connections.chain(sessions).filter(|(bytes, _)| *bytes >= WORTH_CUTTING).collect();
        behind.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        behind
    }
}
