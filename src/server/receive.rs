//! From bytes to commands: what a turn of the loop does with what one connection sent.

use std::borrow::Cow;

use log::debug;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Server;
use super::clients::Outbox;
use super::connection::State;
use crate::command::Refusal;
use crate::models::id::ClientId;
use crate::protocols::{Decoded, Request};
use crate::websocket::{self, Message, Read, Violation};

impl Server {
    /// Reads once from a connection. One that has more has to wait for the next turn, so that nobody
    /// who talks much keeps others waiting.
    pub(super) fn read(&mut self, slot: u32, until_empty: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        match self.connections.get_mut(slot).read(&mut buffer) {
            Ok(Some(0)) => self.end_of_input(slot),
            Ok(Some(length)) => {
                // After a short read the socket is empty, unless the event says that an end follows.
                if length == buffer.len() || until_empty {
                    self.connections.read_again(slot);
                }
                self.receive(slot, &mut buffer[..length]);
            }
            Ok(None) => {}
            Err(_) => self.drop_connection(slot),
        }
        self.buffer = buffer;
    }

    /// Goes on with what a connection has sent already, then reads on.
    pub(super) fn resume(&mut self, slot: u32) {
        self.receive(slot, &mut []);
        let connection = self.connections.get(slot);
        if !connection.is_unread && !connection.is_closed {
            // The edge is spent: read on until nothing is left, not even an end.
            self.read(slot, true);
        }
    }

    /// Takes in bytes behind those of a request or frame that was not whole yet.
    fn receive(&mut self, slot: u32, fresh: &mut [u8]) {
        let mut pending = std::mem::take(&mut self.connections.get_mut(slot).inbound);
        let rest = if pending.is_empty() {
            let used = self.consume(slot, fresh);
            let rest = fresh[used..].to_vec();
            if !rest.is_empty() {
                self.connections.get_mut(slot).since = self.clock.now();
            }
            rest
        } else {
            pending.extend_from_slice(fresh);
            let used = self.consume(slot, &mut pending);
            pending.drain(..used);
            pending
        };
        let connection = self.connections.get_mut(slot);
        if !rest.is_empty() && !matches!(connection.state, State::Lingering) {
            connection.inbound = rest;
        }
    }

    /// Works off whole requests and frames, and says how many bytes they took.
    fn consume(&mut self, slot: u32, input: &mut [u8]) -> usize {
        let mut at = 0;
        while at < input.len() {
            let connection = self.connections.get(slot);
            if connection.is_full() {
                self.connections.read_again(slot);
                break;
            }
            let rest = &mut input[at..];
            let used = match connection.state {
                State::Http => self.request(slot, rest),
                State::WebSocket(client, _) => self.frame(slot, client, rest),
                State::Lingering => rest.len(),
            };
            if used == 0 {
                break;
            }
            at += used;
        }
        at
    }

    fn frame(&mut self, slot: u32, client: ClientId, input: &mut [u8]) -> usize {
        let max_message_size = self.max_message_size;
        let connection = self.connections.get_mut(slot);
        let State::WebSocket(_, reader) = &mut connection.state else {
            return 0;
        };
        match reader.read(input, max_message_size) {
            Ok(Read::Incomplete) => 0,
            Ok(Read::Frame { consumed, message }) => {
                if let Some(heard) = self.clients.get(client).map(|client| &mut client.heard) {
                    *heard = self.clock.now();
                }
                if let Some(message) = message {
                    self.message(slot, client, message);
                }
                consumed
            }
            Err(Violation { code, reason }) => {
                self.fail(slot, code, reason);
                input.len()
            }
        }
    }

    fn message(&mut self, slot: u32, client: ClientId, message: Message<'_>) {
        match message {
            Message::Text(Cow::Borrowed(text)) => self.text(slot, client, text),
            Message::Text(Cow::Owned(text)) => self.text(slot, client, &text),
            Message::Binary(_) => self.fail(slot, CloseCode::Unsupported, "text only"),
            Message::Ping(payload) => websocket::write_pong(self.connections.outbound(slot), payload),
            Message::Pong => {}
            Message::Close(code) => self.answer_close(slot, code),
        }
    }

    /// A text message on its way through: decoded, carried out, answered.
    fn text(&mut self, slot: u32, client: ClientId, text: &str) {
        let Server { connections, clients, app, clock, .. } = self;
        let Some(protocol) = clients.get(client).map(|client| &mut client.protocol) else {
            return;
        };
        let mut out = |parts: &[&str]| websocket::write_text(connections.outbound(slot), parts);
        let Request { first, command, ticket } = match protocol.decode(text, &mut out) {
            Decoded::Request(request) => request,
            Decoded::Done => return,
            Decoded::Refused(refusal) => return note(slot, refusal),
            Decoded::Close(code, reason) => return self.fail(slot, code, reason),
        };
        let now = clock.now();
        let mut outbox = Outbox { connections, clients };
        let first = first.map_or(Ok(()), |command| app.handle(client, command, now, &mut outbox));
        let result = first.and_then(|()| app.handle(client, command, now, &mut outbox));
        if let Err(refusal) = result {
            note(slot, refusal);
        }
        if let Some(client) = clients.get(client) {
            let mut out = |parts: &[&str]| websocket::write_text(connections.outbound(slot), parts);
            client.protocol.answer(ticket, result, &mut out);
        }
    }

    /// The peer closes: its code goes back to it (RFC 6455, 5.5.1).
    fn answer_close(&mut self, slot: u32, code: Option<CloseCode>) {
        self.client_gone(slot);
        websocket::write_close(self.connections.outbound(slot), code, "");
        self.connections.linger(slot, self.clock.now());
    }

    /// Closes a WebSocket because of what came over it, or did not come.
    pub(super) fn fail(&mut self, slot: u32, code: CloseCode, reason: &str) {
        debug!("connection {slot} is closed with {code}: {reason}");
        self.client_gone(slot);
        websocket::write_close(self.connections.outbound(slot), Some(code), reason);
        self.connections.linger(slot, self.clock.now());
    }

    /// The peer has shut its side. Whoever chats is gone; an HTTP client may still wait for its answer.
    fn end_of_input(&mut self, slot: u32) {
        self.client_gone(slot);
        self.connections.get_mut(slot).is_eof = true;
        if self.connections.get(slot).outbound.is_empty() {
            self.connections.close(slot);
        } else {
            self.connections.linger(slot, self.clock.now());
        }
    }
}

fn note(slot: u32, refusal: Refusal) {
    debug!("connection {slot} is refused: {refusal}");
}
