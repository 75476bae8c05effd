//! HTTP as a client writes and reads it: requests out, responses in.

/// A request for a target, with or without a body.
pub fn request(method: &str, target: &str, body: &str, keep_alive: bool) -> Vec<u8> {
    let connection = if keep_alive { "" } else { "Connection: close\r\n" };
    let content = match method {
        "POST" if target.starts_with("/faye") => "Content-Type: application/json\r\n",
        "POST" => "Content-Type: text/plain; charset=UTF-8\r\n",
        _ => "",
    };
    let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    format!("{method} {target} HTTP/1.1\r\nHost: chat.example\r\n{connection}{content}{length}\r\n{body}")
        .into()
}

/// A request for a WebSocket.
pub fn upgrade(target: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into()
}

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub body: String,
    pub keep_alive: bool,
}

/// Takes a whole response off the start of the input. That to a HEAD has no body.
pub fn read(input: &mut Vec<u8>, is_head: bool) -> Option<Response> {
    let end = input.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = str::from_utf8(&input[..end]).expect("a head is text").to_ascii_lowercase();
    let mut lines = head.lines();
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.strip_prefix("http/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.unwrap_or_else(|| panic!("not a status line: {status_line}"));
    let field = |name: &str| {
        let line = head.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split_once(':').map(|(_, value)| value.trim())
    };
    let length: usize = match field("content-length") {
        Some(length) if !is_head && status != 101 => length.parse().expect("a length"),
        None if !is_head && status != 101 && status != 204 => panic!("no length: {head}"),
        _ => 0,
    };
    let body = String::from_utf8(input.get(end..end + length)?.to_vec()).expect("a body is text");
    let keep_alive = field("connection") != Some("close");
    input.drain(..end + length);
    Some(Response { status, body, keep_alive })
}

/// Text as it stands in a query.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
