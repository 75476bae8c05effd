//! From the bytes of a connection to commands, and from their results to answers.

use log::debug;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use super::connection::{Binding, State};
use super::echo;
use super::ending::Close;
use super::sessions::{Dispatcher, Session};
use crate::chat::command::{Command, CommandError};
use crate::chat::id::{ClientId, Role, UserId};
use crate::protocols::{Decoded, Outgoing, Protocol, ReplyContext, Request};
use crate::websocket::{self, Message, Read, Violation};

/// Requests, frames, or messages of a batch that one connection may have carried out in a turn. What is left waits for
/// the next turn, so that a client that sends much does not keep others waiting.
pub(super) const WORK: u32 = 16;

impl Endpoint {
    /// Takes in bytes that follow those of a request or frame that was not whole yet.
    pub(super) fn take_in(&mut self, slot: u32, fresh: &mut [u8]) {
        let length = fresh.len();
        let mut input = std::mem::take(&mut self.connections.get_mut(slot).input);
        if input.is_empty() {
            let used = self.consume(slot, fresh);
            input.tail().extend_from_slice(fresh.get(used..).unwrap_or_default());
            let connection = self.connections.get_mut(slot);
            if !input.is_empty() && matches!(connection.state, State::Http) {
                connection.since = self.now;
            }
        } else {
            input.tail().extend_from_slice(fresh);
            let used = self.consume(slot, input.waiting_mut());
            input.consume(used);
        }
        let used_up = self.work == 0;
        let connection = self.connections.get_mut(slot);
        if connection.is_open() {
            connection.input = input;
        }
        connection.set_last_read(length, used_up);
        connection.count_memory();
        if connection.is_held_in_vain() {
            self.end_input(slot);
        }
    }

    /// Carries out whole requests and frames. Returns how many bytes they took.
    fn consume(&mut self, slot: u32, input: &mut [u8]) -> usize {
        self.work = WORK;
        if self.has_to_wait(slot) || !self.continue_pending(slot) {
            self.connections.resume_later(slot);
            return 0;
        }
        let mut at = 0;
        while let rest @ [_, ..] = &mut input[at..] {
            let used = match self.connections.get(slot).state {
                State::WebSocket(binding, _) => self.frame(slot, binding, rest),
                State::Http => self.request(slot, rest),
                State::AwaitingTurn | State::Held(_) => 0,
                State::Closing(_) | State::Closed => rest.len(),
            };
            if used == 0 {
                break;
            }
            self.work = self.work.saturating_sub(1);
            at += used;
            let is_pending = self.connections.get(slot).pending.is_some();
            if at < input.len() && (self.work == 0 || is_pending || self.has_to_wait(slot)) {
                self.connections.resume_later(slot);
                break;
            }
        }
        at
    }

    /// Whether the input of a connection waits: it is paused, or something that came before is not carried out yet, which
    /// may be that the users of its session's client go off line.
    fn has_to_wait(&self, slot: u32) -> bool {
        let connection = self.connections.get(slot);
        let is_leaving = match connection.state {
            State::WebSocket(Binding::Owned(client), _) => self.chat.is_leaving(client),
            _ => false,
        };
        is_leaving || connection.is_paused()
    }

    /// Goes on with what a connection began in an earlier turn. Returns whether that is done.
    fn continue_pending(&mut self, slot: u32) -> bool {
        let Some(pending) = self.connections.get_mut(slot).pending.take() else {
            return true;
        };
        let rest = self.continue_request(slot, *pending);
        let connection = self.connections.get_mut(slot);
        connection.pending = rest.filter(|_| connection.is_open()).map(Box::new);
        connection.pending.is_none()
    }

    /// Reads one frame. Returns how many bytes it took.
    fn frame(&mut self, slot: u32, binding: Binding, input: &mut [u8]) -> usize {
        let connection = self.connections.get_mut(slot);
        let State::WebSocket(_, reader) = &mut connection.state else {
            return 0;
        };
        let max_message_size =
            if binding == Binding::Echo { echo::MAX_MESSAGE_SIZE } else { self.max_message_size };
        match reader.read(input, max_message_size) {
            Ok(Read::Incomplete) => 0,
            Ok(Read::Frame { consumed, message }) => {
                match binding {
                    Binding::Owned(client) => self.sessions.set_heard(client, self.now),
                    Binding::Shared(_) | Binding::Echo => connection.since = self.now,
                    // To try a WebSocket has its time, however much comes over it.
                    Binding::Probe(_) => {}
                }
                self.connections.traffic.frames_in += 1;
                match message {
                    Some(Message::Text(text)) => self.text_message(slot, binding, &text),
                    Some(message) => self.other_message(slot, binding, message),
                    None => {}
                }
                consumed
            }
            Err(Violation { code, reason }) => {
                self.fail(slot, code, reason);
                input.len()
            }
        }
    }

    fn text_message(&mut self, slot: u32, binding: Binding, text: &str) {
        match binding {
            Binding::Owned(client) => self.text(client, text),
            Binding::Probe(client) => self.probe_text(slot, client, text),
            Binding::Shared(_) => self.shared_text(slot, text),
            Binding::Echo => websocket::write_text(self.connections.frame(slot), &[text]),
        }
    }

    fn other_message(&mut self, slot: u32, binding: Binding, message: Message<'_>) {
        match message {
            Message::Ping(payload) => websocket::write_pong(self.connections.frame(slot), payload),
            // The peer's code goes back to it (RFC 6455, 5.5.1).
            Message::Close(code) => self.end_connection(slot, Close::Frame(code, ""), "closed by the peer"),
            Message::Binary(data) => match binding {
                Binding::Owned(client) => self.binary(client),
                Binding::Probe(_) => self.fail(slot, CloseCode::Unsupported, "text only"),
                Binding::Shared(_) => self.bad_input("text only"),
                Binding::Echo => websocket::write_binary(self.connections.frame(slot), &data),
            },
            Message::Pong | Message::Text(_) => {}
        }
    }

    /// Decodes a text message of a session, carries it out and answers it.
    pub(crate) fn text(&mut self, client: ClientId, text: &str) {
        let decode = |protocol: &mut Protocol, out: &mut Outgoing| protocol.decode(text, out);
        match self.sessions.with_protocol(client, &mut self.connections, decode) {
            Some(Decoded::Request(request)) => {
                let follow_up = request.command.follow_up();
                let (context, result) = self.carry_out(client, request);
                if context.is_answered(result) {
                    self.answer_request(client, context, result);
                }
                if let Some(command) = follow_up.filter(|_| result.is_ok()) {
                    // It cannot fail: the client has entered the chat just now.
                    let _ = self.handle(client, command);
                }
            }
            Some(Decoded::WatchFigures(watches, context)) => {
                self.figures.watch(client, watches, self.now);
                self.answer_request(client, context, Ok(()));
            }
            Some(decoded) => self.decoded(client, decoded),
            None => {}
        }
    }

    fn answer_request(
        &mut self,
        client: ClientId,
        context: ReplyContext<'_>,
        result: Result<(), CommandError>,
    ) {
        let answer = |protocol: &mut Protocol, out: &mut Outgoing| protocol.answer(context, result, out);
        self.sessions.with_protocol(client, &mut self.connections, answer);
    }

    /// Carries out the commands of a request, up to the first that fails.
    pub(crate) fn carry_out<'a>(
        &mut self,
        client: ClientId,
        request: Request<'a>,
    ) -> (ReplyContext<'a>, Result<(), CommandError>) {
        let Request { first, command, context } = request;
        // A message changes neither who is online nor which client owns a user.
        let result = if let Command::Send { .. } = command {
            self.handle(client, command)
        } else {
            self.carry_out_changes(client, first.into_iter().chain([command]))
        };
        if let Err(error) = result {
            self.count_error(client, error);
        }
        (context, result)
    }

    fn carry_out_changes<'a>(
        &mut self,
        client: ClientId,
        mut commands: impl Iterator<Item = Command<'a>>,
    ) -> Result<(), CommandError> {
        let result = commands.try_for_each(|command| {
            if self.may_await(client, &command) {
                return Ok(());
            }
            self.evict_disconnected_owner(client, &command);
            self.handle(client, command)
        });
        self.update_detached(client);
        result
    }

    fn handle(&mut self, client: ClientId, command: Command<'_>) -> Result<(), CommandError> {
        let Endpoint { connections, sessions, chat, now, .. } = self;
        chat.handle(client, command, *now, &mut Dispatcher { connections, sessions })
    }

    /// A user id belongs to one client at a time. A client that outlives its connection, or has never connected, keeps
    /// its users only until a connected client asks for one of them.
    fn evict_disconnected_owner(&mut self, client: ClientId, command: &Command<'_>) {
        let Some(owner) =
            command.connecting_user().and_then(|(role, user)| self.absent_owner(client, role, user))
        else {
            return;
        };
        let is_connected = self.sessions.get(client).is_some_and(|session| !session.is_absent());
        if is_connected && self.chat.clients().has_room(client) {
            self.end_session(owner, CloseCode::Away, "its user has connected elsewhere");
        }
    }

    /// Whether a client subscribes to the next chat of a user that an absent client owns. It may, since it may take the
    /// user over; the subscription alone takes nothing from the owner.
    fn may_await(&self, client: ClientId, command: &Command<'_>) -> bool {
        match command {
            Command::AwaitChat { role, user } => self.absent_owner(client, *role, user).is_some(),
            _ => false,
        }
    }

    /// The client that owns a user, if that is another one than this and absent.
    fn absent_owner(&self, client: ClientId, role: Role, user: &UserId) -> Option<ClientId> {
        let owner = self.chat.models().owner(role, user).filter(|owner| *owner != client)?;
        self.sessions.get(owner).is_some_and(Session::is_absent).then_some(owner)
    }

    fn binary(&mut self, client: ClientId) {
        if let Some(session) = self.sessions.get_mut(client) {
            let decoded = session.protocol.binary();
            self.decoded(client, decoded);
        }
    }

    /// Does what a message asks for that is not a request.
    pub(crate) fn decoded(&mut self, client: ClientId, decoded: Decoded<'_>) {
        match decoded {
            Decoded::Request(_) | Decoded::WatchFigures(..) | Decoded::Done => {}
            Decoded::Refused(error) => self.count_error(client, error),
            Decoded::Leave => self.remove_users(client),
            Decoded::Close(code, reason) => self.end_session(client, code, reason),
        }
    }

    /// Logs and counts a request that failed. Its sender has been or will be told.
    fn count_error(&mut self, client: ClientId, error: CommandError) {
        debug!("session {}: {error}", client.slot);
        self.metrics.refusals.add(error);
    }
}
