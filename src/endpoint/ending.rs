//! How connections and sessions end: each through one function, with a reason that is logged and counted, whatever it is
//! that ends them (a timeout, the peer's end or reset, a close frame, bad input, a slow reader, the server's stop).

use log::debug;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use super::connection::{Binding, ReadSide, State};
use super::sessions::{Dispatcher, Transport};
use crate::Millis;
use crate::chat::id::ClientId;
use crate::websocket;

/// Why a connection ends whose peer has shut its side or reset it without a close frame.
pub(super) const PEER_GONE: &str = "peer gone";
/// The reason in the close frames of a server that stops.
const STOPPING: &str = "server is stopping";

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Close<'a> {
    /// At once: its output cannot be written any more, or there is none.
    Now,
    /// When its output is written and the peer has closed too.
    Flush,
    /// The same, with a close frame of this code and text behind the output (RFC 6455, 5.5.1).
    Frame(Option<CloseCode>, &'a str),
}

impl Endpoint {
    /// Ends a connection. A session that it carries ends too, unless it can outlive it. If it is ending already, the
    /// first reason stands.
    pub(crate) fn end_connection(&mut self, slot: u32, close: Close, reason: &'static str) {
        let reason = match (&self.connections.get(slot).state, close) {
            (State::Closing(first), Close::Now) => first,
            (State::Closing(_) | State::Closed, _) => return,
            _ => {
                debug!("connection {slot} ends: {reason}");
                reason
            }
        };
        match self.connections.set_state(slot, State::Closing(reason), self.now) {
            State::WebSocket(Binding::Owned(client), _) => self.end_session(client, CloseCode::Away, reason),
            State::WebSocket(Binding::Probe(client), _) => self.probe_ended(slot, client),
            State::WebSocket(Binding::Shared(Some(client)), _) => self.detach(client),
            State::Held(held) => self.end_held_request(held.client, reason),
            _ => {}
        }
        if let Close::Frame(code, text) = close {
            websocket::write_close(self.connections.frame(slot), code, text);
        }
        match close {
            Close::Now => self.connections.close(slot, reason, self.now),
            Close::Flush | Close::Frame(..) => self.connections.drop_input(slot),
        }
    }

    /// The connection of a held request has ended. So does its session, unless it can outlive its connections.
    fn end_held_request(&mut self, client: ClientId, reason: &'static str) {
        if self.sessions.get(client).is_some_and(|session| session.protocol.outlives_connection()) {
            self.detach(client);
        } else {
            self.end_session(client, CloseCode::Away, reason);
        }
    }

    /// Ends a session: what is held for it is answered, its users go off line, and a WebSocket of its own is closed with
    /// this code. Without such a WebSocket a code for bad input is counted as that.
    pub(crate) fn end_session(&mut self, client: ClientId, code: CloseCode, reason: &'static str) {
        let Some(session) = self.sessions.get(client) else {
            return;
        };
        let socket = match session.transport {
            Transport::WebSocket(id) => self.connections.find(id),
            Transport::Polling(_) => None,
        };
        self.dismiss(client, code, reason);
        self.remove_users(client);
        match socket {
            Some(slot)
                if matches!(self.connections.get(slot).state, State::WebSocket(Binding::Owned(_), _)) =>
            {
                self.fail(slot, code, reason);
            }
            Some(_) => {}
            None => self.count_bad_input(code, reason),
        }
    }

    /// Logs and counts the end of a session, answers what is held for it, and forgets it. The chat has its users still.
    fn dismiss(&mut self, client: ClientId, code: CloseCode, reason: &'static str) {
        let reason = reason_or_left(reason);
        debug!("session {} ends: {reason}", client.slot);
        self.metrics.ended_sessions.add(reason);
        self.say_farewell(client, code);
        self.remove_session(client);
    }

    /// Ends a WebSocket because of what came over it, or did not come.
    pub(crate) fn fail(&mut self, slot: u32, code: CloseCode, text: &'static str) {
        self.count_bad_input(code, text);
        self.end_connection(slot, Close::Frame(Some(code), text), reason_or_left(text));
    }

    /// The peer has shut its side and all input is read. A chat over it is over; an HTTP client may still wait for its
    /// response.
    pub(super) fn end_input(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        connection.read_side = ReadSide::Ended;
        let close = if connection.output.is_empty() { Close::Now } else { Close::Flush };
        self.end_connection(slot, close, PEER_GONE);
    }

    /// Ends a connection whose peer does not read. What it would miss is lost, so a session ends with it even if it could
    /// outlive it.
    pub(super) fn evict_slow_consumer(&mut self, slot: u32) {
        const REASON: &str = "too slow";
        if let State::WebSocket(Binding::Shared(Some(client)), _) = self.connections.get(slot).state {
            self.end_session(client, CloseCode::Policy, REASON);
        }
        self.end_connection(slot, Close::Now, REASON);
    }

    /// Forgets a session, and the name by which its requests find it.
    fn remove_session(&mut self, client: ClientId) {
        self.detach(client);
        self.forget_detached(client);
        self.figures.watch(client, false, self.now);
        if let Some(session) = self.sessions.remove(client)
            && let Some(name) = session.protocol.session_name()
        {
            self.session_names.remove(name);
        }
    }

    /// Takes all users of a client off line, over several turns if they are many. Input of the client waits for that.
    pub(crate) fn remove_users(&mut self, client: ClientId) {
        let mut dispatcher = Dispatcher { connections: &mut self.connections, sessions: &mut self.sessions };
        self.chat.remove_users(client, self.now, &mut dispatcher);
        self.update_detached(client);
        if self.chat.is_leaving(client) {
            self.work = 0;
        }
    }

    /// Goes on with the users of a client that has left. Returns whether there are more.
    pub(super) fn continue_leaving(&mut self) -> bool {
        if let Some(client) = self.chat.next_leaving() {
            self.remove_users(client);
        }
        self.chat.next_leaving().is_some()
    }

    /// Tells every client that the server stops, and refuses new ones. Each connection has `timeout` milliseconds to
    /// close.
    pub fn stop(&mut self, timeout: Millis, now: Millis) {
        self.now = now;
        self.is_stopping = true;
        self.connections.set_close_timeout(timeout);
        let clients: Vec<_> = self.sessions.iter().map(|(id, _)| id).collect();
        for client in clients {
            self.dismiss(client, CloseCode::Away, STOPPING);
        }
        let slots: Vec<_> = self.connections.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.stop_connection(slot);
        }
    }

    /// What was relayed comes first, then the close frame. Chats are not terminated: all users leave. An HTTP connection
    /// may go on to ask for the server's health until the others are gone; one that waits for a response gets it first,
    /// and is closed with it.
    fn stop_connection(&mut self, slot: u32) {
        let connection = self.connections.get(slot);
        let close = match connection.state {
            State::WebSocket(..) => Close::Frame(Some(CloseCode::Away), STOPPING),
            State::Http | State::AwaitingTurn
                if connection.output.is_empty() || connection.is_answering() =>
            {
                return;
            }
            State::Http | State::AwaitingTurn | State::Held(_) => Close::Flush,
            State::Closing(_) | State::Closed => return,
        };
        self.end_connection(slot, close, STOPPING);
    }

    /// Whether all connections that were told to close have done so, and all requests are answered.
    pub fn has_stopped(&self) -> bool {
        let mut connections = self.connections.iter();
        let mut is_answering =
            || self.connections.closing() > 0 || connections.any(|(_, connection)| connection.is_answering());
        self.is_stopping && !is_answering()
    }

    /// Counts a close as bad input if its code says that. Other closes are no fault of the input.
    fn count_bad_input(&mut self, code: CloseCode, reason: &'static str) {
        use CloseCode::{Invalid, Protocol, Size, Unsupported};
        if matches!(code, Protocol | Unsupported | Invalid | Size) {
            self.bad_input(reason);
        }
    }

    /// Counts input that its protocol does not know.
    pub(crate) fn bad_input(&mut self, what: &'static str) {
        debug!("bad input: {what}");
        self.metrics.bad_input.add(what);
    }
}

/// The reason to log and count for a close with this text: a client that leaves gets a close frame without one.
fn reason_or_left(text: &'static str) -> &'static str {
    if text.is_empty() { "client left" } else { text }
}
