//! The limit on the length of a message, over real sockets.

use crate::support;

use support::Server;
use support::raw::Answer::{Close, Echo, Pong};
use support::raw::{Answer, Bystander, answers, fragments, frame, header, heartbeat_of, open};

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

/// The header alone of a frame of this length.
fn announced(first: u8, length: u64) -> [Vec<u8>; 1] {
    [header(first, 127, &length.to_be_bytes())]
}

/// A heartbeat of this length in two fragments, cut here.
fn split(length: usize, at: usize) -> Vec<Vec<u8>> {
    fragments(FIRST, heartbeat_of(length, "a").as_bytes(), &[at])
}

fn limited() -> Server {
    Server::start(&["--max-message-size", &LIMIT.to_string()])
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
    let mut frames = split(LIMIT, LIMIT);
    frames.insert(1, vec![frame(PING, &[b'p'; 125]); 10].concat());
    let mut expected = vec![Pong(vec![b'p'; 125]); 10];
    expected.push(Echo("a".into()));
    assert_eq!(answers_to(&server, &frames), expected);
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
