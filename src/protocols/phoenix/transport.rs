//! Phoenix's transport: one WebSocket, one session.

use super::{Phoenix, Version};
use crate::endpoint::Endpoint;
use crate::http::request::Request;
use crate::http::response::{Response, Status};
use crate::http::upgrade::Accept;
use crate::protocols::Protocol;

impl Endpoint {
    /// Accepts a WebSocket. The version of the frames is 1 unless the query says otherwise, as in Phoenix.
    pub(in crate::protocols) fn upgrade_phoenix(
        &mut self,
        slot: u32,
        request: &Request<'_>,
    ) -> Result<(), Response> {
        let accept = Accept::check(request)?;
        let version = Version::from_vsn(request.query("vsn"))
            .ok_or_else(|| Response::error(Status::BAD_REQUEST, "vsn must be 1.0.0 or 2.0.0"))?;
        let offered = request.tokens("sec-websocket-protocol").any(|token| token == "phoenix");
        self.accept_upgrade(slot, request, &accept, offered.then_some("phoenix"));
        let phoenix = Phoenix::new(version, self.idle_timeout);
        self.new_socket(slot, Protocol::Phoenix(phoenix));
        Ok(())
    }
}
