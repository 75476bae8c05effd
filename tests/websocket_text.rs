//! Text messages are UTF-8 (RFC 6455, 8.1), over real sockets.

mod common;

use common::Server;
use common::raw::Answer::{Close, Echo};
use common::raw::{Answer, Bystander, answers, frame, heartbeat, open};

const TEXT: u8 = 0x81;
const FIRST: u8 = 0x01;
const CONTINUATION: u8 = 0x00;
const LAST: u8 = 0x80;

/// The ends of each length's range, what lies around the surrogates, and what is no character.
const VALID: &str =
    "\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{ffff}\u{10000}\u{1f980}\u{10ffff}";

const INVALID: [(&str, &[u8]); 14] = [
    ("a continuation byte alone", b"\x80"),
    ("never in UTF-8", b"\xff"),
    ("0xfe", b"\xfe"),
    ("a cut character before another", b"\xce\x41"),
    ("a cut character of three bytes", b"\xe2\x82\x41"),
    ("a cut character of four bytes", b"\xf0\x9f\xa6\x41"),
    ("the first surrogate", b"\xed\xa0\x80"),
    ("the last surrogate", b"\xed\xbf\xbf"),
    ("a pair of surrogates", b"\xed\xa0\x80\xed\xb0\x80"),
    ("overlong slash", b"\xc0\xaf"),
    ("overlong in three bytes", b"\xe0\x80\xaf"),
    ("overlong in four bytes", b"\xf0\x80\x80\xaf"),
    ("beyond the last character", b"\xf4\x90\x80\x80"),
    ("five bytes", b"\xf8\x88\x80\x80\x80"),
];

fn answers_to(server: &Server, frames: &[Vec<u8>]) -> Vec<Answer> {
    answers(&mut open(server, "/ws"), &frames.concat())
}

#[test]
fn every_kind_of_character_comes_through() {
    let server = Server::start(&[]);
    let bytes = frame(TEXT, heartbeat(VALID).as_bytes());
    assert_eq!(answers_to(&server, &[bytes]), [Echo(VALID.into())]);
}

#[test]
fn a_character_may_be_cut_by_fragments() {
    let server = Server::start(&[]);
    let message = heartbeat(VALID);
    let mut stream = open(&server, "/ws");
    for cut in 0..=message.len() {
        let (head, tail) = message.as_bytes().split_at(cut);
        let frames = [frame(FIRST, head), frame(CONTINUATION, b""), frame(LAST, tail)].concat();
        assert_eq!(answers(&mut stream, &frames), [Echo(VALID.into())], "{cut}");
    }
    let bytes = message.as_bytes();
    let mut frames = frame(FIRST, &bytes[..1]);
    for byte in &bytes[1..] {
        frames.extend(frame(CONTINUATION, &[*byte]));
    }
    frames.extend(frame(LAST, b""));
    assert_eq!(answers(&mut stream, &frames), [Echo(VALID.into())]);
}

#[test]
fn what_is_not_utf_8_is_refused() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    for (what, bytes) in INVALID {
        let message = heartbeat("|").into_bytes();
        let at = message.iter().position(|byte| *byte == b'|').unwrap();
        let message = [&message[..at], bytes, &message[at + 1..]].concat();
        assert_eq!(answers_to(&server, &[frame(TEXT, &message)]), [Close(Some(1007))], "{what}");
    }
    bystander.settle();
}

#[test]
fn what_is_not_utf_8_is_refused_by_the_fragment_that_breaks_it() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    for (what, bytes) in INVALID {
        // No last fragment: one that waited for it would answer the heartbeat of `answers` with 1002.
        let whole = [frame(FIRST, b"{\""), frame(CONTINUATION, bytes)];
        assert_eq!(answers_to(&server, &whole), [Close(Some(1007))], "{what}");
        for cut in 1..bytes.len() {
            let frames = [frame(FIRST, &bytes[..cut]), frame(CONTINUATION, &bytes[cut..])];
            assert_eq!(answers_to(&server, &frames), [Close(Some(1007))], "{what}, cut at {cut}");
        }
    }
    bystander.settle();
}

#[test]
fn a_message_must_not_end_within_a_character() {
    let server = Server::start(&[]);
    for cut in [&b"\xce"[..], b"\xe2\x82", b"\xf0\x9f", b"\xf0\x9f\xa6"] {
        let message = [b"\"", cut].concat();
        assert_eq!(answers_to(&server, &[frame(TEXT, &message)]), [Close(Some(1007))]);
        let fragments = [frame(FIRST, &message), frame(LAST, b"")];
        assert_eq!(answers_to(&server, &fragments), [Close(Some(1007))]);
    }
}
