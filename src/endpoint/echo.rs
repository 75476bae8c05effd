//! `/echo`: the loop, the connection and the framing that every protocol here has, with nothing above them,
//! for a conformance suite to be pointed at. A build has this path with the feature `conformance` only, of
//! which the routes are the only place that knows.

use super::Endpoint;
use super::connection::State;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::upgrade::Accept;
use crate::websocket::{self, FrameReader};

/// The largest message taken here, in bytes: what the suites try at the most.
pub const MAX_MESSAGE_SIZE: usize = 16 * 1024 * 1024;

impl Endpoint {
    pub(super) fn upgrade_echo(&mut self, slot: u32, request: &Request<'_>) -> Result<(), Response> {
        let accept = Accept::check(request)?;
        self.accept_upgrade(slot, request, &accept, None);
        self.connections.set_state(slot, State::Echo(FrameReader::default()), self.now);
        Ok(())
    }

    /// Sends a text message back.
    pub(super) fn echo_text(&mut self, slot: u32, text: &str) {
        websocket::write_text(self.connections.frame(slot), &[text]);
    }

    /// Sends a binary message back.
    pub(super) fn echo_binary(&mut self, slot: u32, data: &[u8]) {
        websocket::write_binary(self.connections.frame(slot), data);
    }
}
