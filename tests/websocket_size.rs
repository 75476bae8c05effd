//! Lengths of frames and messages (RFC 6455, 5.2), and the limit, over real sockets.

mod common;

use common::Server;
use common::raw::Answer::{Close, Echo, Pong};
use common::raw::{Answer, Bystander, answers, frame, heartbeat_of, open};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const FIRST: u8 = 0x01;
const LAST: u8 = 0x80;
const PING: u8 = 0x89;

/// The limit that is set here, in bytes.
const LIMIT: usize = 1000;

fn answers_to(server: &Server, frames: &[Vec<u8>]) -> Vec<Answer> {
    answers(&mut open(server, "/ws"), &frames.concat())
}

/// The header of a masked frame whose length is written as these bytes behind the marker.
fn header(first: u8, marker: u8, length: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | marker], length, &[1, 2, 3, 4]].concat()
}

/// The header alone of a frame of this length.
fn announced(first: u8, length: u64) -> [Vec<u8>; 1] {
    [header(first, 127, &length.to_be_bytes())]
}

/// A heartbeat of this length in two fragments, cut here.
fn split(length: usize, at: usize) -> [Vec<u8>; 2] {
    let message = heartbeat_of(length, "a");
    let (head, tail) = message.as_bytes().split_at(at);
    [frame(FIRST, head), frame(LAST, tail)]
}

fn limited() -> Server {
    Server::start(&["--max-message-size", &LIMIT.to_string()])
}

#[test]
fn a_length_may_come_in_every_form() {
    let server = Server::start(&[]);
    let message = heartbeat_of(100, "a");
    let masked: Vec<u8> = message.bytes().zip([1, 2, 3, 4].into_iter().cycle()).map(|(a, b)| a ^ b).collect();
    let forms: [(u8, &[u8]); 3] = [(100, &[]), (126, &[0, 100]), (127, &[0, 0, 0, 0, 0, 0, 0, 100])];
    for (marker, length) in forms {
        let bytes = [header(TEXT, marker, length), masked.clone()];
        assert_eq!(answers_to(&server, &bytes), [Echo("a".into())], "{marker}");
    }
}

#[test]
fn messages_around_the_borders_of_the_forms_are_taken() {
    let server = Server::start(&[]);
    for length in [125, 126, 127, 128, 255, 256, 32_767, 32_768, 65_534, 65_535, 65_536] {
        let message = frame(TEXT, heartbeat_of(length, "a").as_bytes());
        let expected = [Echo("a".into()), Echo("a".into())];
        assert_eq!(answers_to(&server, &[message.clone(), message]), expected, "{length}");
    }
}

#[test]
fn a_message_may_have_the_limit_and_not_a_byte_more() {
    let server = limited();
    let mut bystander = Bystander::new(&server);
    let whole = |length| [frame(TEXT, heartbeat_of(length, "a").as_bytes())];
    assert_eq!(answers_to(&server, &whole(LIMIT)), [Echo("a".into())]);
    assert_eq!(answers_to(&server, &whole(LIMIT + 1)), [Close(Some(1009))]);
    bystander.settle();
}

#[test]
fn fragments_may_have_the_limit_together_and_not_a_byte_more() {
    let server = limited();
    let mut bystander = Bystander::new(&server);
    for at in [0, 1, 400, LIMIT] {
        assert_eq!(answers_to(&server, &split(LIMIT, at)), [Echo("a".into())], "{at}");
        assert_eq!(answers_to(&server, &split(LIMIT + 1, at)), [Close(Some(1009))], "{at}");
    }
    bystander.settle();
}

#[test]
fn a_message_that_is_too_big_is_refused_by_its_header_alone() {
    let server = limited();
    let mut bystander = Bystander::new(&server);
    for length in [LIMIT as u64 + 1, 1 << 32, (1 << 63) - 1] {
        for first in [TEXT, BINARY, FIRST] {
            assert_eq!(answers_to(&server, &announced(first, length)), [Close(Some(1009))], "{length}");
        }
        let [last] = announced(LAST, length);
        assert_eq!(answers_to(&server, &[frame(FIRST, b""), last]), [Close(Some(1009))], "{length}");
    }
    let [last] = announced(LAST, 1);
    assert_eq!(answers_to(&server, &[frame(FIRST, &[b' '; LIMIT]), last]), [Close(Some(1009))]);
    bystander.settle();
}

#[test]
fn control_frames_do_not_count_for_the_limit() {
    let server = limited();
    let [first, last] = split(LIMIT, LIMIT);
    let pings = vec![frame(PING, &[b'p'; 125]); 10].concat();
    let mut expected = vec![Pong(vec![b'p'; 125]); 10];
    expected.push(Echo("a".into()));
    assert_eq!(answers_to(&server, &[first, pings, last]), expected);
}

#[test]
fn a_length_with_the_highest_bit_is_refused() {
    let server = Server::start(&[]);
    for length in [1 << 63, u64::MAX] {
        let answers = answers_to(&server, &announced(BINARY, length));
        // RFC 6455 forbids such a length (5.2), and it is too big as well.
        assert!(matches!(answers[..], [Close(Some(1002 | 1009))]), "{answers:?}");
    }
}
