//! From bytes to commands: what a turn of the loop does with what one connection sent.

use log::debug;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use super::clients::{Client, Dispatcher, Transport};
use super::connection::{Pending, State};
use super::echo;
use super::input::InputBuffer;
use crate::chat::command::{Command, CommandError};
use crate::chat::id::{ClientId, Role, UserId};
use crate::protocols::{Decoded, Outgoing, Protocol, ReplyContext, Request};
use crate::websocket::{self, Message, Read, Violation};

/// The peer has shut its side or reset the connection without a word.
pub(super) const PEER_GONE: &str = "peer gone";

/// How many requests, frames, or messages of a batch one connection may have carried out in a turn. What is left
/// waits for the next turn, so that one who sends much keeps nobody waiting.
pub(super) const WORK: u32 = 16;

/// Bytes that a connection sends at once, from which on it is read after those that send less.
const HEAVY_READ: usize = 8 * 1024;

impl Endpoint {
    /// Takes in bytes behind those of a request or frame that was not whole yet.
    pub(super) fn take_in(&mut self, slot: u32, fresh: &mut [u8]) {
        let length = fresh.len();
        let mut pending = std::mem::take(&mut self.connections.get_mut(slot).inbound);
        let rest = if pending.is_empty() {
            let used = self.consume(slot, fresh);
            let mut rest = InputBuffer::default();
            rest.extend(fresh.get(used..).unwrap_or_default());
            let connection = self.connections.get_mut(slot);
            if !rest.is_empty() && matches!(connection.state, State::Http) {
                connection.since = self.now;
            }
            rest
        } else {
            pending.extend(fresh);
            let used = self.consume(slot, pending.waiting());
            pending.consume(used);
            pending
        };
        let connection = self.connections.get_mut(slot);
        if !rest.is_empty() && !matches!(connection.state, State::Closing) {
            connection.inbound = rest;
        }
        connection.is_heavy = length >= HEAVY_READ || self.work == 0;
        connection.count_memory();
        if connection.is_held_in_vain() {
            self.end_input(slot);
        }
    }

    /// Works off whole requests and frames, and says how many bytes they took.
    fn consume(&mut self, slot: u32, input: &mut [u8]) -> usize {
        let mut at = 0;
        self.work = WORK;
        let has_to_wait = self.connections.get(slot).is_paused() || self.is_leaving(slot);
        if has_to_wait || !self.continue_pending(slot) {
            self.connections.read_again(slot);
            return 0;
        }
        while at < input.len() {
            let connection = self.connections.get(slot);
            if connection.is_paused() || connection.pending.is_some() || self.work == 0 {
                self.connections.read_again(slot);
                break;
            }
            let rest = &mut input[at..];
            let used = match connection.state {
                State::Http => self.request(slot, rest),
                State::WebSocket(..) | State::Probe(..) | State::Bayeux(..) | State::Echo(_) => {
                    self.frame(slot, rest)
                }
                State::Held(_) => 0,
                State::Closing => rest.len(),
            };
            if used == 0 {
                break;
            }
            self.work = self.work.saturating_sub(1);
            at += used;
        }
        at
    }

    /// Whether the users of the client at a socket have still to go off line.
    fn is_leaving(&self, slot: u32) -> bool {
        matches!(self.connections.get(slot).state, State::WebSocket(client, _) if self.chat.is_leaving(client))
    }

    /// Goes on with what a connection has begun in an earlier turn. Returns whether it is done with.
    fn continue_pending(&mut self, slot: u32) -> bool {
        let Some(pending) = self.connections.get_mut(slot).pending.take() else {
            return true;
        };
        let rest = match *pending {
            Pending::Batch(batch) => self.continue_batch(slot, batch).map(Pending::Batch),
            Pending::Payload(payload) => self.continue_payload(slot, payload).map(Pending::Payload),
        };
        let connection = self.connections.get_mut(slot);
        connection.pending = rest.filter(|_| !matches!(connection.state, State::Closing)).map(Box::new);
        connection.pending.is_none()
    }

    fn frame(&mut self, slot: u32, input: &mut [u8]) -> usize {
        let (reader, max_message_size) = match &mut self.connections.get_mut(slot).state {
            State::WebSocket(_, reader) | State::Probe(_, reader) | State::Bayeux(_, reader) => {
                (reader, self.max_message_size)
            }
            State::Echo(reader) => (reader, echo::MAX_MESSAGE_SIZE),
            State::Http | State::Held(_) | State::Closing => return 0,
        };
        match reader.read(input, max_message_size) {
            Ok(Read::Incomplete) => 0,
            Ok(Read::Frame { consumed, message }) => {
                self.connections.traffic.frames_in += 1;
                self.heard(slot);
                if let Some(message) = message {
                    self.message(slot, message);
                }
                consumed
            }
            Err(Violation { code, reason }) => {
                self.fail(slot, code, reason);
                input.len()
            }
        }
    }

    /// A frame has come: its sender is not idle.
    fn heard(&mut self, slot: u32) {
        let now = self.now;
        match self.connections.get(slot).state {
            State::WebSocket(client, _) => self.clients.heard(client, now),
            State::Bayeux(..) | State::Echo(_) => self.connections.get_mut(slot).since = now,
            // A WebSocket that is only being tried has its time, however much comes over it.
            _ => {}
        }
    }

    fn message(&mut self, slot: u32, message: Message<'_>) {
        match message {
            Message::Ping(payload) => websocket::write_pong(self.connections.frame(slot), payload),
            Message::Pong => {}
            Message::Close(code) => self.answer_close(slot, code),
            Message::Text(text) => match self.connections.get(slot).state {
                State::WebSocket(client, _) => self.text(client, &text),
                State::Probe(client, _) => self.probe(slot, client, &text),
                State::Bayeux(..) => self.bayeux_frame(slot, &text),
                State::Echo(_) => self.echo_text(slot, &text),
                _ => {}
            },
            Message::Binary(data) => match self.connections.get(slot).state {
                State::WebSocket(client, _) => self.binary(client),
                // What does not parse is passed over.
                State::Bayeux(..) => self.bad_input("text only"),
                State::Echo(_) => self.echo_binary(slot, &data),
                _ => self.fail(slot, CloseCode::Unsupported, "text only"),
            },
        }
    }

    /// A text message on its way through: decoded, carried out, answered.
    pub(crate) fn text(&mut self, client: ClientId, text: &str) {
        let decode = |protocol: &mut Protocol, out: &mut Outgoing| protocol.decode(text, out);
        match self.clients.with_protocol(client, &mut self.connections, decode) {
            Some(Decoded::Request(request)) => {
                let follow_up = request.command.follow_up();
                let (context, result) = self.carry_out(client, request);
                let answer =
                    |protocol: &mut Protocol, out: &mut Outgoing| protocol.answer(context, result, out);
                self.clients.with_protocol(client, &mut self.connections, answer);
                if let Some(command) = follow_up.filter(|_| result.is_ok()) {
                    // It is not refused: the client was let into the chat just now.
                    let _ = self.handle(client, command);
                }
            }
            Some(decoded) => self.decoded(client, decoded),
            None => {}
        }
    }

    /// Carries out the commands of a request, up to the first that is refused.
    pub(crate) fn carry_out<'a>(
        &mut self,
        client: ClientId,
        request: Request<'a>,
    ) -> (ReplyContext<'a>, Result<(), CommandError>) {
        let mut commands = request.first.into_iter().chain([request.command]);
        let result = commands.try_for_each(|command| {
            if self.may_await(client, &command) {
                return Ok(());
            }
            self.evict_absent_owner(client, &command);
            self.handle(client, command)
        });
        if let Err(refusal) = result {
            self.note(client, refusal);
        }
        if self.clients.poll_queue(client).is_some() {
            self.update_detached(client);
        }
        (request.context, result)
    }

    fn handle(&mut self, client: ClientId, command: Command<'_>) -> Result<(), CommandError> {
        let Endpoint { connections, clients, chat, now, .. } = self;
        chat.handle(client, command, *now, &mut Dispatcher { connections, clients })
    }

    /// An id belongs to one client at a time. One that outlives its connection, or has never connected, keeps its
    /// users only until a connected client takes one of them.
    fn evict_absent_owner(&mut self, client: ClientId, command: &Command<'_>) {
        let Some(owner) = command.connects().and_then(|(role, user)| self.absent_owner(client, role, user))
        else {
            return;
        };
        let is_connected = self.clients.get(client).is_some_and(|client| !client.is_absent());
        if is_connected && self.chat.clients().has_room(client) {
            self.close_client(owner, CloseCode::Away, "its user has connected elsewhere");
        }
    }

    /// Whether a client asks to hear of the next chat of a user whom an absent client has. It may, since it may take
    /// the user over; that alone takes nothing from the other.
    fn may_await(&self, client: ClientId, command: &Command<'_>) -> bool {
        match command {
            Command::AwaitChat { role, user } => self.absent_owner(client, *role, user).is_some(),
            _ => false,
        }
    }

    /// The client that has a user, if that is another one than this and absent.
    fn absent_owner(&self, client: ClientId, role: Role, user: &UserId) -> Option<ClientId> {
        let owner = self.chat.models().owner(role, user).filter(|owner| *owner != client)?;
        self.clients.get(owner).is_some_and(Client::is_absent).then_some(owner)
    }

    fn binary(&mut self, client: ClientId) {
        if let Some(client_state) = self.clients.get_mut(client) {
            let decoded = client_state.protocol.binary();
            self.decoded(client, decoded);
        }
    }

    /// What a message comes to that is no request.
    pub(crate) fn decoded(&mut self, client: ClientId, decoded: Decoded<'_>) {
        match decoded {
            Decoded::Request(_) | Decoded::Done => {}
            Decoded::Refused(refusal) => self.note(client, refusal),
            Decoded::Leave => self.users_gone(client),
            Decoded::Close(code, reason) => self.close_client(client, code, reason),
        }
    }

    /// Closes a client because of what came from it, or did not come.
    pub(crate) fn close_client(&mut self, client: ClientId, code: CloseCode, reason: &'static str) {
        let Some(link) = self.clients.get(client).map(|client| &client.transport) else {
            return;
        };
        debug!("client {} is closed: {reason}", client.slot);
        let socket = if let Transport::WebSocket(id) = *link { self.connections.find(id) } else { None };
        self.dismiss(client, code);
        self.users_gone(client);
        match socket {
            Some(slot) => self.fail(slot, code, reason),
            None => self.count_bad_input(code, reason),
        }
    }

    /// The peer closes: its code goes back to it (RFC 6455, 5.5.1).
    fn answer_close(&mut self, slot: u32, code: Option<CloseCode>) {
        self.hang_up(slot);
        websocket::write_close(self.connections.frame(slot), code, "");
        self.connections.begin_close(slot, "closed by the peer", self.now);
    }

    /// Closes a WebSocket because of what came over it, or did not come.
    pub(crate) fn fail(&mut self, slot: u32, code: CloseCode, reason: &'static str) {
        debug!("connection {slot} is closed with {code}: {reason}");
        self.count_bad_input(code, reason);
        self.hang_up(slot);
        websocket::write_close(self.connections.frame(slot), Some(code), reason);
        let why = if code == CloseCode::Normal { "client left" } else { reason };
        self.connections.begin_close(slot, why, self.now);
    }

    /// The peer has shut its side. Whoever chats is gone; an HTTP client may still wait for its answer.
    pub(super) fn end_input(&mut self, slot: u32) {
        self.hang_up(slot);
        self.connections.get_mut(slot).is_eof = true;
        if self.connections.get(slot).outbound.is_empty() {
            self.connections.close(slot, PEER_GONE);
        } else {
            self.connections.begin_close(slot, PEER_GONE, self.now);
        }
    }

    /// A request is refused, of which its sender has been or will be told.
    fn note(&mut self, client: ClientId, refusal: CommandError) {
        debug!("client {} is refused: {refusal}", client.slot);
        self.metrics.refusals.add(refusal);
    }

    /// A close is for bad input by its code. Other closes are no fault of what came.
    fn count_bad_input(&mut self, code: CloseCode, reason: &'static str) {
        use CloseCode::{Invalid, Protocol, Size, Unsupported};
        if matches!(code, Protocol | Unsupported | Invalid | Size) {
            self.bad_input(reason);
        }
    }

    /// Something came that its protocol does not know.
    pub(crate) fn bad_input(&mut self, what: &'static str) {
        debug!("bad input: {what}");
        self.metrics.bad_input.add(what);
    }
}
