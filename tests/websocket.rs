//! RFC 6455 over real sockets: frames in, frames out. Heartbeats on `/ws` serve as an echo.

mod common;

use common::Server;
use common::raw::Answer::{Close, Echo, Pong};
use common::raw::{Answer, Bystander, answers, frame, heartbeat, heartbeat_of, open};
use std::io::Write;
use std::net::TcpStream;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What it shows, the bytes that a client sends, what it gets.
type Case = (String, Vec<u8>, Vec<Answer>);

/// Tries each case on a socket of its own, while another one must notice nothing.
fn check(server: &Server, cases: Vec<Case>) {
    let mut bystander = Bystander::new(server);
    for (what, bytes, expected) in cases {
        assert_eq!(answers(&mut open(server, "/ws"), &bytes), expected, "{what}");
    }
    bystander.settle();
}

fn case(what: impl Into<String>, frames: &[Vec<u8>], expected: &[Answer]) -> Case {
    (what.into(), frames.concat(), expected.to_vec())
}

fn text(reference: &str) -> Vec<u8> {
    frame(FIN | TEXT, heartbeat(reference).as_bytes())
}

fn echo(reference: &str) -> Answer {
    Echo(reference.into())
}

/// A heartbeat in fragments of these lengths, the last one with what is left.
fn fragments(reference: &str, lengths: &[usize]) -> Vec<Vec<u8>> {
    let message = heartbeat(reference);
    let mut rest = message.as_bytes();
    let mut frames = Vec::new();
    for (index, &length) in lengths.iter().enumerate() {
        let (fragment, after) = rest.split_at(length);
        frames.push(frame(if index == 0 { TEXT } else { CONTINUATION }, fragment));
        rest = after;
    }
    frames.push(frame(FIN | CONTINUATION, rest));
    frames
}

/// The header of a masked frame, in the form of its length that is asked for, and no payload.
fn header(first: u8, length: &[u8]) -> Vec<u8> {
    let marker: u8 = match length.len() {
        1 => length[0],
        2 => 126,
        _ => 127,
    };
    let extended = if length.len() == 1 { &[] } else { length };
    [&[first, 0x80 | marker], extended, &[1, 2, 3, 4]].concat()
}

#[test]
fn frames_that_are_not_masked_are_refused() {
    let unmasked = |first: u8, payload: &str| [&[first, payload.len() as u8], payload.as_bytes()].concat();
    let refused = [Close(Some(1002))];
    check(
        &Server::start(&[]),
        vec![
            case("text", &[unmasked(FIN | TEXT, &heartbeat("a"))], &refused),
            case("ping", &[unmasked(FIN | PING, "")], &refused),
            case("close", &[unmasked(FIN | CLOSE, "")], &refused),
            case("header alone", &[vec![FIN | TEXT, 100]], &refused),
            case(
                "after one that is",
                &[text("a"), unmasked(FIN | TEXT, "b")],
                &[echo("a"), Close(Some(1002))],
            ),
        ],
    );
}

#[test]
fn reserved_bits_are_refused_on_every_kind_of_frame() {
    let mut cases = Vec::new();
    for bits in (0x10..=0x70).step_by(0x10) {
        for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
            let frames = [text("a"), frame(FIN | bits | opcode, b"")];
            cases.push(case(format!("{bits:x} {opcode:x}"), &frames, &[echo("a"), Close(Some(1002))]));
        }
        let frames = [frame(TEXT, b""), frame(FIN | bits | CONTINUATION, b"")];
        cases.push(case(format!("{bits:x} continuation"), &frames, &[Close(Some(1002))]));
    }
    check(&Server::start(&[]), cases);
}

#[test]
fn reserved_opcodes_are_refused() {
    let opcodes = (3..=7).chain(11..=15);
    let cases = opcodes.flat_map(|opcode: u8| {
        [(FIN, &b""[..]), (FIN, b"payload"), (0, b"")].map(|(fin, payload)| {
            let frames = [text("a"), frame(fin | opcode, payload)];
            case(format!("{opcode} {fin} {payload:?}"), &frames, &[echo("a"), Close(Some(1002))])
        })
    });
    check(&Server::start(&[]), cases.collect());
}

#[test]
fn control_frames_are_short_and_whole() {
    let mut cases = Vec::new();
    for opcode in [CLOSE, PING, PONG] {
        let too_long = [frame(FIN | opcode, &[b'x'; 126])];
        cases.push(case(format!("{opcode} of 126 bytes"), &too_long, &[Close(Some(1002))]));
        let announced = [header(FIN | opcode, &[0, 126])];
        cases.push(case(
            format!("{opcode} of 126 bytes by its header alone"),
            &announced,
            &[Close(Some(1002))],
        ));
        let fragment = [frame(opcode, b""), frame(FIN | CONTINUATION, b"")];
        cases.push(case(format!("fragment of {opcode}"), &fragment, &[Close(Some(1002))]));
    }
    check(&Server::start(&[]), cases);
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let server = Server::start(&[]);
    let mut stream = open(&server, "/ws");
    for length in 0..=125 {
        let payload: Vec<u8> = (0..length).map(|byte| byte ^ 0xa5).collect();
        assert_eq!(answers(&mut stream, &frame(FIN | PING, &payload)), [Pong(payload)]);
    }
}

#[test]
fn pings_are_answered_in_order_among_messages() {
    let frames =
        [frame(FIN | PING, b"1"), text("2"), frame(FIN | PING, b""), text("3"), frame(FIN | PING, b"4")];
    let expected = [Pong(b"1".into()), echo("2"), Pong(vec![]), echo("3"), Pong(b"4".into())];
    check(&Server::start(&[]), vec![case("in order", &frames, &expected)]);
}

#[test]
fn a_pong_that_nobody_asked_for_is_ignored() {
    let frames = [frame(FIN | PONG, b""), text("a"), frame(FIN | PONG, &[0xff; 125]), text("b")];
    check(&Server::start(&[]), vec![case("pongs", &frames, &[echo("a"), echo("b")])]);
}

#[test]
fn fragments_make_one_message() {
    let length = heartbeat("a").len();
    let mut interleaved = fragments("a", &[5, 0, 7]);
    interleaved.insert(1, frame(FIN | PING, b"between"));
    interleaved.insert(3, frame(FIN | PONG, b"between"));
    interleaved.insert(4, frame(FIN | PING, b""));
    let single: Vec<_> = fragments("a", &vec![1; length]);
    check(
        &Server::start(&[]),
        vec![
            case("two", &fragments("a", &[10]), &[echo("a")]),
            case("empty first", &fragments("a", &[0]), &[echo("a")]),
            case("empty last", &fragments("a", &[length]), &[echo("a")]),
            case("empty between", &fragments("a", &[3, 0, 0, 0, 4]), &[echo("a")]),
            case("of one byte, and an empty last one", &single, &[echo("a")]),
            case(
                "with control frames between",
                &interleaved,
                &[Pong(b"between".into()), Pong(vec![]), echo("a")],
            ),
            case(
                "one message after the other",
                &[fragments("a", &[9]).concat(), text("b"), fragments("c", &[0, 20]).concat()],
                &[echo("a"), echo("b"), echo("c")],
            ),
            case(
                "a close between",
                &[frame(TEXT, b"{"), frame(FIN | CLOSE, &1000u16.to_be_bytes())],
                &[Close(Some(1000))],
            ),
        ],
    );
}

#[test]
fn fragments_out_of_turn_are_refused() {
    let refused = [Close(Some(1002))];
    let started = frame(TEXT, b"{");
    check(
        &Server::start(&[]),
        vec![
            case("last one without a first", &[frame(FIN | CONTINUATION, b"{}")], &refused),
            case("one without a first", &[frame(CONTINUATION, b"{")], &refused),
            case(
                "one after a whole message",
                &[text("a"), frame(FIN | CONTINUATION, b"")],
                &[echo("a"), Close(Some(1002))],
            ),
            case(
                "one after a finished message",
                &[fragments("a", &[4]).concat(), frame(FIN | CONTINUATION, b"")],
                &[echo("a"), Close(Some(1002))],
            ),
            case("a new text inside", &[started.clone(), text("a")], &refused),
            case("a new binary inside", &[started.clone(), frame(FIN | BINARY, b"")], &refused),
            case("a new fragmented text inside", &[started, frame(TEXT, b"")], &refused),
        ],
    );
}

#[test]
fn binary_messages_are_not_taken() {
    check(
        &Server::start(&[]),
        vec![
            case("whole", &[text("a"), frame(FIN | BINARY, b"\xff")], &[echo("a"), Close(Some(1003))]),
            case(
                "in fragments",
                &[frame(BINARY, b"\xff"), frame(FIN | CONTINUATION, b"")],
                &[Close(Some(1003))],
            ),
        ],
    );
}

/// What a client may say in one go, and how it is answered.
fn conversation() -> (Vec<u8>, Vec<Answer>) {
    let mut interleaved = fragments("é", &[9, 0]);
    interleaved.insert(1, frame(FIN | PING, b"p"));
    let long = frame(FIN | TEXT, heartbeat_of(130, "long").as_bytes());
    let close = frame(FIN | CLOSE, &[&3000u16.to_be_bytes(), &b"bye"[..]].concat());
    let frames = [text("a"), interleaved.concat(), long, close].concat();
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
fn many_frames_in_one_write_are_answered_in_order() {
    let references: Vec<_> = (0..10_000).map(|number| number.to_string()).collect();
    let frames: Vec<_> = references.iter().map(|reference| text(reference)).collect();
    let expected: Vec<_> = references.iter().map(|reference| echo(reference)).collect();
    check(&Server::start(&[]), vec![case("many", &frames, &expected)]);
}
