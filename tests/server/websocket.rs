//! RFC 6455 over real sockets: what takes more than bytes to send and answers to expect, which are
//! `tests/conformance`.

use crate::support;

use std::io::Write;
use std::net::TcpStream;
use support::Server;
use support::raw::Answer::{Close, Echo, Pong};
use support::raw::{
    Answer, Bystander, answers, fragments, frame, heartbeat, heartbeat_of, open, read_to_end,
};

const TEXT: u8 = 0x81;

/// What a client may say in one go, and how it is answered.
fn conversation() -> (Vec<u8>, Vec<Answer>) {
    let text = |text: String| frame(TEXT, text.as_bytes());
    let mut interleaved = fragments(0x01, heartbeat("é").as_bytes(), &[9, 0]);
    interleaved.insert(1, frame(0x89, b"p"));
    let close = frame(0x88, &[&3000u16.to_be_bytes(), &b"bye"[..]].concat());
    let frames =
        [text(heartbeat("a")), interleaved.concat(), text(heartbeat_of(130, "long")), close].concat();
    let echo = |reference: &str| Echo(reference.into());
    (frames, vec![echo("a"), Pong(b"p".into()), echo("é"), echo("long"), Close(Some(3000))])
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    let (bytes, expected) = conversation();
    for cut in 1..bytes.len() {
        let mut stream = open(&server, "/ws");
        stream.write_all(&bytes[..cut]).unwrap();
        bystander.settle();
        assert_eq!(answers(&mut stream, &bytes[cut..]), expected, "cut at {cut}");
    }
}

#[test]
fn byte_by_byte_changes_nothing() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    let (bytes, expected) = conversation();
    let mut stream: TcpStream = open(&server, "/ws");
    for byte in &bytes {
        stream.write_all(&[*byte]).unwrap();
        bystander.settle();
    }
    assert_eq!(answers(&mut stream, &[]), expected);
}

#[test]
fn a_client_that_shuts_its_side_after_a_close_still_gets_the_answer() {
    let server = Server::start(&[]);
    let mut stream = open(&server, "/ws");
    stream.write_all(&frame(0x88, &1000u16.to_be_bytes())).unwrap();
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
