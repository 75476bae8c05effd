//! What a row is, and what rows are made of.

use crate::support::raw::{Answer, fragments, frame, heartbeat, heartbeat_of};

pub const FIN: u8 = 0x80;
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

/// The largest message that is taken on `/ws` here, in bytes.
pub const MAX_MESSAGE_SIZE: usize = 1024 * 1024;

/// What a client sends, and what it gets.
#[derive(Clone)]
pub struct Row {
    /// Autobahn's section, or that of the RFC where Autobahn has none.
    pub id: &'static str,
    pub what: String,
    pub bytes: Vec<u8>,
    pub expected: Vec<Answer>,
}

impl Row {
    /// The part of the table that it belongs to.
    pub fn section(&self) -> String {
        self.id.split('.').next().unwrap_or_default().to_owned()
    }
}

pub fn row(id: &'static str, what: impl Into<String>, frames: &[Vec<u8>], expected: &[Answer]) -> Row {
    Row { id, what: what.into(), bytes: frames.concat(), expected: expected.to_vec() }
}

/// Where the table is tried. The rows are the same; a text is sent and comes back in the form of the path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// A text is the reference of a heartbeat. Binary messages are refused.
    Phoenix,
    /// A message is what it is.
    Echo,
}

impl Path {
    pub fn name(self) -> &'static str {
        match self {
            Path::Phoenix => "/ws",
            Path::Echo => "/echo",
        }
    }

    /// The payload of a message up to its text, and from there on.
    fn around(self) -> (Vec<u8>, Vec<u8>) {
        let heartbeat = heartbeat("|");
        match (self, heartbeat.split_once('|')) {
            (Path::Phoenix, Some((before, after))) => (before.into(), after.into()),
            _ => (Vec::new(), Vec::new()),
        }
    }

    /// The payload of a message, up to its text and with it.
    pub fn unfinished(self, text: &[u8]) -> Vec<u8> {
        [&self.around().0, text].concat()
    }

    /// The payload of the message with this text, which need not be UTF-8.
    pub fn payload(self, text: &[u8]) -> Vec<u8> {
        [self.unfinished(text), self.around().1].concat()
    }

    /// The message with this text in one frame.
    pub fn text(self, text: &str) -> Vec<u8> {
        frame(FIN | TEXT, &self.payload(text.as_bytes()))
    }

    /// The message with this text in fragments.
    pub fn fragments(self, text: &str, lengths: &[usize]) -> Vec<Vec<u8>> {
        fragments(TEXT, &self.payload(text.as_bytes()), lengths)
    }

    /// What the message with this text is answered with.
    pub fn echo(self, text: &str) -> Answer {
        match self {
            Path::Phoenix => Answer::Echo(text.into()),
            Path::Echo => Answer::Other(FIN | TEXT, text.into()),
        }
    }

    /// The payload of a message of this length, and its answer. None is as short as that where it has to be
    /// more than a text.
    pub fn sized(self, length: usize) -> Option<(Vec<u8>, Answer)> {
        match self {
            Path::Phoenix if length < heartbeat("a").len() => None,
            Path::Phoenix => Some((heartbeat_of(length, "a").into(), Answer::Echo("a".into()))),
            Path::Echo => Some((vec![b'*'; length], Answer::Other(FIN | TEXT, vec![b'*'; length]))),
        }
    }

    /// What a binary message is answered with.
    pub fn binary(self, payload: &[u8]) -> Answer {
        match self {
            Path::Phoenix => Answer::Close(Some(1003)),
            Path::Echo => Answer::Other(FIN | BINARY, payload.into()),
        }
    }

    /// The largest message that is taken.
    pub fn max_message_size(self) -> usize {
        match self {
            Path::Phoenix => MAX_MESSAGE_SIZE,
            Path::Echo => 16 * 1024 * 1024,
        }
    }
}

/// A message in fragments of this length each, and an empty last one.
pub fn equal_fragments(opcode: u8, payload: &[u8], length: usize) -> Vec<Vec<u8>> {
    let lengths: Vec<_> = payload.chunks(length).map(<[u8]>::len).collect();
    fragments(opcode, payload, &lengths)
}

pub fn ping(payload: &[u8]) -> Vec<u8> {
    frame(FIN | PING, payload)
}

pub fn pong(payload: &[u8]) -> Answer {
    Answer::Pong(payload.into())
}

/// A close frame with a code and a reason.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

pub fn closed(code: u16) -> Answer {
    Answer::Close(Some(code))
}
