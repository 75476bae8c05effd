//! Autobahn's section 5: messages in fragments, with control frames between them, and fragments out of turn.

use super::table::*;
use crate::support::raw::{fragments, frame};

pub fn rows(on: Path) -> Vec<Row> {
    [whole(on), interleaved(on), out_of_turn(on), binary(on)].concat()
}

fn whole(on: Path) -> Vec<Row> {
    let length = on.payload(b"hello").len();
    let echo = [on.echo("hello")];
    let lengths: [(&str, Vec<usize>); 5] = [
        ("two fragments", vec![3]),
        ("an empty first one", vec![0]),
        ("an empty last one", vec![length]),
        ("empty ones between", vec![2, 0, 0, 0, 1]),
        ("fragments of one byte, and an empty last one", vec![1; length]),
    ];
    let mut rows: Vec<_> = lengths
        .iter()
        .map(|(what, lengths)| row("5.3", *what, &on.fragments("hello", lengths), &echo))
        .collect();
    let one_by_one = [on.fragments("a", &[1]).concat(), on.text("b"), on.fragments("c", &[0, 1]).concat()];
    let echoes = [on.echo("a"), on.echo("b"), on.echo("c")];
    rows.push(row("5.3", "one message after the other", &one_by_one, &echoes));
    rows
}

fn interleaved(on: Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for opcode in [PING, PONG, CLOSE] {
        let id = if opcode == PONG { "5.2" } else { "5.1" };
        let frames = [frame(opcode, b"frag"), frame(FIN | CONTINUATION, b"ment")];
        rows.push(row(id, format!("opcode {opcode} in fragments"), &frames, &[closed(1002)]));
    }
    let mut one_ping = on.fragments("hello", &[3]);
    one_ping.insert(1, ping(b"between"));
    rows.push(row("5.6", "a ping between", &one_ping, &[pong(b"between"), on.echo("hello")]));
    let mut five = on.fragments("hello", &[1, 1, 0, 1]);
    five.insert(1, ping(b"1"));
    five.insert(2, frame(FIN | PONG, b"unasked"));
    five.insert(4, ping(b""));
    five.insert(5, ping(&[0xff; 125]));
    let answers = [pong(b"1"), pong(b""), pong(&[0xff; 125]), on.echo("hello")];
    rows.push(row("5.19", "pings and pongs between five fragments", &five, &answers));
    rows
}

fn out_of_turn(on: Path) -> Vec<Row> {
    let refused = [closed(1002)];
    let after = [on.echo("a"), closed(1002)];
    let started = frame(TEXT, b"{");
    let last = frame(FIN | CONTINUATION, b"");
    let one = frame(CONTINUATION, b"{");
    vec![
        row("5.9", "a last one without a first", &[last.clone(), on.text("a")], &refused),
        row("5.10", "one with payload", &[frame(FIN | CONTINUATION, b"{}")], &refused),
        row("5.11", "a last one behind a whole message", &[on.text("a"), last.clone()], &after),
        row("5.12", "one more to come, without a first", &[one.clone(), on.text("a")], &refused),
        row("5.13", "one more to come, behind a whole message", &[on.text("a"), one.clone()], &after),
        row("5.14", "one more to come, behind fragments", &[on.fragments("a", &[1]).concat(), one], &after),
        row("5.15", "the last one twice", &[on.fragments("a", &[0]).concat(), last.clone()], &after),
        row("5.16", "a text inside", &[started.clone(), on.text("a")], &refused),
        row("5.17", "a binary inside", &[started.clone(), frame(FIN | BINARY, b"")], &refused),
        row("5.18", "a fragmented text inside", &[started.clone(), frame(TEXT, b""), last.clone()], &refused),
        row("5.18", "a fragmented binary inside", &[started, frame(BINARY, b""), last], &refused),
    ]
}

fn binary(on: Path) -> Vec<Row> {
    let payload: Vec<u8> = (0..=255).collect();
    let mut with_ping = fragments(BINARY, &payload, &[100, 0]);
    with_ping.insert(2, ping(b"between"));
    vec![
        row("5.3", "binary in fragments", &fragments(BINARY, &payload, &[1, 100]), &[on.binary(&payload)]),
        row("5.6", "binary, a ping between", &with_ping, &[pong(b"between"), on.binary(&payload)]),
        row("5.3", "nothing in fragments", &fragments(BINARY, b"", &[0, 0]), &[on.binary(b"")]),
    ]
}
