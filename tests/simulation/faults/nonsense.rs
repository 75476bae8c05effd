//! What no client should say.

use fastrand::Rng;
use mio_chat_server::chat::id::Role;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use uuid::Uuid;

use super::frames::{self, BINARY, CLOSE, CONTINUE, PING, TEXT};
use super::house::MAX_MESSAGE;
use super::user::{Scene, User};

/// Says something that breaks RFC 6455 or the protocol above it.
pub fn breach(user: &mut User, random: &mut Rng) {
    // It would be taken, were it not for the frame around it.
    let mut payload = user.speech.heartbeat().into_bytes();
    let out = &mut user.outbound;
    let mut header = frames::header(TEXT, true, random);
    match random.u32(0..14) {
        0 => header.mask = None,
        1 => header.rsv1 = true,
        2 => header.rsv3 = true,
        3 => header.opcode = OpCode::Data(Data::Reserved(random.u8(3..8))),
        4 => header.opcode = OpCode::Control(Control::Reserved(random.u8(11..16))),
        5 => (header.opcode, payload) = (PING, vec![0; 126]),
        6 => (header.opcode, header.is_final) = (PING, false),
        7 => header.opcode = CONTINUE,
        8 => payload = b"\"\xff\xfe\"".into(),
        9 => (header.opcode, payload) = (CLOSE, vec![3, 237]),
        10 => (header.opcode, payload) = (CLOSE, vec![3]),
        11 => header.opcode = BINARY,
        // Its header alone is too much.
        12 => return header.format(random.u64(MAX_MESSAGE as u64 + 1..1 << 62), out).unwrap(),
        _ => payload = b"nonsense".into(),
    }
    frames::write(out, &header, &payload);
}

/// Says something that makes sense but for a few bytes, or bytes that make none.
pub fn garble(user: &mut User, random: &mut Rng) {
    for _ in 0..random.usize(1..6) {
        let chat = Uuid::from_u128(random.u128(..));
        let text = match random.u32(0..6) {
            0 => user.speech.connect(),
            1 => user.speech.claim(),
            2 => user.speech.message(chat, "{\"message\":\"x\"}"),
            3 => user.speech.terminate(chat),
            4 => user.speech.enter(chat),
            _ => user.speech.heartbeat(),
        };
        let mut payload = text.into_bytes();
        let mut frame = Vec::new();
        if random.bool() {
            scramble(&mut payload, random);
            frames::write(&mut frame, &frames::header(TEXT, true, random), &payload);
        } else {
            frames::write(&mut frame, &frames::header(TEXT, true, random), &payload);
            scramble(&mut frame, random);
        }
        user.outbound.extend(frame);
    }
    if random.u32(0..4) == 0 {
        let length = random.usize(1..300);
        user.outbound.extend(std::iter::repeat_with(|| random.u8(..)).take(length));
    }
}

fn scramble(bytes: &mut Vec<u8>, random: &mut Rng) {
    for _ in 0..random.usize(1..5) {
        let at = random.usize(0..bytes.len());
        match random.u32(0..5) {
            0 => bytes.truncate(at + 1),
            1 => bytes.insert(at, random.u8(..)),
            2 if bytes.len() > 1 => drop(bytes.remove(at)),
            _ => bytes[at] = random.u8(..),
        }
    }
}

/// Speaks in a chat of others, and for another user.
pub fn meddle(user: &mut User, other: Option<(Role, String)>, chat: Option<Uuid>, scene: &mut Scene<'_>) {
    let mut texts = Vec::new();
    if let Some(chat) = chat {
        texts.push(user.speech.enter(chat));
        if user.speech.is_phoenix() {
            texts.push(user.speech.joined(chat));
        }
        texts.push(user.speech.message(chat, &format!("{{\"chatId\":\"{chat}\",\"message\":\"psst\"}}")));
        texts.push(user.speech.terminate(chat));
        texts.extend(user.speech.leave_chat(chat));
    }
    if let Some((role, id)) = other {
        let own = (user.speech.role, user.speech.id.clone());
        (user.speech.role, user.speech.id) = (role, id);
        texts.push(user.speech.claim());
        texts.push(user.speech.ready());
        texts.push(user.speech.leave());
        texts.push(user.speech.connect());
        (user.speech.role, user.speech.id) = own;
    }
    scene.random.shuffle(&mut texts);
    for text in texts {
        user.say(&text, scene);
    }
}
