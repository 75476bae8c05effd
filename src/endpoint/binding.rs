//! The relation between sessions and connections: over which connection a session is reached, and to which session a
//! connection delivers. Both ends are changed here in one function, so that neither outlives the other: an end that
//! stayed behind would send one user's messages to the next owner of the slot. Elsewhere they begin together
//! (`new_socket`) and end together (`end_connection`, `end_session`). The one exception is a WebSocket that a session
//! tries while it polls ([`Binding::Probe`]): nothing is delivered over it yet.

use super::Endpoint;
use super::connection::{Binding, HeldRequest, State};
use super::poll_queue::PollQueue;
use super::sessions::Transport;
use crate::chat::id::ClientId;
use crate::protocols::AnswerForm;
use crate::websocket;

impl Endpoint {
    /// Delivers to a session over the WebSocket in this slot from now on, and over nothing else. A session that the
    /// WebSocket delivered to before is detached, and the connect that was held for it is answered. What has waited for
    /// the session is sent first, so nothing is lost or out of order.
    pub(crate) fn attach_socket(&mut self, slot: u32, client: ClientId) {
        if let State::WebSocket(Binding::Shared(Some(before)), _) = self.connections.get(slot).state {
            self.answer_held_on_socket(before);
            self.detach(before);
        }
        self.detach(client);
        let id = self.connections.id(slot);
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        match &mut self.connections.get_mut(slot).state {
            State::WebSocket(binding @ Binding::Shared(_), _) => *binding = Binding::Shared(Some(client)),
            State::WebSocket(binding @ Binding::Probe(_), _) => *binding = Binding::Owned(client),
            _ => return,
        }
        let before = std::mem::replace(&mut session.transport, Transport::WebSocket(id));
        self.update_detached(client);
        if let Transport::Polling(mut poll_queue) = before {
            for message in &poll_queue.take() {
                websocket::write_text(self.connections.frame(slot), &[message]);
            }
        }
    }

    /// Separates a session from its WebSocket or its held request, which is answered if its connection is still there:
    /// what is delivered from now on waits for the client to come back.
    pub(crate) fn detach(&mut self, client: ClientId) {
        self.answer_held_request(client, None);
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        session.protocol.release_held();
        match &mut session.transport {
            Transport::Polling(poll_queue) => poll_queue.is_lost = true,
            Transport::WebSocket(id) => {
                let id = *id;
                let mut poll_queue = PollQueue::lost(&self.memory);
                if let Some(status) = session.late_status.take() {
                    poll_queue.push_status(status);
                }
                session.transport = Transport::Polling(Box::new(poll_queue));
                if let Some(slot) = self.connections.find(id)
                    && let State::WebSocket(binding @ Binding::Shared(_), _) =
                        &mut self.connections.get_mut(slot).state
                {
                    *binding = Binding::Shared(None);
                    self.connections.restart_timer(slot);
                }
            }
        }
        self.update_detached(client);
    }

    /// Holds a request until there is something to answer it with, which may be there already.
    pub(crate) fn hold_request(&mut self, slot: u32, client: ClientId, form: AnswerForm) {
        let id = self.connections.id(slot);
        if let Some(poll_queue) = self.sessions.poll_queue(client) {
            poll_queue.held_request = Some(id);
            if !poll_queue.is_empty() {
                self.sessions.mark_pollable(client);
            }
            let held = Box::new(HeldRequest { client, form });
            self.connections.set_state(slot, State::Held(held), self.now);
        }
        self.update_detached(client);
    }

    /// Takes the request that is held for a session: its slot, and how to answer it. The connection reads its next
    /// request.
    pub(super) fn take_held_request(&mut self, client: ClientId) -> Option<(u32, AnswerForm)> {
        let id = self.sessions.poll_queue(client)?.held_request.take()?;
        self.update_detached(client);
        let slot = self.connections.find(id)?;
        if !matches!(self.connections.get(slot).state, State::Held(_)) {
            return None;
        }
        match self.connections.set_state(slot, State::Http, self.now) {
            State::Held(held) => Some((slot, held.form)),
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
            let transport_of = |client| self.sessions.get(client).map(|session| &session.transport);
            let is_mutual = match &connection.state {
                State::WebSocket(Binding::Owned(client) | Binding::Shared(Some(client)), _) => {
                    matches!(transport_of(*client), Some(Transport::WebSocket(back)) if *back == id)
                }
                State::Held(held) => {
                    matches!(transport_of(held.client), Some(Transport::Polling(poll_queue)) if poll_queue.held_request == Some(id))
                }
                _ => true,
            };
            debug_assert!(is_mutual, "connection {slot} is not known to its client: {:?}", connection.state);
        }
        for (client, state) in self.sessions.iter() {
            let state_of = |id| self.connections.find(id).map(|slot| &self.connections.get(slot).state);
            let is_mutual = match &state.transport {
                Transport::WebSocket(id) => match state_of(*id) {
                    Some(State::WebSocket(Binding::Owned(back) | Binding::Shared(Some(back)), _)) => {
                        *back == client
                    }
                    _ => false,
                },
                Transport::Polling(poll_queue) => {
                    let is_held_for = |id| match state_of(id) {
                        Some(State::Held(held)) => held.client == client,
                        _ => false,
                    };
                    let is_probed_by = |id| matches!(state_of(id), Some(State::WebSocket(Binding::Probe(back), _)) if *back == client);
                    poll_queue.held_request.is_none_or(is_held_for)
                        && poll_queue.probe.is_none_or(is_probed_by)
                }
            };
            debug_assert!(
                is_mutual,
                "client {client:?} is not known to its connection: {:?}",
                state.transport
            );
            let is_detached = matches!(&state.transport, Transport::Polling(poll_queue) if poll_queue.held_request.is_none());
            let has_user = !self.chat.clients().members(client).is_empty();
            let is_current = match state.detached {
                Some(rank) => is_detached && self.detached.has(client, rank, has_user),
                None => !is_detached,
            };
            debug_assert!(is_current, "client {client:?} is listed wrongly: {:?}", state.detached);
        }
    }
}
