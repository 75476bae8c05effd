//! Autobahn's section 7: the closing handshake.

use super::table::*;
use crate::support::raw::{Answer, frame};

pub fn rows(on: Path) -> Vec<Row> {
    [order(on), payloads(), codes()].concat()
}

/// Everything before a close is answered, and nothing behind it.
fn order(on: Path) -> Vec<Row> {
    let bye = close(1000, b"");
    let answered = [on.echo("a"), closed(1000)];
    let mut rows = vec![row("7.1.1", "a message before a close", &[on.text("a"), bye.clone()], &answered)];
    let late = [
        ("7.1.2", "a close", close(1001, b"late")),
        ("7.1.3", "a ping", ping(b"late")),
        ("7.1.4", "a message", on.text("late")),
        ("7.1.4", "what is no frame", vec![0xff; 100]),
        ("7.1.4", "much that is no frame", vec![0; 200_000]),
    ];
    for (id, what, late) in late {
        let frames = [on.text("a"), bye.clone(), late];
        rows.push(row(id, format!("{what} behind a close"), &frames, &answered));
    }
    let mut cut = on.fragments("a", &[1]);
    cut.insert(1, bye.clone());
    rows.push(row("7.1.5", "a close between fragments", &cut, &[closed(1000)]));
    if let Some((payload, echo)) = on.sized(256 * 1024) {
        let frames = [frame(FIN | TEXT, &payload), bye.clone(), ping(b"late")];
        rows.push(row("7.1.6", "a close behind a big message", &frames, &[echo, closed(1000)]));
    }
    let texts: Vec<_> = (0..3000).map(|number| number.to_string()).collect();
    let frames: Vec<_> = texts.iter().map(|text| on.text(text)).chain([bye]).collect();
    let echoes: Vec<_> = texts.iter().map(|text| on.echo(text)).chain([closed(1000)]).collect();
    rows.push(row("7.1.6", "a close behind 3000 messages", &frames, &echoes));
    rows
}

fn payloads() -> Vec<Row> {
    let mut rows = vec![
        row("7.3.1", "no payload", &[frame(FIN | CLOSE, b"")], &[Answer::Close(None)]),
        row("7.3.2", "half a code", &[frame(FIN | CLOSE, &[3])], &[closed(1002)]),
        row("7.3.3", "a code", &[close(1000, b"")], &[closed(1000)]),
        row("7.3.4", "a reason", &[close(1000, "bÿe".as_bytes())], &[closed(1000)]),
        row("7.3.5", "a reason of 123 bytes", &[close(1000, &[b'*'; 123])], &[closed(1000)]),
        row("7.3.6", "a reason of 124 bytes", &[close(1000, &[b'*'; 124])], &[closed(1002)]),
    ];
    for reason in [&b"\xff"[..], b"\xce", b"ok \xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        let what = format!("the reason {}", reason.escape_ascii());
        rows.push(row("7.5.1", what, &[close(1000, reason)], &[closed(1007)]));
    }
    rows
}

/// A code that a client may send comes back. 1012 to 1014 are not in the RFC, but in the registry that it
/// begins (11.7).
fn codes() -> Vec<Row> {
    let valid = (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]);
    let reason = "é".repeat(61);
    let with_reason = valid.clone().map(|code| {
        row("7.7", format!("{code} with a reason"), &[close(code, reason.as_bytes())], &[closed(code)])
    });
    let without = valid.map(|code| row("7.7", format!("{code}"), &[close(code, b"")], &[closed(code)]));
    let reserved = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999];
    let invalid = reserved.map(|code| ("7.9", code)).into_iter().chain([("7.13", 5000), ("7.13", 65_535)]);
    let refused =
        invalid.map(|(id, code)| row(id, format!("{code}"), &[close(code, b"no")], &[closed(1002)]));
    with_reason.chain(without).chain(refused).collect()
}
