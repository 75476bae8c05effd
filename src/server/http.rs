//! What an HTTP request gets.

use super::Server;
use super::connection::State;
use crate::http::request::Request;
use crate::http::response::{Response, Status};
use crate::http::routes::{Route, route};
use crate::http::upgrade::Accept;
use crate::protocols::Protocol;
use crate::protocols::phoenix::{Phoenix, Version};
use crate::websocket::FrameReader;

impl Server {
    /// Reads one request and answers it; says how many bytes it took.
    pub(super) fn request(&mut self, slot: u32, input: &[u8]) -> usize {
        let (request, used) = match Request::parse(input) {
            Ok(None) => return 0,
            Ok(Some(parsed)) => parsed,
            Err(status) => {
                self.refuse_request(slot, status);
                return input.len();
            }
        };
        let response = match route(&request) {
            Route::Snapshot { limit } => self.snapshot(limit),
            Route::Health => self.health(),
            Route::Refused(response) => response,
            Route::Phoenix => match self.upgrade_phoenix(slot, &request) {
                Ok(()) => return used,
                Err(response) => response,
            },
        };
        self.respond(slot, &request, &response);
        used
    }

    /// The head did not come in time.
    pub(super) fn request_timeout(&mut self, slot: u32) {
        self.refuse_request(slot, Status::TIMEOUT);
    }

    fn snapshot(&self, limit: usize) -> Response {
        // Plain structs, for which serde_json has no error.
        Response::json(Status::OK, serde_json::to_vec(&self.app.snapshot(limit)).unwrap_or_default())
    }

    fn health(&self) -> Response {
        match self.stop_at {
            None => Response::json(Status::OK, br#"{"status":"ok"}"#.to_vec()),
            Some(_) => Response::json(Status::UNAVAILABLE, br#"{"status":"draining"}"#.to_vec()),
        }
    }

    fn upgrade_phoenix(&mut self, slot: u32, request: &Request<'_>) -> Result<(), Response> {
        let accept = Accept::check(request)?;
        let version = Version::from_vsn(request.query("vsn"))
            .ok_or_else(|| Response::error(Status::BAD_REQUEST, "vsn must be 1.0.0 or 2.0.0"))?;
        let offered = request.tokens("sec-websocket-protocol").any(|token| token == "phoenix");
        accept.write(self.connections.outbound(slot), offered.then_some("phoenix"));
        let now = self.clock.now();
        let phoenix = Phoenix::new(version, self.idle_timeout);
        let client = self.clients.insert(slot, Protocol::Phoenix(phoenix), now);
        self.connections.set_state(slot, State::WebSocket(client, FrameReader::default()), now);
        Ok(())
    }

    fn respond(&mut self, slot: u32, request: &Request<'_>, response: &Response) {
        let keep_alive = request.keeps_alive();
        response.write(self.connections.outbound(slot), request.method == "HEAD", keep_alive);
        self.connections.get_mut(slot).since = self.clock.now();
        if !keep_alive {
            self.connections.linger(slot, self.clock.now());
        }
    }

    /// Answers what is no request; the connection cannot be used after that.
    fn refuse_request(&mut self, slot: u32, status: Status) {
        let response = Response::error(status, status.1);
        response.write(self.connections.outbound(slot), false, false);
        self.connections.linger(slot, self.clock.now());
    }
}
