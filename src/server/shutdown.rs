//! How the server stops.

use log::info;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Server;
use super::connection::State;
use crate::websocket;

/// Why everybody is closed.
const STOPPING: &str = "server is stopping";

impl Server {
    /// A signal: stops accepting and tells everybody. A second one leaves at once.
    pub(super) fn stop(&mut self) {
        for _ in self.signals.pending() {
            let now = self.clock.now();
            if self.stop_at.is_some() {
                info!("stopping at once");
                self.stop_at = Some(now);
                continue;
            }
            info!("stopping: {} connections to close", self.connections.len());
            self.stop_at = Some(now + self.drain_timeout);
            self.connections.set_close_timeout(self.drain_timeout);
            self.listeners.close();
            self.crowded.clear();
            let clients: Vec<_> = self.clients.iter().map(|(id, _)| id).collect();
            for client in clients {
                self.dismiss(client, CloseCode::Away);
            }
            let slots: Vec<_> = self.connections.iter().map(|(slot, _)| slot).collect();
            for slot in slots {
                self.say_goodbye(slot);
            }
        }
    }

    /// What was relayed so far comes first, then the close frame; nothing is half written. That others
    /// leave is not told any more: everybody leaves. Whoever only asks over HTTP may go on asking, how the
    /// server's health is, until the others are gone; one that has asked already is answered first, which closes its
    /// connection.
    fn say_goodbye(&mut self, slot: u32) {
        let connection = self.connections.get(slot);
        match connection.state {
            State::WebSocket(..) | State::Probe(..) | State::Bayeux(..) | State::Echo(_) => {
                let outbound = self.connections.frame(slot);
                websocket::write_close(outbound, Some(CloseCode::Away), STOPPING);
            }
            State::Http if connection.outbound.is_empty() || connection.is_answering() => return,
            State::Http | State::Parked(_) => {}
            State::Lingering => return,
        }
        self.connections.linger(slot, STOPPING, self.clock.now());
    }

    /// Whether the server was told to stop and all has been said.
    pub(super) fn is_done(&self) -> bool {
        self.stop_at.is_some_and(|due| due <= self.clock.now() || !self.is_answering())
    }

    /// Whether somebody has not been told all yet.
    fn is_answering(&self) -> bool {
        let mut connections = self.connections.iter();
        self.connections.lingering() > 0 || connections.any(|(_, connection)| connection.is_answering())
    }
}
