//! Autobahn's sections 9 and 10: messages that are big or many, at a size that is quick to try. That they come
//! in pieces (9.5, 9.6) is how each row is tried the second time.

use super::table::*;
use crate::support::raw::{fragments, frame, header};

const KIB: usize = 1024;

pub fn rows(on: Path) -> Vec<Row> {
    [big(on), too_big(on), up_to_the_limit(on), many_fragments(on), many_messages(on)].concat()
}

fn big(on: Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for length in [64 * KIB, 256 * KIB, on.max_message_size()] {
        if let Some((payload, echo)) = on.sized(length) {
            let frames = [frame(FIN | TEXT, &payload), ping(b"behind")];
            rows.push(row("9.1", format!("text of {length} bytes"), &frames, &[echo, pong(b"behind")]));
        }
        let payload = vec![0xfe; length];
        let frames = [frame(FIN | BINARY, &payload)];
        rows.push(row("9.2", format!("binary of {length} bytes"), &frames, &[on.binary(&payload)]));
    }
    rows
}

/// A message that is too big is refused by its header: its bytes need not come. On `/ws` the limit is that of
/// `--max-message-size`.
fn too_big(on: Path) -> Vec<Row> {
    let limit = on.max_message_size() as u64;
    let announced = |first, length: u64| header(first, 127, &length.to_be_bytes());
    let mut rows = Vec::new();
    for length in [limit + 1, 1 << 32, (1 << 63) - 1] {
        for first in [FIN | TEXT, TEXT, FIN | BINARY, BINARY] {
            let frames = [announced(first, length)];
            rows.push(row("9.1", format!("{length} bytes in {first:#x}"), &frames, &[closed(1009)]));
        }
        for (before, what) in [(0, "all of"), (1, "all but one of"), (1000, "all but 1000 of")] {
            let last = announced(FIN | CONTINUATION, length - before as u64);
            let frames = [frame(TEXT, &vec![b'*'; before]), last];
            rows.push(row(
                "9.3",
                format!("{what} {length} bytes in the last fragment"),
                &frames,
                &[closed(1009)],
            ));
        }
    }
    let frames = [frame(TEXT, &vec![b' '; limit as usize]), announced(FIN | CONTINUATION, 1)];
    rows.push(row("9.3", "a byte more than the limit in the last fragment", &frames, &[closed(1009)]));
    // RFC 6455, section 5.2: the most significant bit must be 0. Such a length is too big as well, and is answered as that.
    for length in [1 << 63, u64::MAX] {
        let frames = [announced(FIN | BINARY, length)];
        rows.push(row("5.2", format!("a length of {length:#x}"), &frames, &[closed(1009)]));
    }
    rows
}

/// Fragments count together, and control frames between them do not count.
fn up_to_the_limit(on: Path) -> Vec<Row> {
    let limit = on.max_message_size();
    let Some((payload, echo)) = on.sized(limit) else { return Vec::new() };
    let mut rows = Vec::new();
    for at in [0, 1, 400, limit] {
        let frames = fragments(TEXT, &payload, &[at]);
        rows.push(row("9.3", format!("{limit} bytes, cut at {at}"), &frames, std::slice::from_ref(&echo)));
    }
    let mut frames = fragments(TEXT, &payload, &[limit]);
    frames.insert(1, ping(&[b'p'; 125]).repeat(10));
    let mut expected = vec![pong(&[b'p'; 125]); 10];
    expected.push(echo);
    rows.push(row("9.3", format!("{limit} bytes and pings between the fragments"), &frames, &expected));
    rows
}

fn many_fragments(on: Path) -> Vec<Row> {
    let mut rows = Vec::new();
    let length = MAX_MESSAGE_SIZE;
    for each in [64, 1000, 64 * KIB] {
        if let Some((payload, echo)) = on.sized(length) {
            let frames = equal_fragments(TEXT, &payload, each);
            rows.push(row("9.3", format!("{length} bytes of text, {each} a fragment"), &frames, &[echo]));
        }
        let payload = vec![0xfe; length];
        let frames = equal_fragments(BINARY, &payload, each);
        let what = format!("{length} bytes of binary, {each} a fragment");
        rows.push(row("9.4", what, &frames, &[on.binary(&payload)]));
    }
    if let Some((payload, echo)) = on.sized(65_536) {
        let frames = equal_fragments(TEXT, &payload, 1300);
        rows.push(row("10.1.1", "65536 bytes, 1300 a fragment", &frames, &[echo]));
    }
    rows
}

fn many_messages(on: Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for length in [0, 16, 64, 256, 1024, 4096] {
        let Some((payload, echo)) = on.sized(length) else {
            continue;
        };
        let frames = vec![frame(FIN | TEXT, &payload); 1000];
        rows.push(row("9.7", format!("1000 texts of {length} bytes"), &frames, &vec![echo; 1000]));
        if on == Path::Echo {
            let frames = vec![frame(FIN | BINARY, &payload); 1000];
            let what = format!("1000 binary messages of {length} bytes");
            rows.push(row("9.8", what, &frames, &vec![on.binary(&payload); 1000]));
        }
    }
    let texts: Vec<_> = (0..10_000).map(|number| number.to_string()).collect();
    let frames: Vec<_> = texts.iter().map(|text| on.text(text)).collect();
    let echoes: Vec<_> = texts.iter().map(|text| on.echo(text)).collect();
    rows.push(row("9.7", "10,000 texts in order", &frames, &echoes));
    rows
}
