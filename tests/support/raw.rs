//! Bytes to a socket and back, for what no well-behaved client would send.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

use super::Server;

/// An HTTP response, as it came.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Response {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// Sends bytes on a fresh connection and reads one response.
pub fn request(server: &Server, bytes: impl AsRef<[u8]>) -> Response {
    let mut stream = server.connect();
    stream.write_all(bytes.as_ref()).unwrap();
    read_response(&mut stream)
}

/// Reads one response, of which the length is known from its head.
pub fn read_response(stream: &mut TcpStream) -> Response {
    let head = read_head(stream);
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    let mut response = Response { status, head, body: String::new() };
    let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    response.body = String::from_utf8(body).unwrap();
    response
}

/// Reads up to the empty line, and no byte more: what follows may be frames.
pub fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response head comes");
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Reads until the server closes.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// The request that opens a WebSocket.
pub fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A connection that the server has accepted, and has answered a first request on.
pub fn open_http(server: &Server) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_response(&mut stream).status, 200);
    stream
}

/// A WebSocket on which frames are written by hand.
pub fn open(server: &Server, path: &str) -> TcpStream {
    open_with(server, &handshake(path))
}

/// The same, with a handshake of one's own.
pub fn open_with(server: &Server, handshake: &str) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(handshake.as_bytes()).unwrap();
    let head = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// A masked frame as a client sends it. `first` is the byte with FIN, the reserved bits and the opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65535 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A message in fragments of these lengths, the last one with what is left. `opcode` is that of the message.
pub fn fragments(opcode: u8, payload: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = payload;
    let mut frames = Vec::new();
    for &length in lengths {
        let (fragment, after) = rest.split_at(length);
        frames.push(frame(if frames.is_empty() { opcode } else { 0x00 }, fragment));
        rest = after;
    }
    frames.push(frame(0x80, rest));
    frames
}

/// The header of a masked frame whose length is written as these bytes behind the marker, and no payload.
pub fn header(first: u8, marker: u8, length: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | marker], length, &[1, 2, 3, 4]].concat()
}

/// A frame from the server: its first byte and its payload. `None` at the end of the stream.
pub fn read_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 2];
    stream.read_exact(&mut header).ok()?;
    assert_eq!(header[1] & 0x80, 0, "a server does not mask");
    let length = match header[1] {
        126 => {
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            u16::from_be_bytes(length) as usize
        }
        127 => {
            let mut length = [0; 8];
            stream.read_exact(&mut length).ok()?;
            u64::from_be_bytes(length) as usize
        }
        length => length as usize,
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    Some((header[0], payload))
}

/// Reads frames up to the close frame and returns its code; `None` if it has none.
pub fn read_close(stream: &mut TcpStream) -> Option<u16> {
    loop {
        let (first, payload) = read_frame(stream).expect("a close frame before the end");
        if first == 0x88 {
            return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
    }
}

/// A heartbeat of version 1 with this reference: on `/ws` it is answered at once, by [`echo`].
pub fn heartbeat(reference: &str) -> String {
    format!(r#"{{"topic":"phoenix","event":"heartbeat","payload":{{}},"ref":"{reference}"}}"#)
}

/// The answer to the heartbeat with this reference.
pub fn echo(reference: &str) -> String {
    format!(
        r#"{{"topic":"phoenix","event":"phx_reply","payload":{{"status":"ok","response":{{}}}},"ref":"{reference}"}}"#
    )
}

/// A heartbeat of exactly this many bytes, answered by [`echo`] of the same reference.
pub fn heartbeat_of(length: usize, reference: &str) -> String {
    let padding = length - heartbeat(reference).len();
    heartbeat(reference).replacen("{}", &format!("{{{}}}", " ".repeat(padding)), 1)
}

/// What a server sends on a WebSocket, as a test expects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The reply to the heartbeat with this reference.
    Echo(String),
    Pong(Vec<u8>),
    /// A close frame with this code, and then the end of the stream.
    Close(Option<u16>),
    /// The end of the stream, or of the wait, without a close frame.
    End,
    /// Anything else.
    Other(u8, Vec<u8>),
}

/// Sends bytes on a WebSocket that is open, and returns the answers: up to the end of the
/// stream, or all of it if the stream stays open.
pub fn answers(stream: &mut TcpStream, bytes: &[u8]) -> Vec<Answer> {
    answers_in_pieces(stream, bytes, usize::MAX)
}

/// The same, with `piece` bytes a write. Reading goes on meanwhile: a server may leave off reading until it
/// is read from. A ping that follows shows where the answers end.
pub fn answers_in_pieces(stream: &mut TcpStream, bytes: &[u8], piece: usize) -> Vec<Answer> {
    const LAST: &[u8] = b"the last one";
    let mut writer = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // What follows a violation may find the connection closed.
            let _ = bytes.chunks(piece).try_for_each(|piece| writer.write_all(piece));
            let _ = writer.write_all(&frame(0x89, LAST));
        });
        read_answers(stream, &Answer::Pong(LAST.into()))
    })
}

/// Reads up to this answer, or the end of the stream.
fn read_answers(stream: &mut TcpStream, last: &Answer) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some((first, payload)) = read_frame(stream) {
        let answer = answer(first, payload);
        if answer == *last {
            return answers;
        }
        answers.push(answer);
    }
    if !matches!(answers.last(), Some(Answer::Close(_))) {
        answers.push(Answer::End);
    }
    answers
}

fn answer(first: u8, payload: Vec<u8>) -> Answer {
    let (before, after) = {
        let echo = echo("|");
        let (before, after) = echo.split_once('|').unwrap();
        (before.to_owned(), after.to_owned())
    };
    let text = std::str::from_utf8(&payload).ok();
    let reference = text.and_then(|text| text.strip_prefix(&before)?.strip_suffix(&after));
    match (first, reference) {
        (0x81, Some(reference)) => Answer::Echo(reference.into()),
        (0x8a, _) => Answer::Pong(payload),
        (0x88, _) if payload.is_empty() => Answer::Close(None),
        (0x88, _) => Answer::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
        _ => Answer::Other(first, payload),
    }
}

/// Another socket at the same server. One thread serves both, so when this one is answered, everything
/// that was sent on the other before has been read: a wait without a clock.
pub struct Bystander(TcpStream);

impl Bystander {
    pub fn new(server: &Server) -> Bystander {
        Bystander(open(server, "/ws"))
    }

    /// Waits for an answer, which also shows that this socket is well.
    pub fn settle(&mut self) {
        assert_eq!(answers(&mut self.0, &[]), []);
    }
}

/// Writes these bytes over and over until the server takes no more, and returns how many it took: fewer than `most`.
pub fn write_until_blocked(server: &Server, stream: &mut TcpStream, bytes: &[u8], most: usize) -> usize {
    let mut bystander = Bystander::new(server);
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut refusals = 0;
    // Not to be taken at once may be a moment's matter; so often, with the server alive, is not.
    while refusals < 50 {
        match stream.write(&bytes[sent % bytes.len()..]) {
            Ok(length) => {
                sent += length;
                refusals = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                refusals += 1;
                bystander.settle();
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < most, "{sent} bytes are taken although their sender has to wait");
    }
    stream.set_nonblocking(false).unwrap();
    sent
}
