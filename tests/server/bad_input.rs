//! Random bytes at every layer, from many connections at once, while others chat: they notice nothing.

use crate::support;

use std::io::Write;
use std::net::Shutdown;

use fastrand::Rng;
use serde_json::json;
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, chat};
use support::{Server, raw};

/// What a layer is fed: bytes that begin as they should and end as they like.
const LAYERS: [fn(&mut Rng) -> Vec<u8>; 6] =
    [random_bytes, broken_head, broken_body, random_frames, random_text, cut_frame];

fn random_bytes(random: &mut Rng) -> Vec<u8> {
    let length = random.usize(1..400);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

fn broken_head(random: &mut Rng) -> Vec<u8> {
    let mut head = raw::handshake("/ws").into_bytes();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(0..head.len());
        head[at] = random.u8(..);
    }
    head
}

fn broken_body(random: &mut Rng) -> Vec<u8> {
    let mut bytes = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    bytes.extend(random_bytes(random));
    bytes
}

fn random_frames(random: &mut Rng) -> Vec<u8> {
    let mut bytes = raw::handshake("/ws").into_bytes();
    bytes.extend(random_bytes(random));
    bytes
}

fn random_text(random: &mut Rng) -> Vec<u8> {
    let path = if random.bool() { "/ws" } else { "/ws/websocket?vsn=2.0.0" };
    let mut bytes = raw::handshake(path).into_bytes();
    let words = [
        "{",
        "}",
        "[",
        "]",
        "null",
        ",",
        ":",
        "\"topic\"",
        "\"event\"",
        "\"ref\"",
        "\"payload\"",
        "\"phx_join\"",
        "\"presence:teachers\"",
        "\"teacher:send\"",
        "\"userId\"",
        "\"role\"",
        "\"teacher\"",
        "1",
        "\"\\u",
    ];
    for _ in 0..random.usize(1..8) {
        let length = random.usize(0..16);
        let text: String =
            std::iter::repeat_with(|| words[random.usize(0..words.len())]).take(length).collect();
        bytes.extend(raw::frame(0x81, text.as_bytes()));
    }
    bytes
}

/// A frame that would be fine, if its end came.
fn cut_frame(random: &mut Rng) -> Vec<u8> {
    let mut bytes = raw::handshake("/ws").into_bytes();
    let frame = raw::frame(0x81, br#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#);
    bytes.extend(&frame[..random.usize(1..frame.len())]);
    bytes
}

#[test]
fn random_bytes_disturb_nobody() {
    let server = Server::start(&[]);
    let (mut teacher, mut student, topic) = chat(&server, (V1, V2), 1, 2);
    let mut waiting = Phoenix::student(&server, V1, 3);
    waiting.settle();
    let mut random = Rng::with_seed(4000);
    for round in 0..60 {
        let mut attackers = Vec::new();
        for layer in LAYERS {
            let mut stream = server.connect();
            // The server may have closed already, which is its good right.
            let _ = stream.write_all(&layer(&mut random));
            attackers.push(stream);
        }
        let text = format!("round {round}");
        teacher.push(&topic, "teacher:send", json!({"message": text}));
        assert_eq!(student.expect(&topic, "student:receive"), json!({"message": text}));
        for mut stream in attackers {
            let _ = stream.shutdown(Shutdown::Write);
            raw::read_to_end(&mut stream);
        }
    }
    student.push(&topic, "student:send", json!({"message": "all is well"}));
    assert_eq!(teacher.expect(&topic, "teacher:receive"), json!({"message": "all is well"}));
    waiting.settle();
    let students = &server.snapshot()["students"];
    assert_eq!((&students["total"], &students["waiting"]), (&json!(2), &json!(1)));
}
