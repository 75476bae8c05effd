//! How connections and clients end, and what follows from it.

use log::debug;

use super::Endpoint;
use super::clients::Dispatcher;
use super::connection::State;
use crate::chat::id::ClientId;
use crate::protocols::Protocol;
use crate::websocket;

impl Endpoint {
    /// Drops a connection, and with it its client.
    pub(super) fn drop_connection(&mut self, slot: u32, why: &'static str) {
        self.hang_up(slot);
        self.connections.close(slot, why);
    }

    /// A connection is at its end. A client whose WebSocket it was is gone with it, and so is one whose
    /// held request it was; one that only tried it polls on.
    pub(super) fn hang_up(&mut self, slot: u32) {
        match self.connections.set_state(slot, State::Closing, self.now) {
            State::WebSocket(client, _) => self.client_gone(client),
            State::Held(held_request) => self.poll_lost(held_request.client),
            State::Probe(client, _) => self.probe_failed(slot, client),
            State::Bayeux(Some(client), _) => self.detach(client),
            State::Bayeux(None, _) | State::Echo(_) | State::Http | State::Closing => {}
        }
    }

    /// A request that was held is lost. That ends an Engine.IO session, and no Bayeux client.
    fn poll_lost(&mut self, client: ClientId) {
        match self.clients.get(client).map(|client| &client.protocol) {
            Some(Protocol::Bayeux(_)) => self.detach(client),
            _ => self.client_gone(client),
        }
    }

    /// A client is gone, however it went: its users go off line at once.
    pub(super) fn client_gone(&mut self, client: ClientId) {
        self.remove_client(client);
        self.users_gone(client);
    }

    /// Forgets a client, and the name that a Bayeux client goes by.
    pub(super) fn remove_client(&mut self, client: ClientId) {
        self.detach(client);
        self.forget_detached(client);
        if let Some(Protocol::Bayeux(bayeux)) = self.clients.remove(client).map(|client| client.protocol) {
            self.client_ids.remove(bayeux.id());
        }
    }

    /// All users that a client holds go off line, over several turns if they are many. What comes from the client waits
    /// for that.
    pub(crate) fn users_gone(&mut self, client: ClientId) {
        let mut dispatcher = Dispatcher { connections: &mut self.connections, clients: &mut self.clients };
        self.chat.gone(client, self.now, &mut dispatcher);
        self.update_detached(client);
        if self.chat.is_leaving(client) {
            self.work = 0;
        }
    }

    /// Goes on with the users of a client that has left. Returns whether there are more.
    pub(super) fn continue_leaving(&mut self) -> bool {
        if let Some(client) = self.chat.next_leaving() {
            self.users_gone(client);
        }
        self.chat.next_leaving().is_some()
    }

    /// Sends a client the newest status, which its socket did not take when it was due.
    pub(super) fn send_late_status(&mut self, slot: u32) {
        let (State::WebSocket(client, _) | State::Bayeux(Some(client), _)) = self.connections.get(slot).state
        else {
            return;
        };
        let status = self.clients.get_mut(client).and_then(|client| client.late_status.take());
        if let Some(status) = status {
            websocket::write_text(self.connections.frame(slot), &[&status]);
        }
    }

    /// Drops a connection whose peer does not read. What it misses by that is lost, so its client ends even
    /// if it could outlive the connection.
    pub(super) fn evict_slow_consumer(&mut self, slot: u32) {
        debug!("connection {slot} reads too slowly and is cut off");
        if let State::Bayeux(Some(client), _) = self.connections.get(slot).state {
            self.client_gone(client);
        }
        self.drop_connection(slot, "too slow");
    }
}
