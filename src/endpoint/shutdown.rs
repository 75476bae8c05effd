//! How the server stops.

use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use super::connection::State;
use crate::Millis;
use crate::websocket;

/// The reason in the close frames.
const STOPPING: &str = "server is stopping";

impl Endpoint {
    /// Tells every client that the server stops, and refuses new ones. Each connection has `timeout` to close.
    pub fn stop(&mut self, timeout: Millis, now: Millis) {
        self.now = now;
        self.is_stopping = true;
        self.connections.set_close_timeout(timeout);
        let clients: Vec<_> = self.clients.iter().map(|(id, _)| id).collect();
        for client in clients {
            self.dismiss(client, CloseCode::Away);
        }
        let slots: Vec<_> = self.connections.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.close_for_stop(slot);
        }
    }

    /// What was relayed so far comes first, then the close frame; nothing is half written. That others leave is not
    /// told any more, as all leave. An HTTP connection may ask on, for the server's health, until the others are gone;
    /// one that has asked already is answered first, and the answer closes it.
    fn close_for_stop(&mut self, slot: u32) {
        let connection = self.connections.get(slot);
        match connection.state {
            State::WebSocket(..) | State::Probe(..) | State::Bayeux(..) | State::Echo(_) => {
                let outbound = self.connections.frame(slot);
                websocket::write_close(outbound, Some(CloseCode::Away), STOPPING);
            }
            State::Http if connection.outbound.is_empty() || connection.is_answering() => return,
            State::Http | State::Held(_) => {}
            State::Closing => return,
        }
        self.connections.begin_close(slot, STOPPING, self.now);
    }

    /// Whether all connections that were told to close have done so, and all that was asked is answered.
    pub fn has_stopped(&self) -> bool {
        let mut connections = self.connections.iter();
        let mut is_answering =
            || self.connections.closing() > 0 || connections.any(|(_, connection)| connection.is_answering());
        self.is_stopping && !is_answering()
    }
}
