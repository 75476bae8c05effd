//! How a WebSocket ends (RFC 6455, 7), over real sockets.

mod common;

use common::Server;
use common::raw::Answer::{Close, Echo, Pong};
use common::raw::{Answer, Bystander, answers, frame, heartbeat, open, read_to_end};
use std::io::Write;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// A close frame with a code and a reason.
fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// What these bytes are answered with on a fresh socket.
fn answers_to(server: &Server, bytes: &[u8]) -> Vec<Answer> {
    answers(&mut open(server, "/ws"), bytes)
}

#[test]
fn an_empty_close_is_answered_with_an_empty_close() {
    let server = Server::start(&[]);
    assert_eq!(answers_to(&server, &frame(CLOSE, b"")), [Close(None)]);
}

#[test]
fn a_valid_close_code_is_echoed() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    for code in (1000..=1003).chain(1007..=1013).chain([3000, 3999, 4000, 4999]) {
        assert_eq!(answers_to(&server, &close(code, b"")), [Close(Some(code))]);
        let reason = "é".repeat(61);
        assert_eq!(answers_to(&server, &close(code, reason.as_bytes())), [Close(Some(code))]);
    }
    bystander.settle();
}

#[test]
fn a_close_code_that_must_not_be_sent_is_refused() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(answers_to(&server, &close(code, b"")), [Close(Some(1002))], "{code}");
    }
    bystander.settle();
}

#[test]
fn half_a_close_code_is_refused() {
    let server = Server::start(&[]);
    assert_eq!(answers_to(&server, &frame(CLOSE, &[3])), [Close(Some(1002))]);
}

#[test]
fn a_reason_that_is_not_utf_8_is_refused() {
    let server = Server::start(&[]);
    for reason in [&b"\xff"[..], b"\xce", b"ok \xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        assert_eq!(answers_to(&server, &close(1000, reason)), [Close(Some(1007))], "{reason:?}");
    }
}

#[test]
fn what_follows_a_close_is_ignored() {
    let server = Server::start(&[]);
    let beat = frame(TEXT, heartbeat("late").as_bytes());
    for late in [beat, frame(PING, b"late"), close(1001, b""), vec![0xff; 100], vec![0; 200_000]] {
        let bytes = [frame(PING, b"early"), close(1000, b""), late].concat();
        assert_eq!(answers_to(&server, &bytes), [Pong(b"early".into()), Close(Some(1000))]);
    }
}

#[test]
fn what_came_before_a_close_is_answered_first() {
    let server = Server::start(&[]);
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for number in 0..3000 {
        let reference = number.to_string();
        bytes.extend(frame(TEXT, heartbeat(&reference).as_bytes()));
        expected.push(Echo(reference));
    }
    bytes.extend(close(1000, b""));
    expected.push(Close(Some(1000)));
    assert_eq!(answers_to(&server, &bytes), expected);
}

#[test]
fn a_client_that_shuts_its_side_after_a_close_still_gets_the_answer() {
    let server = Server::start(&[]);
    let mut stream = open(&server, "/ws");
    stream.write_all(&close(1000, b"")).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut stream), [0x88, 2, 0x03, 0xe8]);
}

#[test]
fn a_socket_that_ends_without_a_close_is_closed() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    for bytes in [&[][..], &[0x81], &[0x81, 0xfe, 0, 200, 1, 2, 3, 4, 5], &frame(0x01, b"{")] {
        let mut stream = open(&server, "/ws");
        stream.write_all(bytes).unwrap();
        bystander.settle();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut stream), b"");
    }
}

#[test]
fn a_refused_frame_says_why() {
    let server = Server::start(&[]);
    let mut stream = open(&server, "/ws");
    stream.write_all(&frame(0x83, b"")).unwrap();
    let close = read_to_end(&mut stream);
    let reason = std::str::from_utf8(&close[4..]).unwrap();
    assert!(!reason.is_empty(), "{close:?}");
    assert_eq!(close[..4], [0x88, 2 + reason.len() as u8, 0x03, 0xea]);
}
