//! The packets of an Engine.IO post on their way through, over several turns if they are many.

use super::transport::{BAD_REQUEST, error};
use crate::chat::id::ClientId;
use crate::endpoint::Endpoint;
use crate::http::response::Response;
use crate::protocols::socket_io::CLOSE;

/// The packets of a post that are not carried out yet. They hold up what came behind the post.
#[derive(Debug)]
pub struct PendingPayload {
    pub client: ClientId,
    pub packets: std::vec::IntoIter<Box<str>>,
    /// The origin of the page that asks, which is let in by name.
    pub origin: Option<Box<str>>,
    pub keep_alive: bool,
}

impl PendingPayload {
    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        let origin = self.origin.as_ref().map_or(0, |origin| origin.len());
        let packets = self.packets.as_slice().iter();
        packets.map(|packet| packet.len() + size_of::<Box<str>>()).sum::<usize>() + origin
    }
}

impl Endpoint {
    /// Carries out one packet of a payload. Once the session has ended by it there is an answer: an error, unless
    /// the client has closed the session itself.
    pub(super) fn post_packet(
        &mut self,
        client: ClientId,
        packet: &str,
    ) -> Option<Result<Response, &'static str>> {
        self.text(client, packet);
        if self.sessions.get(client).is_some() {
            return None;
        }
        Some(if packet.starts_with(CLOSE) { Ok(posted()) } else { Err(BAD_REQUEST) })
    }

    /// Goes on with the payload that a connection has begun. Returns what is left of it.
    pub(crate) fn continue_payload(
        &mut self,
        slot: u32,
        mut pending: PendingPayload,
    ) -> Option<PendingPayload> {
        let result = loop {
            if self.work == 0 || self.chat.is_leaving(pending.client) {
                return Some(pending);
            }
            self.work -= 1;
            let Some(packet) = pending.packets.next() else {
                break Ok(posted());
            };
            if let Some(result) = self.post_packet(pending.client, &packet) {
                break result;
            }
        };
        if let Some(poll_queue) = self.sessions.poll_queue(pending.client) {
            poll_queue.posting = None;
        }
        let response = result.unwrap_or_else(error).with_cors(pending.origin.as_deref());
        let keep_alive = self.may_stay_open(pending.keep_alive);
        self.write_response(slot, &response, false, keep_alive);
        None
    }
}

/// The answer to a post. In answer to a form, some browsers offer to download what is not HTML.
pub fn posted() -> Response {
    Response::new("text/html", "ok".as_bytes()).uncached()
}
