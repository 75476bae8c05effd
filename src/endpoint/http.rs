//! What an HTTP request gets.

use core::net::IpAddr;

use log::debug;

use super::Endpoint;
use super::connection::{Binding, State};
use super::ending::Close;
use super::sessions::Transport;
use crate::chat::id::ClientId;
use crate::http::page;
use crate::http::peer::Peer;
use crate::http::reader::RequestReader;
use crate::http::request::Request;
use crate::http::response::{Response, Status};
use crate::http::routes::{Route, route};
use crate::http::upgrade::Accept;
use crate::protocols::Protocol;
use crate::websocket::FrameReader;

impl Endpoint {
    /// Reads one request and answers it; says how many bytes it took.
    pub(super) fn request(&mut self, slot: u32, input: &[u8]) -> usize {
        let reader = self.connections.get_mut(slot).reader.take();
        let mut reader = reader.map_or_else(RequestReader::default, |reader| *reader);
        let (request, used) = match reader.read(input, self.max_message_size) {
            Ok(None) => {
                if reader.take_expects_continue() {
                    self.connections.output(slot).extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                if let Some(request) = reader.take_head(input)
                    && let Route::Chat(route) = self.admit(&request)
                {
                    self.begin_request(slot, &request, route);
                }
                self.connections.get_mut(slot).reader = Some(Box::new(reader));
                return 0;
            }
            Ok(Some(parsed)) => parsed,
            Err(status) => {
                self.refuse_request(slot, status, Request::begins_as_head(input));
                return input.len();
            }
        };
        let response = match self.admit(&request) {
            Route::Page | Route::Snapshot { .. } | Route::Metrics if self.must_await_costly(slot) => {
                return self.await_costly(slot);
            }
            Route::Page => {
                self.take_costly();
                page::response()
            }
            Route::Snapshot { limit } => self.snapshot(limit, request.method == "HEAD"),
            Route::Metrics => self.metrics(request.method == "HEAD"),
            Route::Health => self.health(),
            Route::Refused(response) => response,
            Route::Echo => match self.upgrade_echo(slot, &request) {
                Ok(()) => return used,
                Err(response) => response,
            },
            Route::Chat(route) => match self.serve(slot, &request, route) {
                Some(response) => response,
                None => return used,
            },
        };
        self.respond(slot, &request, &response);
        used
    }

    /// What a request is for, unless the server or the chat is closed to it.
    fn admit(&self, request: &Request<'_>) -> Route {
        if let Err(response) = self.origins.check_host(request) {
            return Route::Refused(response);
        }
        let route = route(request);
        if !matches!(route, Route::Chat(_) | Route::Echo) {
            return route;
        }
        if self.is_stopping {
            return Route::Refused(Response::error(Status::UNAVAILABLE, "the server is stopping"));
        }
        self.origins.check(request).map_or_else(Route::Refused, |()| route)
    }

    /// A request did not come whole in time.
    pub(super) fn request_timeout(&mut self, slot: u32) {
        let is_head = Request::begins_as_head(self.connections.get(slot).input.waiting());
        self.refuse_request(slot, Status::TIMEOUT, is_head);
    }

    /// The snapshot as JSON. Those who ask in the same turn get the same.
    fn snapshot(&mut self, limit: usize, is_head: bool) -> Response {
        let response = if is_head {
            Response::json(Status::OK, Vec::new()).without_length()
        } else {
            self.take_costly();
            let turn = self.metrics.loop_stats.count;
            if self.snapshot.as_ref().is_none_or(|(made, _)| *made != turn) {
                self.snapshot = Some((turn, self.chat.snapshot()));
            }
            let body = self.snapshot.as_ref().map(|(_, snapshot)| snapshot.json(limit));
            Response::json(Status::OK, body.unwrap_or_default())
        };
        response.with("Vary", "Accept")
    }

    fn health(&self) -> Response {
        if self.is_stopping {
            Response::json(Status::UNAVAILABLE, br#"{"status":"draining"}"#.to_vec())
        } else {
            Response::json(Status::OK, br#"{"status":"ok"}"#.to_vec())
        }
    }

    /// Answers a handshake that is in order: frames follow.
    pub(crate) fn accept_upgrade(
        &mut self,
        slot: u32,
        request: &Request<'_>,
        accept: &Accept,
        subprotocol: Option<&str>,
    ) {
        let address = self.client_address(slot, request);
        self.connections.get_mut(slot).address = address;
        self.metrics.responses.add(101);
        accept.write(self.connections.output(slot), subprotocol);
    }

    /// The address from which a request comes.
    pub(crate) fn client_address(&self, slot: u32, request: &Request<'_>) -> IpAddr {
        self.trusted_proxies.client(self.connections.get(slot).address, request)
    }

    /// A connection has become the WebSocket of a new client.
    pub(crate) fn new_socket(&mut self, slot: u32, protocol: Protocol) -> ClientId {
        let now = self.now;
        let transport = Transport::WebSocket(self.connections.id(slot));
        let peer = Peer::of(self.connections.get(slot).address);
        let client = self.sessions.insert(transport, protocol, peer, now);
        self.connections.set_state(
            slot,
            State::WebSocket(Binding::Owned(client), FrameReader::default()),
            now,
        );
        client
    }

    fn respond(&mut self, slot: u32, request: &Request<'_>, response: &Response) {
        let keep_alive = self.may_stay_open(request.keeps_alive());
        self.write_response(slot, response, request.method == "HEAD", keep_alive);
    }

    /// Whether a connection stays open behind a response: not while the server stops, whatever its client wants.
    pub(crate) fn may_stay_open(&self, keep_alive: bool) -> bool {
        keep_alive && !self.is_stopping
    }

    /// Answers a request; the wait for the next one begins.
    pub(crate) fn write_response(&mut self, slot: u32, response: &Response, is_head: bool, keep_alive: bool) {
        let Status(code, phrase) = response.status();
        self.metrics.responses.add(code);
        if code >= 400 {
            debug!("connection {slot} is answered with {code} {phrase}");
        }
        let output = self.connections.output(slot);
        let before = output.len();
        response.write(output, is_head, keep_alive, self.now);
        let length = output.len() - before;
        self.connections.get_mut(slot).last_response = length;
        if keep_alive {
            self.connections.get_mut(slot).since = self.now;
        } else {
            let why = if code < 400 { "answered" } else { phrase };
            self.end_connection(slot, Close::Flush, why);
        }
    }

    /// Answers what is no request; the connection cannot be used after that.
    fn refuse_request(&mut self, slot: u32, status: Status, is_head: bool) {
        self.write_response(slot, &Response::error(status, status.1), is_head, false);
    }
}
