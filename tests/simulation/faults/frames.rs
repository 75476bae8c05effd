//! The client's end of a WebSocket: masked frames out, plain ones in.

use std::collections::VecDeque;
use std::io::Cursor;

use fastrand::Rng;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

pub const TEXT: OpCode = OpCode::Data(Data::Text);
pub const BINARY: OpCode = OpCode::Data(Data::Binary);
pub const CONTINUE: OpCode = OpCode::Data(Data::Continue);
pub const PING: OpCode = OpCode::Control(Control::Ping);
pub const PONG: OpCode = OpCode::Control(Control::Pong);
pub const CLOSE: OpCode = OpCode::Control(Control::Close);

/// A header as a client sends it.
pub fn header(opcode: OpCode, is_final: bool, random: &mut Rng) -> FrameHeader {
    let mask = Some(random.u32(..).to_be_bytes());
    FrameHeader { opcode, is_final, mask, ..FrameHeader::default() }
}

/// Appends a frame.
pub fn write(out: &mut Vec<u8>, header: &FrameHeader, payload: &[u8]) {
    header.format(payload.len() as u64, out).unwrap();
    let mask = header.mask.unwrap_or_default();
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// Appends a text message: now and then in fragments, with a ping between them.
pub fn write_text(out: &mut Vec<u8>, text: &str, pings: &mut VecDeque<Vec<u8>>, random: &mut Rng) {
    let mut rest = text.as_bytes();
    let mut opcode = TEXT;
    while random.u32(0..20) == 0 {
        // Anywhere, also within a character.
        let (fragment, behind) = rest.split_at(random.usize(0..=rest.len()));
        write(out, &header(opcode, false, random), fragment);
        (rest, opcode) = (behind, CONTINUE);
        if random.bool() {
            let payload: Vec<_> = (0..random.usize(0..126)).map(|_| random.u8(..)).collect();
            write(out, &header(PING, true, random), &payload);
            pings.push_back(payload);
        }
    }
    write(out, &header(opcode, true, random), rest);
}

/// Takes a whole frame off the start of the input.
pub fn read(input: &mut Vec<u8>) -> Option<(OpCode, Vec<u8>)> {
    let mut cursor = Cursor::new(&*input);
    let (header, length) = FrameHeader::parse(&mut cursor).expect("a frame from the server")?;
    assert!(header.is_final && header.mask.is_none(), "the server writes whole, plain frames");
    let start = cursor.position() as usize;
    let payload = input.get(start..start + length as usize)?.to_vec();
    input.drain(..start + length as usize);
    Some((header.opcode, payload))
}
