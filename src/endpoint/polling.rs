//! What Engine.IO polling and Bayeux long-polling share: a request that is held, a poll_queue that it waits
//! for, and the answer.

use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use crate::chat::id::ClientId;

impl Endpoint {
    /// Answers the polls of the clients that have mail. One that lets too much of it gather is cut off.
    pub(super) fn answer_pollable(&mut self) {
        while let Some(client) = self.clients.next_pollable() {
            let Some(poll_queue) = self.clients.poll_queue(client) else {
                continue;
            };
            if poll_queue.held_request.is_some() {
                if let Some(body) = self.take_payload(client) {
                    self.answer(client, body);
                }
            } else if poll_queue.len() > self.max_backlog {
                self.close_client(client, CloseCode::Policy, "polls too slowly");
            }
        }
    }

    /// Forgets a client. A request or a connect that is held is answered first, with all that waits. `code` is the
    /// reason, as the close code of a WebSocket.
    pub(crate) fn dismiss(&mut self, client: ClientId, code: CloseCode) {
        self.answer_held_on_socket(client);
        if let Some(farewell) = self.clients.get(client).and_then(|client| client.protocol.farewell(code))
            && let Some(poll_queue) = self.clients.poll_queue(client)
        {
            poll_queue.push(&[farewell]);
        }
        if self.clients.poll_queue(client).is_some_and(|poll_queue| poll_queue.held_request.is_some()) {
            let body = self.take_payload(client).or_else(|| self.payload(client, None)).unwrap_or_default();
            self.answer(client, body);
        }
        self.remove_client(client);
    }

    /// Answers the request that a client has waiting, if it has one, with a single packet or none.
    pub(crate) fn answer_held_request(&mut self, client: ClientId, packet: Option<&'static str>) {
        if self.clients.poll_queue(client).is_some_and(|poll_queue| poll_queue.held_request.is_some()) {
            let body = self.payload(client, packet).unwrap_or_default();
            self.answer(client, body);
        }
    }

    /// Answers the request that a client has waiting, if it has one.
    pub(crate) fn answer(&mut self, client: ClientId, body: String) {
        let Some((slot, form)) = self.take_held_request(client) else {
            return;
        };
        let keep_alive = self.may_stay_open(form.keep_alive);
        self.write_response(slot, &form.response(body), false, keep_alive);
        // What was sent behind the request has its turn now.
        self.connections.read_again(slot);
    }

    /// A body with a single packet or none; `None` if the client is gone.
    pub(crate) fn payload(&mut self, client: ClientId, packet: Option<&str>) -> Option<String> {
        self.clients.get_mut(client).map(|client| client.protocol.payload(packet.into_iter()))
    }

    /// Takes all that waits for a client as one body; `None` if nothing does.
    pub(crate) fn take_payload(&mut self, client: ClientId) -> Option<String> {
        let messages = self.clients.poll_queue(client)?.take();
        if messages.is_empty() {
            return None;
        }
        let client = self.clients.get_mut(client)?;
        Some(client.protocol.payload(messages.iter().map(|message| &**message)))
    }
}
