//! The opening handshake: where to connect, what to ask, and whether the answer is a WebSocket.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// RFC 6455's example key: a load client gains nothing from a fresh one, and its answer is known.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 16 << 10;

/// A server to connect to.
#[derive(Debug)]
pub struct Target {
    pub address: SocketAddr,
    /// The upgrade request, ready to send.
    pub request: Vec<u8>,
}

/// Finds the server of a `ws://` URL.
///
/// # Errors
/// A line that says what is wrong with the URL or that nobody answers there.
pub fn resolve(url: &str) -> Result<Target, String> {
    let (authority, path) = split(url)?;
    let with_port = if authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let addresses: Vec<SocketAddr> =
        with_port.to_socket_addrs().map_err(|e| format!("{url}: {e}"))?.collect();
    let address = match addresses[..] {
        [only] => only,
        // A name such as localhost has several addresses, and the server may listen on one of them only.
        _ => *addresses
            .iter()
            .find(|address| TcpStream::connect_timeout(address, Duration::from_secs(5)).is_ok())
            .ok_or_else(|| format!("{url}: nobody answers at {addresses:?}"))?,
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    Ok(Target { address, request: request.into_bytes() })
}

fn split(url: &str) -> Result<(&str, String), String> {
    let rest = url.strip_prefix("ws://").ok_or_else(|| format!("{url}: only ws:// URLs are spoken here"))?;
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let path = path.split('#').next().unwrap_or_default();
    if authority.is_empty() || rest.bytes().any(|byte| byte <= b' ') {
        return Err(format!("{url}: not a URL"));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((authority, format!("{slash}{path}")))
}

/// Reads the server's answer; the size of its head when it is complete and agrees, `None` while it is not.
///
/// # Errors
/// What the server answered instead.
pub fn accepted(bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let size = match response.parse(bytes).map_err(|e| e.to_string())? {
        httparse::Status::Complete(size) => size,
        httparse::Status::Partial if bytes.len() > MAX_HEAD => return Err("an endless head".into()),
        httparse::Status::Partial => return Ok(None),
    };
    if response.code != Some(101) {
        let code = response.code.unwrap_or_default();
        return Err(format!("HTTP {code} {}", response.reason.unwrap_or_default()));
    }
    let key = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("sec-websocket-accept"));
    match key {
        Some(header) if header.value == ACCEPT => Ok(Some(size)),
        _ => Err("a wrong Sec-WebSocket-Accept".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_split_into_authority_and_path() {
        assert_eq!(split("ws://h:1/a?b=c"), Ok(("h:1", "/a?b=c".into())));
        assert_eq!(split("ws://h"), Ok(("h", "/".into())));
        assert_eq!(split("ws://h?x#y"), Ok(("h", "/?x".into())));
        for url in ["http://h/", "wss://h/", "ws:///a", "ws://h/ a", ""] {
            assert!(split(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_answer_counts_when_it_is_whole() {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        for cut in 0..head.len() {
            assert_eq!(accepted(&head[..cut]), Ok(None), "cut at {cut}");
        }
        let mut more = head.to_vec();
        more.extend([0x81, 0]);
        assert_eq!(accepted(&more), Ok(Some(head.len())));
    }

    #[test]
    fn other_answers_are_named() {
        let refused = accepted(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert_eq!(refused, Err("HTTP 503 Service Unavailable".into()));
        assert!(accepted(b"HTTP/1.1 101 OK\r\n\r\n").is_err());
        assert!(accepted(b"SSH-2.0-x\r\n").is_err());
    }
}
