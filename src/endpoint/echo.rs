//! `/echo`: the loop, the connection and the framing that all protocols share, with nothing above them, for a conformance
//! suite. A build has this route with the feature `conformance` only.

use super::Endpoint;
use super::connection::{Binding, State};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::upgrade::Accept;
use crate::websocket::FrameReader;

/// The largest message, in bytes: the largest that the suites send.
pub const MAX_MESSAGE_SIZE: usize = 16 * 1024 * 1024;

impl Endpoint {
    pub(super) fn upgrade_echo(&mut self, slot: u32, request: &Request<'_>) -> Result<(), Response> {
        let accept = Accept::check(request)?;
        self.accept_upgrade(slot, request, &accept, None);
        self.connections.set_state(slot, State::WebSocket(Binding::Echo, FrameReader::default()), self.now);
        Ok(())
    }
}
