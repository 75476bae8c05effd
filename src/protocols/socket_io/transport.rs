//! Engine.IO's transports: sessions that live through many requests, and the way from there to a
//! WebSocket.

use std::borrow::Cow;

use super::payload::{PendingPayload, posted};
use crate::chat::id::ClientId;
use crate::endpoint::Endpoint;
use crate::endpoint::connection::{Binding, State};
use crate::endpoint::sessions::Transport;
use crate::http::peer::Peer;
use crate::http::request::Request;
use crate::http::response::{Response, Status};
use crate::http::upgrade::Accept;
use crate::protocols::socket_io::engine::{
    MAX_PACKETS, Revision, parse_session_id, session_id, unescape_newlines,
};
use crate::protocols::socket_io::{NOOP, SocketIo};
use crate::protocols::{AnswerForm, BodyForm, Pending, Protocol};
use crate::websocket::{self, FrameReader};
use tungstenite::protocol::frame::coding::CloseCode;

/// Engine.IO's errors, with engine.io's numbers.
const TRANSPORT_UNKNOWN: &str = r#"{"code":0,"message":"Transport unknown"}"#;
const SESSION_UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const BAD_HANDSHAKE_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
pub(super) const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;
const UNSUPPORTED_VERSION: &str = r#"{"code":5,"message":"Unsupported protocol version"}"#;

impl Endpoint {
    /// Answers a request under `/socket.io/`; `None` if it is held or has become a WebSocket.
    pub(crate) fn socket_io(&mut self, slot: u32, request: &Request<'_>) -> Option<Response> {
        let origin = request.header("origin");
        if request.method == "OPTIONS" {
            return Some(Response::preflight("GET, POST, OPTIONS", "Content-Type").with_cors(origin));
        }
        if let Err(response) = self.check_script(request) {
            return Some(response);
        }
        let response = self.engine_io(slot, request).unwrap_or_else(|why| Some(error(why)));
        response.map(|response| response.with_cors(origin))
    }

    /// Refuses JSONP to pages of origins that are not let in.
    fn check_script(&self, request: &Request<'_>) -> Result<(), Response> {
        if request.query("j").is_none() { Ok(()) } else { self.origins.check_script(request) }
    }

    fn engine_io(&mut self, slot: u32, request: &Request<'_>) -> Result<Option<Response>, &'static str> {
        let is_websocket = match request.query("transport") {
            Some("websocket") => true,
            Some("polling") => false,
            _ => return Err(TRANSPORT_UNKNOWN),
        };
        let body_form = body_form(request)?;
        let Some(sid) = request.query("sid") else {
            return self.open_session(slot, request, is_websocket, &body_form);
        };
        let client = self.session(sid).ok_or(SESSION_UNKNOWN)?;
        self.sessions.set_heard(client, self.now);
        self.touch_detached(client);
        // A client that has a WebSocket has left the other transports behind.
        if self.sessions.poll_queue(client).is_none() {
            return Err(BAD_REQUEST);
        }
        match request.method {
            "GET" if is_websocket => self.begin_probe(slot, client, request),
            "GET" => self.poll(slot, client, request, body_form),
            "POST" if !is_websocket => self.post(slot, client, request, &body_form),
            _ => Err(BAD_REQUEST),
        }
    }

    fn open_session(
        &mut self,
        slot: u32,
        request: &Request<'_>,
        is_websocket: bool,
        body_form: &BodyForm,
    ) -> Result<Option<Response>, &'static str> {
        if request.method != "GET" {
            return Err(BAD_HANDSHAKE_METHOD);
        }
        let revision = Revision::from_query(request.query("EIO")).ok_or(UNSUPPORTED_VERSION)?;
        let now = self.now;
        let max_payload = self.max_message_size;
        let (high, low) = (self.new_id)().as_u64_pair();
        let secret = high ^ low;
        let protocol = Protocol::SocketIo(SocketIo::new(revision, secret, now));
        let (client, upgrades) = if is_websocket {
            let accept = Accept::check(request).map_err(|_| BAD_REQUEST)?;
            self.accept_upgrade(slot, request, &accept, None);
            (self.new_socket(slot, protocol), &[][..])
        } else {
            let peer = Peer::of(self.client_address(slot, request));
            (self.open_detached(protocol, peer), &["websocket"][..])
        };
        self.sessions.with_protocol(client, &mut self.connections, |protocol, out| {
            if let Protocol::SocketIo(socket_io) = protocol {
                socket_io.open(&session_id(client, secret), upgrades, max_payload, out);
            }
        });
        Ok(if is_websocket { None } else { self.take_payload(client).map(|body| body_form.response(body)) })
    }

    /// The client that a session's id means, if its secret is right.
    fn session(&self, sid: &str) -> Option<ClientId> {
        let (client, secret) = parse_session_id(sid)?;
        match &self.sessions.get(client)?.protocol {
            Protocol::SocketIo(socket_io) if socket_io.secret() == secret => Some(client),
            _ => None,
        }
    }

    /// Answers a poll with what waits, or holds it. While the client tries a WebSocket nothing is held:
    /// the client waits for the answer before it changes over. A second poll at once ends the session, as in
    /// engine.io: of two answers on their way to the client, either may overtake the other.
    fn poll(
        &mut self,
        slot: u32,
        client: ClientId,
        request: &Request<'_>,
        body: BodyForm,
    ) -> Result<Option<Response>, &'static str> {
        let poll_queue = self.sessions.poll_queue(client).ok_or(BAD_REQUEST)?;
        poll_queue.first_request_due = None;
        if poll_queue.held_request.is_some() {
            self.end_session(client, CloseCode::Protocol, "overlapping polls");
            return Err(BAD_REQUEST);
        }
        if !poll_queue.is_empty() {
            return Ok(self.take_payload(client).map(|payload| body.response(payload)));
        }
        if poll_queue.probe.is_some() {
            return Ok(self.payload(client, Some(NOOP)).map(|payload| body.response(payload)));
        }
        let origin = request.header("origin").map(Box::from);
        self.hold_request(slot, client, AnswerForm { keep_alive: request.keeps_alive(), origin, body });
        Ok(None)
    }

    /// Carries out the packets that a client posts. A body or a packet that does not parse ends the session, and so
    /// does a second post at once, as in engine.io: what is posted first is not sure to be read first.
    fn post(
        &mut self,
        slot: u32,
        client: ClientId,
        request: &Request<'_>,
        body_form: &BodyForm,
    ) -> Result<Option<Response>, &'static str> {
        let Some(Protocol::SocketIo(socket_io)) = self.sessions.get(client).map(|client| &client.protocol)
        else {
            return Err(SESSION_UNKNOWN);
        };
        let revision = socket_io.revision();
        if self.is_posting(client) {
            self.end_session(client, CloseCode::Protocol, "overlapping posts");
            return Err(BAD_REQUEST);
        }
        if let Some(poll_queue) = self.sessions.poll_queue(client) {
            poll_queue.posting = None;
        }
        let body = posted_payload(request, body_form);
        let Some(packets) = body.as_deref().and_then(|body| revision.decode_payload(body)) else {
            self.end_session(client, CloseCode::Invalid, "not an Engine.IO payload");
            return Err(BAD_REQUEST);
        };
        if packets.len() > MAX_PACKETS {
            self.end_session(client, CloseCode::Policy, "too many packets in a payload");
            return Err(BAD_REQUEST);
        }
        let mut packets = packets.into_iter();
        if self.chat.is_leaving(client) {
            self.work = 0;
        }
        while self.work > 0
            && let Some(packet) = packets.next()
        {
            self.work -= 1;
            if let Some(result) = self.post_packet(client, &packet) {
                return result.map(Some);
            }
        }
        if packets.as_slice().is_empty() {
            return Ok(Some(posted()));
        }
        let packets = packets.map(|packet| packet.into_owned().into()).collect::<Vec<_>>().into_iter();
        let origin = request.header("origin").map(Box::from);
        let keep_alive = request.keeps_alive();
        self.begin_payload(slot, PendingPayload { client, packets, origin, keep_alive });
        Ok(None)
    }

    fn begin_payload(&mut self, slot: u32, payload: PendingPayload) {
        let id = self.connections.id(slot);
        if let Some(poll_queue) = self.sessions.poll_queue(payload.client) {
            poll_queue.posting = Some(id);
        }
        self.connections.get_mut(slot).pending = Some(Box::new(Pending::Payload(payload)));
        self.connections.resume_later(slot);
    }

    /// The head of a post has come, and its body has not: the post is under way from now on. Not if the request will
    /// be refused whatever its body is: it does not get as far as [`Endpoint::post`], which marks the end.
    pub(crate) fn begin_post(&mut self, slot: u32, request: &Request<'_>) {
        let is_post = request.method == "POST" && request.query("transport") == Some("polling");
        if !is_post || self.check_script(request).is_err() || body_form(request).is_err() {
            return;
        }
        let Some(client) = request.query("sid").and_then(|sid| self.session(sid)) else {
            return;
        };
        if self.is_posting(client) {
            return self.end_session(client, CloseCode::Protocol, "overlapping posts");
        }
        let id = self.connections.id(slot);
        if let Some(poll_queue) = self.sessions.poll_queue(client) {
            poll_queue.posting = Some(id);
        }
    }

    /// Whether a post of a client is under way: its body has not come whole, or is not carried out to its end yet.
    /// That does not count the request that is being read, whose reader is not with its connection meanwhile.
    fn is_posting(&self, client: ClientId) -> bool {
        let Some(Transport::Polling(poll_queue)) = self.sessions.get(client).map(|client| &client.transport)
        else {
            return false;
        };
        let slot = poll_queue.posting.and_then(|id| self.connections.find(id));
        slot.map(|slot| self.connections.get(slot)).is_some_and(|connection| {
            connection.reader.is_some() || matches!(connection.pending.as_deref(), Some(Pending::Payload(_)))
        })
    }

    /// Accepts a WebSocket that a polling client wants to change over to.
    fn begin_probe(
        &mut self,
        slot: u32,
        client: ClientId,
        request: &Request<'_>,
    ) -> Result<Option<Response>, &'static str> {
        let accept = Accept::check(request).map_err(|_| BAD_REQUEST)?;
        if self.sessions.poll_queue(client).is_none_or(|poll_queue| poll_queue.probe.is_some()) {
            return Err(BAD_REQUEST);
        }
        self.accept_upgrade(slot, request, &accept, None);
        let state = State::WebSocket(Binding::Probe(client), FrameReader::default());
        self.connections.set_state(slot, state, self.now);
        Ok(None)
    }

    /// What comes over a WebSocket that is being tried: a ping, and then the word to change over.
    pub(crate) fn probe_text(&mut self, slot: u32, client: ClientId, text: &str) {
        let id = self.connections.id(slot);
        let Some(poll_queue) = self.sessions.poll_queue(client) else {
            return self.fail(slot, CloseCode::Away, "session is gone");
        };
        match text {
            "2probe" if poll_queue.probe.is_none_or(|probe| probe == id) => {
                poll_queue.probe = Some(id);
                websocket::write_text(self.connections.frame(slot), &["3probe"]);
                self.answer_held_request(client, Some(NOOP));
            }
            "5" if poll_queue.probe == Some(id) => self.change_over(slot, client),
            _ => self.fail(slot, CloseCode::Protocol, "not an Engine.IO probe"),
        }
    }

    /// From polling to the WebSocket.
    fn change_over(&mut self, slot: u32, client: ClientId) {
        self.answer_held_request(client, Some(NOOP));
        self.attach_socket(slot, client);
        self.connections.restart_timer(slot);
    }

    /// A WebSocket that was tried is at its end, and the client polls on.
    pub(crate) fn probe_ended(&mut self, slot: u32, client: ClientId) {
        let id = self.connections.id(slot);
        if let Some(poll_queue) = self.sessions.poll_queue(client) {
            poll_queue.probe.take_if(|probe| *probe == id);
        }
    }
}

/// The response to a request that Engine.IO refuses.
pub fn error(error: &str) -> Response {
    Response::json(Status::BAD_REQUEST, error.into())
}

/// The form in which a request asks for the answer to a poll. `j` asks for JSONP and is the index of the function
/// to call; nothing else of the script is the client's choice.
fn body_form(request: &Request<'_>) -> Result<BodyForm, &'static str> {
    let Some(index) = request.query("j") else {
        return Ok(BodyForm::Payload);
    };
    let is_number = index.bytes().all(|byte| byte.is_ascii_digit());
    index.parse().ok().filter(|_| is_number).map(BodyForm::PayloadScript).ok_or(BAD_REQUEST)
}

/// The payload of a post, which JSONP clients send as the field `d` of a form; `None` if that is missing.
fn posted_payload<'a>(request: &'a Request<'_>, body_form: &BodyForm) -> Option<Cow<'a, [u8]>> {
    if !matches!(body_form, BodyForm::PayloadScript(_)) {
        return Some(Cow::Borrowed(&*request.body));
    }
    Some(Cow::Owned(unescape_newlines(&request.form("d")?).into_bytes()))
}
