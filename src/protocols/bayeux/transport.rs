//! Bayeux's transports: batches of messages over HTTP and WebSocket, and the clients that go from one to
//! the other.

use super::batch::{Batch, Hold};
use crate::chat::id::ClientId;
use crate::endpoint::Endpoint;
use crate::endpoint::connection::{Binding, State};
use crate::endpoint::connections::Connections;
use crate::endpoint::sessions::Transport;
use crate::http::peer::Peer;
use crate::http::request::Request;
use crate::http::response::{Response, Status};
use crate::http::upgrade::Accept;
use crate::protocols::bayeux::{self, BatchError, Bayeux, Message};
use crate::protocols::{AnswerForm, BodyForm, Decoded, Protocol};
use crate::websocket::{self, FrameReader};
use tungstenite::protocol::frame::coding::CloseCode;

/// The function that a JSONP request without a name for it gets its answer by: Faye's.
const DEFAULT_CALLBACK: &str = "jsonpcallback";

/// What a page of another origin may send.
const METHODS: &str = "POST, GET";
const HEADERS: &str = "Accept, Authorization, Content-Type, Pragma, X-Requested-With";

impl Endpoint {
    /// Answers a request under `/faye`; `None` if it is held or has become a WebSocket.
    pub(crate) fn bayeux(&mut self, slot: u32, request: &Request<'_>) -> Option<Response> {
        let origin = request.header("origin");
        if request.method == "OPTIONS" {
            return Some(Response::preflight(METHODS, HEADERS).with_cors(origin));
        }
        if matches!(request.method, "GET" | "HEAD") && request.has_token("upgrade", "websocket") {
            return self.open_bayeux_socket(slot, request);
        }
        if request.method == "GET"
            && let Err(response) = self.origins.check_script(request)
        {
            return Some(response);
        }
        // A page of an origin that is let in can read why.
        let error = |status, reason| Response::error(status, reason).with_cors(origin);
        let Some((text, form)) = read_batch(request) else {
            return Some(error(Status::BAD_REQUEST, "Bad request"));
        };
        if text.len() > self.max_message_size {
            return Some(error(Status::BODY_TOO_LARGE, "message too big"));
        }
        let messages = match Message::parse_batch(&text) {
            Ok(messages) => messages,
            Err(BatchError::Malformed) => return Some(error(Status::BAD_REQUEST, "Bad request")),
            Err(too_long @ BatchError::TooLong) => {
                self.bad_input(too_long.reason());
                self.write_response(slot, &error(Status::BAD_REQUEST, too_long.reason()), false, false);
                return None;
            }
        };
        let peer = Peer::of(self.client_address(slot, request));
        self.begin_batch(slot, Batch::new(peer, Some(form)), &text, messages);
        None
    }

    fn open_bayeux_socket(&mut self, slot: u32, request: &Request<'_>) -> Option<Response> {
        let accept = match Accept::check(request) {
            Ok(accept) => accept,
            Err(response) => return Some(response),
        };
        self.accept_upgrade(slot, request, &accept, None);
        let state = State::WebSocket(Binding::Shared(None), FrameReader::default());
        self.connections.set_state(slot, state, self.now);
        None
    }

    /// A batch over a WebSocket. What does not parse is passed over, as by Faye.
    pub(crate) fn bayeux_frame(&mut self, slot: u32, text: &str) {
        let messages = match Message::parse_batch(text) {
            Ok(messages) => messages,
            Err(error @ BatchError::Malformed) => return self.bad_input(error.reason()),
            Err(error @ BatchError::TooLong) => return self.fail(slot, CloseCode::Size, error.reason()),
        };
        let messages = match <[Message; 1]>::try_from(messages) {
            Ok([message]) if message.is_publication() && self.work > 0 => {
                return self.publication(slot, message);
            }
            Ok(message) => message.into(),
            Err(messages) => messages,
        };
        let peer = Peer::of(self.connections.get(slot).address);
        self.begin_batch(slot, Batch::new(peer, None), text, messages);
    }

    /// Carries out a batch of one publication, as clients send it: its reply needs no batch.
    fn publication(&mut self, slot: u32, message: Message<'_>) {
        self.work -= 1;
        self.client_message(message, &mut |connections, parts| {
            websocket::write_text_array(connections.frame(slot), parts);
        });
    }

    /// Carries out one message of a batch.
    pub(super) fn bayeux_message(&mut self, slot: u32, message: Message<'_>, batch: &mut Batch) {
        match message.channel() {
            "/meta/handshake" => self.handshake(&message, batch),
            "/meta/connect" => self.connect(batch.socket(slot), &message, batch),
            _ => {
                let mut reply = |_: &mut Connections, parts: &[&str]| batch.replies.push(parts.concat());
                batch.has_disconnect |= self.client_message(message, &mut reply);
            }
        }
    }

    /// A client counts as connected from the batch on that has its first valid connect, in whatever order: clients
    /// send what was queued along with it.
    pub(super) fn note_connects(&mut self, messages: &[Message<'_>]) {
        let connects = messages.iter().filter(|message| message.channel() == "/meta/connect");
        for message in connects {
            if let Some(client) = self.bayeux_client(message)
                && bayeux::check_connect(message, true).is_ok()
                && let Some(poll_queue) = self.sessions.poll_queue(client)
            {
                poll_queue.first_request_due = None;
                poll_queue.is_lost = false;
            }
        }
    }

    fn handshake(&mut self, message: &Message<'_>, batch: &mut Batch) {
        let is_first = !std::mem::replace(&mut batch.has_handshake, true);
        let (id, reply) = bayeux::handshake(message, is_first, &mut self.new_id);
        batch.replies.push(reply);
        let Some(id) = id else {
            return self.bad_input("Bayeux handshake");
        };
        let protocol = Protocol::Bayeux(Bayeux::new(id.clone().into(), self.memory.session_state_share()));
        let client = self.open_detached(protocol, batch.peer);
        self.session_names.insert(id.into(), client);
    }

    /// A connect: the socket that it came over is the client's from now on, or the request is.
    fn connect(&mut self, socket: Option<u32>, message: &Message<'_>, batch: &mut Batch) {
        let client = self.bayeux_client(message);
        if let Err(reply) = bayeux::check_connect(message, client.is_some()) {
            self.bad_input("Bayeux connect");
            return batch.replies.push(reply);
        }
        let Some(client) = client else {
            return;
        };
        let now = self.now;
        self.sessions.set_heard(client, now);
        self.touch_detached(client);
        let reply = bayeux::connected(message);
        self.supersede(client);
        // Of two connects in one batch the newer decides too how long the batch is held.
        batch.hold.take_if(|hold| hold.client == client);
        let waiting = match socket {
            Some(slot) => {
                self.attach_socket(slot, client);
                None
            }
            None => {
                self.detach(client);
                if let Some(poll_queue) = self.sessions.poll_queue(client) {
                    poll_queue.is_lost = false;
                    poll_queue.first_request_due = None;
                }
                self.take_payload(client)
            }
        };
        batch.replies.push(reply);
        if let Some(waiting) = waiting {
            batch.replies.push(waiting[1..waiting.len() - 1].to_owned());
            batch.has_deliveries = true;
        } else if message.timeout() > 0 {
            let reply = batch.replies.len() - 1;
            batch.hold = Some(Hold { client, reply, deadline: now + message.timeout() });
        }
    }

    /// Carries out a message of a client that has shaken hands, and passes its reply on. Returns whether the client
    /// disconnects by it.
    fn client_message(
        &mut self,
        message: Message<'_>,
        reply: &mut dyn FnMut(&mut Connections, &[&str]),
    ) -> bool {
        let Some(client) = self.bayeux_client(&message) else {
            self.bad_input("unknown Bayeux client");
            reply(&mut self.connections, &[&bayeux::unknown(&message)]);
            return false;
        };
        self.touch_detached(client);
        let Endpoint { sessions, connections, .. } = self;
        let Some(Protocol::Bayeux(bayeux)) = sessions.get_mut(client).map(|session| &mut session.protocol)
        else {
            return false;
        };
        match bayeux.receive(message, &mut |parts| reply(connections, parts)) {
            Decoded::Request(request) => {
                let (context, result) = self.carry_out(client, request);
                let Endpoint { sessions, connections, .. } = self;
                if let Some(session) = sessions.get_mut(client) {
                    session.protocol.answer(context, result, &mut |parts| reply(connections, parts));
                }
                false
            }
            Decoded::Close(..) => {
                self.end_session(client, CloseCode::Normal, "");
                true
            }
            decoded => {
                self.decoded(client, decoded);
                false
            }
        }
    }

    fn bayeux_client(&self, message: &Message<'_>) -> Option<ClientId> {
        self.session_names.get(&*message.client_id()?).copied()
    }

    /// Of two connects at once the older gets no answer. What else was in its batch gets one, and the request
    /// that it came by, if only an empty one.
    fn supersede(&mut self, client: ClientId) {
        let Some(body) = self.bayeux_session(client).and_then(Bayeux::supersede) else {
            return;
        };
        match self.sessions.get(client).map(|client| &client.transport) {
            Some(&Transport::WebSocket(id)) if body != "[]" => self.write_to(id, &body),
            Some(Transport::Polling(_)) => self.answer(client, body),
            _ => {}
        }
    }

    /// Keeps a batch's replies until its connect is answered.
    pub(super) fn hold(&mut self, hold: Hold, replies: Vec<String>) {
        let Hold { client, reply, deadline } = hold;
        let share = self.memory.share();
        if let Some(bayeux) = self.bayeux_session(client) {
            bayeux.hold(replies, reply, deadline, share);
            self.sessions.wake_at(client, deadline);
        }
    }

    /// The protocol's state of a Bayeux session.
    fn bayeux_session(&mut self, client: ClientId) -> Option<&mut Bayeux> {
        match &mut self.sessions.get_mut(client)?.protocol {
            Protocol::Bayeux(bayeux) => Some(bayeux),
            Protocol::Phoenix(_) | Protocol::SocketIo(_) => None,
        }
    }
}

/// The batch that a request carries, and the form in which the answer is due; `None` if it carries none.
fn read_batch(request: &Request<'_>) -> Option<(String, AnswerForm)> {
    let callback = |name: Option<_>| {
        name.map_or(DEFAULT_CALLBACK.into(), |name: std::borrow::Cow<str>| name.into_owned())
    };
    let (messages, body) = match request.method {
        "GET" => {
            let callback = callback(request.query_decoded("jsonp"));
            if !bayeux::is_callback(&callback) {
                return None;
            }
            (request.query_decoded("message")?.into_owned(), BodyForm::Script(callback.into()))
        }
        "POST" => {
            let content_type = request.header("content-type").unwrap_or_default();
            let is_json =
                content_type.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
            let messages = if is_json {
                str::from_utf8(&request.body).ok()?.to_owned()
            } else {
                request.form("message")?.into_owned()
            };
            (messages, BodyForm::Json)
        }
        _ => return None,
    };
    let origin = request.header("origin").map(Box::from);
    Some((messages, AnswerForm { keep_alive: request.keeps_alive(), origin, body }))
}
