//! Polling: a request that is held, a queue that it waits for, and the answer.

use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use super::connection::ConnectionId;
use super::sessions::Transport;
use crate::chat::id::ClientId;
use crate::websocket;

impl Endpoint {
    /// Answers the held requests of sessions for which something was queued. A session whose queue has grown too long
    /// ends.
    pub(super) fn answer_pollable(&mut self) {
        while let Some(client) = self.sessions.next_pollable() {
            let Some(poll_queue) = self.sessions.poll_queue(client) else {
                continue;
            };
            if poll_queue.held_request.is_some() {
                if let Some(body) = self.take_payload(client) {
                    self.answer(client, body);
                }
            } else if poll_queue.len() > self.max_backlog {
                self.end_session(client, CloseCode::Policy, "polls too slowly");
            }
        }
    }

    /// Sends a session that ends what waits for it, as far as a request is held to answer with it. `code` is the reason,
    /// as the close code of a WebSocket.
    pub(super) fn say_farewell(&mut self, client: ClientId, code: CloseCode) {
        self.answer_held_on_socket(client);
        let Some(session) = self.sessions.get(client) else {
            return;
        };
        let farewell = session.protocol.farewell(code);
        let Some(poll_queue) = self.sessions.poll_queue(client) else {
            return;
        };
        if let Some(farewell) = farewell {
            poll_queue.push(&[farewell]);
        }
        if poll_queue.held_request.is_some() {
            let body = self.take_payload(client).or_else(|| self.payload(client, None)).unwrap_or_default();
            self.answer(client, body);
        }
    }

    /// Answers the request that is held for a session, if one is, with a single packet or none.
    pub(crate) fn answer_held_request(&mut self, client: ClientId, packet: Option<&'static str>) {
        if self.sessions.poll_queue(client).is_some_and(|poll_queue| poll_queue.held_request.is_some()) {
            let body = self.payload(client, packet).unwrap_or_default();
            self.answer(client, body);
        }
    }

    /// Answers the request that is held for a session, if one is.
    pub(crate) fn answer(&mut self, client: ClientId, body: String) {
        let Some((slot, form)) = self.take_held_request(client) else {
            return;
        };
        let keep_alive = self.may_stay_open(form.keep_alive);
        self.write_response(slot, &form.response(body), false, keep_alive);
        // What was sent behind the request is carried out now.
        self.connections.resume_later(slot);
    }

    /// A body with a single packet or none; `None` if the session has ended.
    pub(crate) fn payload(&mut self, client: ClientId, packet: Option<&str>) -> Option<String> {
        let now = self.now;
        self.sessions.get_mut(client).map(|session| session.payload(packet.into_iter(), now))
    }

    /// Takes all that waits for a session as one body; `None` if nothing does.
    pub(crate) fn take_payload(&mut self, client: ClientId) -> Option<String> {
        let messages = self.sessions.poll_queue(client)?.take();
        if messages.is_empty() {
            return None;
        }
        let session = self.sessions.get_mut(client)?;
        Some(session.payload(messages.iter().map(|message| &**message), self.now))
    }

    /// Sends what a session's protocol has held until now.
    pub(crate) fn answer_held(&mut self, client: ClientId) {
        let Some(body) = self.payload(client, None) else {
            return;
        };
        match self.sessions.get(client).map(|session| &session.transport) {
            Some(&Transport::WebSocket(id)) => self.write_to(id, &body),
            _ => self.answer(client, body),
        }
    }

    /// The same, if the session is reached over a WebSocket.
    pub(crate) fn answer_held_on_socket(&mut self, client: ClientId) {
        let Some(session) = self.sessions.get(client) else {
            return;
        };
        if matches!(session.transport, Transport::WebSocket(_)) && session.protocol.held_bytes() > 0 {
            self.answer_held(client);
        }
    }

    /// Sends a text over a WebSocket, unless it has ended.
    pub(crate) fn write_to(&mut self, id: ConnectionId, text: &str) {
        if let Some(slot) = self.connections.find(id) {
            websocket::write_text(self.connections.frame(slot), &[text]);
        }
    }
}
