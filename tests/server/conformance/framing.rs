//! Autobahn's sections 1 to 4: payload lengths, pings and pongs, reserved bits, opcodes. And masks, which
//! Autobahn's client always sets.

use super::table::*;
use crate::support::raw::{frame, header};

pub fn rows(on: Path) -> Vec<Row> {
    [lengths(on), pings(on), reserved_bits(on), opcodes(on), masks(on)].concat()
}

fn lengths(on: Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for length in [0, 125, 126, 127, 128, 255, 256, 32_767, 32_768, 65_534, 65_535, 65_536] {
        let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let frames = [frame(FIN | BINARY, &payload)];
        rows.push(row("1.2", format!("binary of {length} bytes"), &frames, &[on.binary(&payload)]));
        if let Some((payload, echo)) = on.sized(length) {
            let frames = vec![frame(FIN | TEXT, &payload); 2];
            rows.push(row("1.1", format!("text of {length} bytes, twice"), &frames, &[echo.clone(), echo]));
        }
    }
    let (payload, echo) = on.sized(100).expect("long enough");
    let masked: Vec<u8> = payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(a, b)| a ^ b).collect();
    let forms: [(u8, &[u8]); 3] = [(100, &[]), (126, &[0, 100]), (127, &[0, 0, 0, 0, 0, 0, 0, 100])];
    for (marker, length) in forms {
        // A longer form than need be is against the RFC (5.2), but refusing it would serve no purpose.
        let frames = [header(FIN | TEXT, marker, length), masked.clone()];
        rows.push(row("RFC 5.2", format!("a length behind {marker}"), &frames, std::slice::from_ref(&echo)));
    }
    rows
}

fn pings(on: Path) -> Vec<Row> {
    let every: Vec<Vec<u8>> = (0..=125).map(|length| (0..length).map(|byte| byte ^ 0xa5).collect()).collect();
    let every_ping: Vec<_> = every.iter().map(|payload| ping(payload)).collect();
    let every_pong: Vec<_> = every.iter().map(|payload| pong(payload)).collect();
    let among = [ping(b"1"), on.text("2"), ping(b""), on.text("3"), ping(b"4")];
    let among_answers = [pong(b"1"), on.echo("2"), pong(b""), on.echo("3"), pong(b"4")];
    let unasked = [frame(FIN | PONG, b""), on.text("a"), frame(FIN | PONG, &[0xff; 125]), ping(b"p")];
    let ten: Vec<_> = (0..10u8).map(|number| ping(&[number])).collect();
    let ten_answers: Vec<_> = (0..10u8).map(|number| pong(&[number])).collect();
    let mut rows = vec![
        row("2.1", "a ping without payload", &[ping(b"")], &[pong(b"")]),
        row("2.2", "a ping with text", &[ping(b"hello")], &[pong(b"hello")]),
        row("2.3", "a ping with binary", &[ping(b"\0\xff\xfe\x80")], &[pong(b"\0\xff\xfe\x80")]),
        row("2.4", "a ping of 125 bytes", &[ping(&[0xfe; 125])], &[pong(&[0xfe; 125])]),
        row("2.6", "pings of all lengths", &every_ping, &every_pong),
        row("2.7", "an unsolicited pong", &[frame(FIN | PONG, b"")], &[]),
        row("2.8", "one with payload", &[frame(FIN | PONG, b"unasked")], &[]),
        row("2.9", "pongs among others", &unasked, &[on.echo("a"), pong(b"p")]),
        row("2.10", "ten pings", &ten, &ten_answers),
        row("2.10", "pings among messages", &among, &among_answers),
    ];
    for opcode in [CLOSE, PING, PONG] {
        let whole = [frame(FIN | opcode, &[b'x'; 126])];
        rows.push(row("2.5", format!("opcode {opcode} with 126 bytes"), &whole, &[closed(1002)]));
        let announced = [header(FIN | opcode, 126, &[0, 126])];
        rows.push(row("2.5", format!("opcode {opcode}, 126 bytes announced"), &announced, &[closed(1002)]));
    }
    rows
}

/// A frame that is refused: alone, and between what is valid, of which the latter comes too late.
fn refused(on: Path, id: &'static str, what: &str, wrong: Vec<u8>) -> [Row; 2] {
    let alone = [wrong];
    let [wrong] = alone.clone();
    let frames = [on.text("a"), wrong, ping(b"late")];
    [
        row(id, format!("{what}, alone"), &alone, &[closed(1002)]),
        row(id, what, &frames, &[on.echo("a"), closed(1002)]),
    ]
}

fn reserved_bits(on: Path) -> Vec<Row> {
    const IDS: [&str; 7] = ["3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7"];
    let mut rows = Vec::new();
    for (id, bits) in IDS.into_iter().zip((0x10..=0x70).step_by(0x10)) {
        for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
            for payload in [&b""[..], b"payload"] {
                let wrong = frame(FIN | bits | opcode, payload);
                let what = format!("bits {bits:#x} on opcode {opcode}, {} bytes", payload.len());
                rows.extend(refused(on, id, &what, wrong));
            }
        }
        let frames = [frame(TEXT, b""), frame(FIN | bits | CONTINUATION, b"")];
        rows.push(row(id, format!("bits {bits:#x} on a continuation"), &frames, &[closed(1002)]));
    }
    rows
}

fn opcodes(on: Path) -> Vec<Row> {
    let data = (3..=7).map(|opcode| ("4.1", opcode));
    let control = (11..=15).map(|opcode| ("4.2", opcode));
    let mut rows = Vec::new();
    for (id, opcode) in data.chain(control) {
        for (fin, payload) in [(FIN, &b""[..]), (FIN, b"payload"), (0, b"")] {
            let wrong = frame(fin | opcode, payload);
            let what = format!("opcode {opcode}, final {}, {} bytes", fin == FIN, payload.len());
            rows.extend(refused(on, id, &what, wrong));
        }
    }
    rows
}

fn masks(on: Path) -> Vec<Row> {
    let unmasked = |first: u8, payload: &[u8]| [&[FIN | first, payload.len() as u8], payload].concat();
    let frames = [
        ("text without a mask", unmasked(TEXT, &on.payload(b"a"))),
        ("binary without a mask", unmasked(BINARY, b"")),
        ("ping without a mask", unmasked(PING, b"")),
        ("close without a mask", unmasked(CLOSE, b"")),
        ("the header alone", vec![FIN | TEXT, 100]),
    ];
    frames.into_iter().flat_map(|(what, frame)| refused(on, "RFC 5.1", what, frame)).collect()
}
