//! The relation between clients and connections: which connection a client is reached over, and which client
//! a connection delivers to. Both ends are changed here in one function, so that neither outlives the other: an end
//! that stayed behind would send one user's messages to the next owner of the slot. Elsewhere they begin together
//! (`new_socket`) and end together (`hang_up`). The one exception is a WebSocket that Engine.IO tries
//! (`protocols/socket_io/transport.rs`): nothing is delivered over it yet.

use super::Endpoint;
use super::clients::Link;
use super::connection::{AnswerForm, Parked, State};
use super::mailbox::Mailbox;
use crate::models::id::ClientId;
use crate::websocket;

impl Endpoint {
    /// Delivers to a client over the WebSocket in this slot from now on, and over nothing else. A client that
    /// the WebSocket delivered to before is detached, and the connect that was held for it is answered. What has
    /// waited for the client goes out first, so nothing is lost or out of order.
    pub(crate) fn attach_socket(&mut self, slot: u32, client: ClientId) {
        if let State::Bayeux(Some(before), _) = self.connections.get(slot).state {
            self.answer_held_on_socket(before);
            self.detach(before);
        }
        self.detach(client);
        let id = self.connections.id(slot);
        let state = &mut self.connections.get_mut(slot).state;
        let Some(client_state) = self.clients.get_mut(client) else {
            return;
        };
        match state {
            State::Bayeux(bound, _) => *bound = Some(client),
            State::Probe(_, reader) => *state = State::WebSocket(client, std::mem::take(reader)),
            _ => return,
        }
        let before = std::mem::replace(&mut client_state.link, Link::Socket(id));
        self.update_detached(client);
        if let Link::Polling(mut mailbox) = before {
            for message in &mailbox.take() {
                websocket::write_text(self.connections.frame(slot), &[message]);
            }
        }
    }

    /// Separates a client from its WebSocket or its held request, which is answered if its connection is still
    /// there to answer: what is delivered from now on waits for the client to come back.
    pub(crate) fn detach(&mut self, client: ClientId) {
        self.answer_parked(client, None);
        self.forget_held(client);
        let Some(client_state) = self.clients.get_mut(client) else {
            return;
        };
        match &mut client_state.link {
            Link::Polling(mailbox) => mailbox.is_lost = true,
            Link::Socket(id) => {
                let id = *id;
                let mut mailbox = Mailbox::lost(&self.memory);
                if let Some(status) = client_state.late_status.take() {
                    mailbox.push_status(status);
                }
                client_state.link = Link::Polling(Box::new(mailbox));
                if let Some(slot) = self.connections.find(id)
                    && let State::Bayeux(bound, _) = &mut self.connections.get_mut(slot).state
                {
                    *bound = None;
                }
            }
        }
        self.update_detached(client);
    }

    /// Holds a client's request until there is something to answer it with, which may be there already.
    pub(crate) fn park(&mut self, slot: u32, client: ClientId, form: AnswerForm) {
        let id = self.connections.id(slot);
        if let Some(mailbox) = self.clients.mailbox(client) {
            mailbox.parked = Some(id);
            if !mailbox.is_empty() {
                self.clients.note_mail(client);
            }
            let parked = Box::new(Parked { client, form });
            self.connections.set_state(slot, State::Parked(parked), self.now);
        }
        self.update_detached(client);
    }

    /// Takes the request that is held for a client: its slot, and the form in which the answer is due. The
    /// connection is ready for its next request.
    pub(super) fn take_parked(&mut self, client: ClientId) -> Option<(u32, AnswerForm)> {
        let id = self.clients.mailbox(client)?.parked.take()?;
        self.update_detached(client);
        let slot = self.connections.find(id)?;
        if !matches!(self.connections.get(slot).state, State::Parked(_)) {
            return None;
        }
        match self.connections.set_state(slot, State::Http, self.now) {
            State::Parked(parked) => Some((slot, parked.form)),
            _ => None,
        }
    }

    /// Checks in debug builds that each end of each relation has its counterpart.
    pub(super) fn debug_check_links(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        for (slot, connection) in self.connections.iter() {
            let id = self.connections.id(slot);
            let link = |client| self.clients.get(client).map(|client| &client.link);
            let is_mutual = match &connection.state {
                State::WebSocket(client, _) | State::Bayeux(Some(client), _) => {
                    matches!(link(*client), Some(Link::Socket(back)) if *back == id)
                }
                State::Parked(parked) => {
                    matches!(link(parked.client), Some(Link::Polling(mailbox)) if mailbox.parked == Some(id))
                }
                _ => true,
            };
            debug_assert!(is_mutual, "connection {slot} is not known to its client: {:?}", connection.state);
        }
        for (client, state) in self.clients.iter() {
            let state_of = |id| self.connections.find(id).map(|slot| &self.connections.get(slot).state);
            let is_mutual = match &state.link {
                Link::Socket(id) => match state_of(*id) {
                    Some(State::WebSocket(back, _) | State::Bayeux(Some(back), _)) => *back == client,
                    _ => false,
                },
                Link::Polling(mailbox) => {
                    let is_held_for = |id| match state_of(id) {
                        Some(State::Parked(parked)) => parked.client == client,
                        _ => false,
                    };
                    let is_probed_by =
                        |id| matches!(state_of(id), Some(State::Probe(back, _)) if *back == client);
                    mailbox.parked.is_none_or(is_held_for) && mailbox.probe.is_none_or(is_probed_by)
                }
            };
            debug_assert!(is_mutual, "client {client:?} is not known to its connection: {:?}", state.link);
            let is_detached = matches!(&state.link, Link::Polling(mailbox) if mailbox.parked.is_none());
            let has_user = !self.app.clients().members(client).is_empty();
            let is_current = match state.detached {
                Some(rank) => is_detached && self.detached.has(client, rank, has_user),
                None => !is_detached,
            };
            debug_assert!(is_current, "client {client:?} is listed wrongly: {:?}", state.detached);
        }
    }
}
