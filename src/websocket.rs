//! RFC 6455 frames to messages and back, in place over the caller's buffer.
//!
//! tungstenite parses and formats the frame headers. Its own `WebSocket` is not used: it keeps a read
//! buffer for each connection, where this server has one for all of them.

use std::borrow::Cow;
use std::io::Cursor;
use std::str;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// The largest payload of a control frame, in bytes (RFC 6455, 5.5).
const MAX_CONTROL_PAYLOAD: u64 = 125;
/// Registered with IANA as 1012 and 1013 are (RFC 6455, 11.7), though tungstenite has no name for it.
const BAD_GATEWAY: CloseCode = CloseCode::Bad(1014);

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Ping(&'a [u8]),
    Pong,
    /// The peer closes, with a code unless the frame was empty.
    Close(Option<CloseCode>),
}

/// What the next bytes of the input are.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// Not a whole frame yet; nothing was consumed.
    Incomplete,
    /// One frame of `consumed` bytes; without a message if it was a fragment of one to come.
    Frame { consumed: usize, message: Option<Message<'a>> },
}

/// A breach of the protocol, and the close code that answers it (RFC 6455, 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    pub code: CloseCode,
    pub reason: &'static str,
}

const fn protocol_error(reason: &'static str) -> Violation {
    Violation { code: CloseCode::Protocol, reason }
}

const INVALID_UTF8: Violation = Violation { code: CloseCode::Invalid, reason: "invalid UTF-8" };
const TOO_BIG: Violation = Violation { code: CloseCode::Size, reason: "message too big" };

/// Reads the frames that a client sends. Holds memory only while a fragmented message is under way.
#[derive(Debug, Default)]
pub struct FrameReader {
    fragments: Option<Box<Fragments>>,
}

/// The message that the fragments so far make up.
#[derive(Debug)]
struct Fragments {
    is_text: bool,
    data: Vec<u8>,
    /// How much of `data` is known to be valid UTF-8.
    valid: usize,
}

impl FrameReader {
    /// Bytes of memory that the fragments of an incomplete message take.
    pub fn memory(&self) -> usize {
        self.fragments.as_ref().map_or(0, |fragments| fragments.data.capacity())
    }

    /// Reads one frame from the start of `input`, unmasking it in place. `max_message` is the largest
    /// message taken, in bytes: a longer one is refused by its header, before it is buffered.
    pub fn read<'a>(&mut self, input: &'a mut [u8], max_message: usize) -> Result<Read<'a>, Violation> {
        let mut cursor = Cursor::new(&*input);
        let parsed = FrameHeader::parse(&mut cursor);
        let header_length = cursor.position() as usize;
        let Some((header, length)) = parsed.map_err(|_| protocol_error("reserved opcode"))? else {
            return Ok(Read::Incomplete);
        };
        self.check(&header, length, max_message)?;
        let consumed = header_length + length as usize;
        let Some(payload) = input.get_mut(header_length..consumed) else {
            return Ok(Read::Incomplete);
        };
        let Some(mask) = header.mask else {
            return Err(protocol_error("client frame is not masked"));
        };
        unmask(payload, mask);
        let message = match header.opcode {
            OpCode::Control(control) => Some(control_message(control, payload)?),
            OpCode::Data(data) => self.data_message(data, header.is_final, payload)?,
        };
        Ok(Read::Frame { consumed, message })
    }

    /// What can be told from the header alone, so that no bytes are waited for in vain.
    fn check(&self, header: &FrameHeader, length: u64, max_message: usize) -> Result<(), Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(protocol_error("reserved bits are set"));
        }
        if header.mask.is_none() {
            return Err(protocol_error("client frame is not masked"));
        }
        match header.opcode {
            OpCode::Control(_) if length > MAX_CONTROL_PAYLOAD => {
                Err(protocol_error("control frame is too long"))
            }
            OpCode::Control(_) if !header.is_final => Err(protocol_error("control frame is fragmented")),
            OpCode::Control(_) => Ok(()),
            OpCode::Data(Data::Continue) if self.fragments.is_none() => {
                Err(protocol_error("nothing to continue"))
            }
            OpCode::Data(Data::Text | Data::Binary) if self.fragments.is_some() => {
                Err(protocol_error("a fragmented message is not finished"))
            }
            OpCode::Data(_) => {
                let so_far = self.fragments.as_ref().map_or(0, |fragments| fragments.data.len());
                if length > max_message.saturating_sub(so_far) as u64 { Err(TOO_BIG) } else { Ok(()) }
            }
        }
    }

    fn data_message<'a>(
        &mut self,
        opcode: Data,
        is_final: bool,
        payload: &'a [u8],
    ) -> Result<Option<Message<'a>>, Violation> {
        if is_final && opcode != Data::Continue {
            return match opcode {
                Data::Text => str::from_utf8(payload)
                    .map(|text| Some(Message::Text(Cow::Borrowed(text))))
                    .map_err(|_| INVALID_UTF8),
                _ => Ok(Some(Message::Binary(Cow::Borrowed(payload)))),
            };
        }
        let is_text = opcode == Data::Text;
        let fragments =
            self.fragments.get_or_insert_with(|| Box::new(Fragments { is_text, data: Vec::new(), valid: 0 }));
        fragments.push(payload)?;
        if !is_final {
            return Ok(None);
        }
        self.fragments.take().map(|fragments| fragments.finish()).transpose()
    }
}

impl Fragments {
    fn push(&mut self, payload: &[u8]) -> Result<(), Violation> {
        self.data.extend_from_slice(payload);
        if !self.is_text {
            return Ok(());
        }
        // A character may be cut by the end of a fragment: that part is looked at again with the next.
        let fresh = &self.data[self.valid..];
        match str::from_utf8(fresh) {
            Ok(_) => self.valid = self.data.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(INVALID_UTF8),
        }
        Ok(())
    }

    fn finish(self) -> Result<Message<'static>, Violation> {
        if !self.is_text {
            return Ok(Message::Binary(Cow::Owned(self.data)));
        }
        String::from_utf8(self.data).map(|text| Message::Text(Cow::Owned(text))).map_err(|_| INVALID_UTF8)
    }
}

fn control_message(control: Control, payload: &[u8]) -> Result<Message<'_>, Violation> {
    match control {
        Control::Ping => Ok(Message::Ping(payload)),
        Control::Pong => Ok(Message::Pong),
        Control::Close => close_code(payload).map(Message::Close),
        Control::Reserved(_) => Err(protocol_error("reserved opcode")),
    }
}

fn close_code(payload: &[u8]) -> Result<Option<CloseCode>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(protocol_error("close code is cut")) };
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_allowed() && code != BAD_GATEWAY {
        return Err(protocol_error("close code is not allowed"));
    }
    str::from_utf8(reason).map(|_| Some(code)).map_err(|_| INVALID_UTF8)
}

/// XORs the payload with the masking key (RFC 6455, 5.3), a word at a time.
fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let word = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut words = payload.chunks_exact_mut(8);
    for bytes in &mut words {
        let mut chunk = [0; 8];
        chunk.copy_from_slice(bytes);
        bytes.copy_from_slice(&(u64::from_ne_bytes(chunk) ^ word).to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Appends a text frame whose payload is the parts in a row.
pub fn write_text(out: &mut Vec<u8>, parts: &[&str]) {
    write_text_between(out, "", parts, "");
}

/// Appends a text frame whose payload is the parts in a row, in brackets: a JSON array of one value.
pub fn write_text_array(out: &mut Vec<u8>, parts: &[&str]) {
    write_text_between(out, "[", parts, "]");
}

#[inline]
fn write_text_between(out: &mut Vec<u8>, before: &str, parts: &[&str], after: &str) {
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + before.len() + after.len();
    write_header(out, OpCode::Data(Data::Text), length);
    out.extend_from_slice(before.as_bytes());
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(after.as_bytes());
}

/// Appends a binary frame.
pub fn write_binary(out: &mut Vec<u8>, payload: &[u8]) {
    write_header(out, OpCode::Data(Data::Binary), payload.len());
    out.extend_from_slice(payload);
}

/// Appends the pong that answers a ping with this payload.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    write_header(out, OpCode::Control(Control::Pong), payload.len());
    out.extend_from_slice(payload);
}

/// Appends a close frame. A reason without a code cannot be said (RFC 6455, 5.5.1).
pub fn write_close(out: &mut Vec<u8>, code: Option<CloseCode>, reason: &str) {
    let Some(code) = code else {
        return write_header(out, OpCode::Control(Control::Close), 0);
    };
    let room = MAX_CONTROL_PAYLOAD as usize - 2;
    let reason = &reason[..reason.floor_char_boundary(room)];
    write_header(out, OpCode::Control(Control::Close), 2 + reason.len());
    out.extend_from_slice(&u16::from(code).to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

fn write_header(out: &mut Vec<u8>, opcode: OpCode, length: usize) {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    out.reserve(header.len(length as u64) + length);
    // Writing into a Vec cannot fail.
    let _ = header.format(length as u64, out);
}
