//! What no client should send.

use fastrand::Rng;
use mio_chat_server::chat::id::Role;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use uuid::Uuid;

use super::frames::{self, BINARY, CLOSE, CONTINUE, PING, TEXT};
use super::network::{LinkId, Network};
use super::shell::MAX_MESSAGE;
use super::transport::Transport;
use super::user::{Scene, User};

/// Requests that are to be refused, and their connection closed.
const BAD_REQUESTS: [&str; 8] = [
    "NONSENSE\r\n\r\n",
    "GET /socket.io/ HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "POST /faye HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    "POST /faye HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    "POST /faye HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /faye HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n",
];

/// Sends something that breaks RFC 6455, RFC 9112, or the protocol above. Returns the connection that it went over.
pub fn breach(user: &mut User, network: &mut Network) -> LinkId {
    let is_bayeux = user.wire.kind.is_bayeux();
    let socket = match &user.transport {
        Some(Transport::WebSocket(socket)) if socket.is_open() => socket.link,
        _ => {
            let link = network.open(user.session);
            let request = BAD_REQUESTS[network.random.usize(0..BAD_REQUESTS.len())];
            network.send(link, request.as_bytes());
            return link;
        }
    };
    // It would be accepted, were it not for the frame around it.
    let mut payload = user.wire.heartbeat().into_bytes();
    let random = &mut network.random;
    let mut header = frames::header(TEXT, true, random);
    let mut bytes = Vec::new();
    // Bayeux passes over what does not parse.
    match random.u32(0..if is_bayeux { 13 } else { 14 }) {
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
        12 => {
            // Its header alone is too much.
            header.format(random.u64(MAX_MESSAGE as u64 + 1..1 << 62), &mut bytes).unwrap();
            network.send(socket, &bytes);
            return socket;
        }
        _ => payload = b"nonsense".into(),
    }
    frames::write(&mut bytes, &header, &payload);
    network.send(socket, &bytes);
    socket
}

/// Sends texts that make sense but for a few bytes, or bytes that make none.
pub fn garble(user: &mut User, network: &mut Network) {
    let mut bytes = Vec::new();
    for _ in 0..network.random.usize(1..6) {
        let chat = Uuid::from_u128(network.random.u128(..));
        let text = match network.random.u32(0..6) {
            0 => user.wire.connect(),
            1 => user.wire.claim(),
            2 => user.wire.message(chat, "{\"message\":\"x\"}"),
            3 => user.wire.terminate(chat),
            4 => user.wire.enter(chat).concat(),
            _ => user.wire.heartbeat(),
        };
        let random = &mut network.random;
        let mut payload = text.into_bytes();
        let is_frame_garbled = random.bool();
        if !is_frame_garbled {
            scramble(&mut payload, random);
        }
        let mut message = match &user.transport {
            Some(Transport::Polling(polling)) => polling.post(&String::from_utf8_lossy(&payload)),
            _ => {
                let mut frame = Vec::new();
                frames::write(&mut frame, &frames::header(TEXT, true, random), &payload);
                frame
            }
        };
        if is_frame_garbled {
            scramble(&mut message, random);
        }
        bytes.extend(message);
    }
    if network.random.u32(0..4) == 0 {
        let length = network.random.usize(1..300);
        bytes.extend(std::iter::repeat_with(|| network.random.u8(..)).take(length));
    }
    if let Some(link) = user.transport.as_ref().and_then(|transport| transport.links().first().copied()) {
        network.send(link, &bytes);
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

/// Sends commands in a chat of others, and for another user.
pub fn meddle(user: &mut User, other: Option<(Role, String)>, chat: Option<Uuid>, scene: &mut Scene<'_>) {
    let mut texts = Vec::new();
    if let Some(chat) = chat {
        texts.extend(user.wire.enter(chat));
        if user.wire.kind.is_phoenix() {
            texts.push(user.wire.joined(chat));
        }
        texts.push(user.wire.message(chat, &format!("{{\"chatId\":\"{chat}\",\"message\":\"psst\"}}")));
        texts.push(user.wire.terminate(chat));
        texts.extend(user.wire.leave_chat(chat));
    }
    if let Some((role, id)) = other {
        let own = (user.wire.role, user.wire.id.clone());
        (user.wire.role, user.wire.id) = (role, id);
        texts.push(user.wire.claim());
        texts.push(user.wire.ready());
        texts.push(user.wire.leave());
        texts.extend(user.wire.opened());
        texts.push(user.wire.connect());
        (user.wire.role, user.wire.id) = own;
    }
    scene.network.random.shuffle(&mut texts);
    user.send(texts, scene);
}
