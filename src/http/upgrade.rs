//! The opening handshake of RFC 6455, section 4.2. Bytes that follow the request are left alone: they
//! are the first frames.

use std::io::Write;

use tungstenite::handshake::derive_accept_key;

use super::request::Request;
use super::response::{Response, Status};

/// A handshake that is in order, and how to accept it.
#[derive(Debug)]
pub struct Accept {
    key: String,
}

impl Accept {
    /// Checks an upgrade request. The error is the answer to one that is not in order.
    pub fn check(request: &Request<'_>) -> Result<Accept, Response> {
        let upgrade_required =
            |detail| Response::error(Status::UPGRADE_REQUIRED, detail).with("Upgrade", "websocket");
        let bad_request = |detail| Response::error(Status::BAD_REQUEST, detail);
        // The method of a handshake is GET (RFC 6455, 4.1).
        if request.method != "GET" || !request.has_token("upgrade", "websocket") {
            return Err(upgrade_required("this path speaks WebSocket"));
        }
        if !request.is_http_11 || !request.has_token("connection", "upgrade") {
            return Err(bad_request("not a WebSocket handshake"));
        }
        // Each of these is there once (RFC 6455, 11.3.1 and 11.3.5).
        if ["sec-websocket-key", "sec-websocket-version"].iter().any(|name| request.all(name).count() > 1) {
            return Err(bad_request("two values of a WebSocket header"));
        }
        if request.header("sec-websocket-version") != Some("13") {
            return Err(upgrade_required("WebSocket version 13 only").with("Sec-WebSocket-Version", "13"));
        }
        match request.header("sec-websocket-key") {
            Some(key) if is_key(key) => Ok(Accept { key: derive_accept_key(key.as_bytes()) }),
            _ => Err(bad_request("Sec-WebSocket-Key must be 16 bytes in base64")),
        }
    }

    /// Appends the response that switches protocols. Extensions are declined by not naming them.
    pub fn write(&self, out: &mut Vec<u8>, subprotocol: Option<&str>) {
        // Writing into a Vec cannot fail.
        let _ = write!(
            out,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             X-Content-Type-Options: nosniff\r\nSec-WebSocket-Accept: {}\r\n",
            self.key
        );
        if let Some(subprotocol) = subprotocol {
            let _ = write!(out, "Sec-WebSocket-Protocol: {subprotocol}\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Base64 of 16 bytes: 22 characters and two of padding.
fn is_key(key: &str) -> bool {
    let characters = key.strip_suffix("==").unwrap_or_default();
    characters.len() == 22
        && characters.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}
