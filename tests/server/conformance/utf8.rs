//! Autobahn's section 6: a text is UTF-8, wherever it is cut, and what is not is refused by the fragment that
//! shows it. Within one frame it is refused when all of the frame has come: Autobahn calls that non-strict
//! (6.4.3 and 6.4.4), and no frame is longer than the largest message.

use super::table::*;
use crate::support::raw::frame;

/// The ends of each length's range, and what lies around the surrogates.
const VALID: &str = "\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{1f980}\u{10ffff}";

/// What can be no part of a text, whatever follows.
const BROKEN: [(&str, &str, &[u8]); 31] = [
    ("6.8", "the first of five bytes", b"\xf8\x88\x80\x80\x80"),
    ("6.8", "the first of six bytes", b"\xfc\x84\x80\x80\x80\x80"),
    ("6.10", "the last of four bytes, if there were no limit", b"\xf7\xbf\xbf\xbf"),
    ("6.10", "the last of five bytes", b"\xfb\xbf\xbf\xbf\xbf"),
    ("6.10", "the last of six bytes", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
    ("6.11", "beyond the last character", b"\xf4\x90\x80\x80"),
    ("6.11", "far beyond it", b"\xf5\x80\x80\x80"),
    ("6.12", "two continuation bytes", b"\x80\xbf"),
    ("6.12", "seven continuation bytes", b"\x80\xbf\x80\xbf\x80\xbf\x80"),
    ("6.12", "a continuation byte behind a character", b"\xc3\xa9\x80"),
    ("6.14", "two of three bytes, and a letter", b"\xe2\x82A"),
    ("6.14", "two of four bytes, and a letter", b"\xf0\x9fA"),
    ("6.14", "three of four bytes, and a letter", b"\xf0\x9f\xa6A"),
    ("6.15", "cut characters in a row", b"\xc3\xe2\x82\xf0\x9f\xa6"),
    ("6.16", "fe", b"\xfe"),
    ("6.16", "ff", b"\xff"),
    ("6.16", "fe and ff", b"\xfe\xfe\xff\xff"),
    ("6.17", "a slash in two bytes", b"\xc0\xaf"),
    ("6.17", "a slash in three bytes", b"\xe0\x80\xaf"),
    ("6.17", "a slash in four bytes", b"\xf0\x80\x80\xaf"),
    ("6.17", "a slash in five bytes", b"\xf8\x80\x80\x80\xaf"),
    ("6.17", "a slash in six bytes", b"\xfc\x80\x80\x80\x80\xaf"),
    ("6.18", "the last overlong in two bytes", b"\xc1\xbf"),
    ("6.18", "the last overlong in three bytes", b"\xe0\x9f\xbf"),
    ("6.18", "the last overlong in four bytes", b"\xf0\x8f\xbf\xbf"),
    ("6.18", "the last overlong in five bytes", b"\xf8\x87\xbf\xbf\xbf"),
    ("6.18", "the last overlong in six bytes", b"\xfc\x83\xbf\xbf\xbf\xbf"),
    ("6.19", "a NUL in two bytes", b"\xc0\x80"),
    ("6.19", "a NUL in three bytes", b"\xe0\x80\x80"),
    ("6.19", "a NUL in four bytes", b"\xf0\x80\x80\x80"),
    ("6.19", "a NUL in six bytes", b"\xfc\x80\x80\x80\x80\x80"),
];

const LOW: [u16; 3] = [0xdc00, 0xdf80, 0xdfff];
const HIGH: [u16; 4] = [0xd800, 0xdb7f, 0xdb80, 0xdbff];

pub fn rows(on: Path) -> Vec<Row> {
    [empty(on), valid(on), every_cut(on), broken(on), unfinished(on)].concat()
}

fn empty(on: Path) -> Vec<Row> {
    if on == Path::Phoenix {
        return Vec::new();
    }
    vec![
        row("6.1.1", "an empty text", &[frame(FIN | TEXT, b"")], &[on.echo("")]),
        row("6.1.2", "an empty text in fragments", &on.fragments("", &[0, 0]), &[on.echo("")]),
        row("6.1.3", "empty fragments around a text", &on.fragments("text", &[0, 4]), &[on.echo("text")]),
        row("6.7", "a NUL", &[on.text("\0")], &[on.echo("\0")]),
    ]
}

/// Texts that come through, whole and in fragments of one byte.
fn valid(on: Path) -> Vec<Row> {
    let mut texts: Vec<(&'static str, String)> = vec![
        ("6.2", "Grüße, κόσμε, 世界, 🦀".into()),
        ("6.7", "\u{80}\u{800}\u{10000}".into()),
        ("6.9", "\u{7f}\u{7ff}\u{ffff}\u{10ffff}".into()),
        ("6.11", VALID.into()),
        ("6.23", ('\u{fff0}'..='\u{fffd}').collect()),
    ];
    for plane in 0..=16 {
        // No characters, but no error either: RFC 6455 says UTF-8, which does not exclude them.
        let ends = [plane << 16 | 0xfffe, plane << 16 | 0xffff];
        texts.push(("6.22", ends.into_iter().filter_map(char::from_u32).collect()));
    }
    texts.push(("6.22", ('\u{fdd0}'..='\u{fddf}').collect()));
    texts.push(("6.22", ('\u{fde0}'..='\u{fdef}').collect()));
    let rows = texts.iter().flat_map(|(id, text)| {
        let single = equal_fragments(TEXT, &on.payload(text.as_bytes()), 1);
        [
            row(id, text.escape_unicode().to_string(), &[on.text(text)], &[on.echo(text)]),
            row(id, format!("{}, a byte a fragment", text.escape_unicode()), &single, &[on.echo(text)]),
        ]
    });
    rows.collect()
}

/// A text cut into two fragments at each of its bytes, with an empty one between, on one socket.
fn every_cut(on: Path) -> Vec<Row> {
    let length = on.payload(VALID.as_bytes()).len();
    let frames: Vec<_> = (0..=length).flat_map(|cut| on.fragments(VALID, &[cut, 0])).collect();
    vec![row("6.2", "two fragments, cut at any byte", &frames, &vec![on.echo(VALID); length + 1])]
}

fn broken(on: Path) -> Vec<Row> {
    let mut sequences: Vec<(&'static str, String, Vec<u8>)> =
        BROKEN.iter().map(|(id, what, bytes)| (*id, (*what).to_owned(), bytes.to_vec())).collect();
    for byte in 0x80..=0xbf {
        sequences.push(("6.12", format!("{byte:x} alone"), vec![byte]));
    }
    for byte in 0xc0..=0xfd {
        sequences.push(("6.13", format!("{byte:x} and a space"), vec![byte, b' ']));
    }
    for unit in HIGH.into_iter().chain(LOW) {
        sequences.push(("6.20", format!("surrogate {unit:x}"), surrogate(unit)));
    }
    for (high, low) in HIGH.into_iter().flat_map(|high| LOW.map(|low| (high, low))) {
        let pair = [surrogate(high), surrogate(low)].concat();
        sequences.push(("6.21", format!("surrogates {high:x} and {low:x}"), pair));
    }
    sequences.iter().flat_map(|(id, what, bytes)| refused(on, id, what, bytes)).collect()
}

/// Bytes that break a text: whole, in fragments, and in fragments of which the last never comes.
fn refused(on: Path, id: &'static str, what: &str, bytes: &[u8]) -> [Row; 3] {
    let payload = on.payload(bytes);
    let open = on.unfinished(b"");
    let mut unfinished = vec![frame(TEXT, &open)];
    unfinished.extend(bytes.iter().map(|byte| frame(CONTINUATION, &[*byte])));
    [
        row(id, what, &[frame(FIN | TEXT, &payload)], &[closed(1007)]),
        row(
            "6.3",
            format!("{what}, a byte a fragment"),
            &equal_fragments(TEXT, &payload, 1),
            &[closed(1007)],
        ),
        row("6.4", format!("{what}, before the last fragment"), &unfinished, &[closed(1007)]),
    ]
}

/// A text that ends within a character.
fn unfinished(on: Path) -> Vec<Row> {
    let word = "κόσμε€🦀";
    let mut rows = Vec::new();
    for cut in (1..word.len()).filter(|cut| !word.is_char_boundary(*cut)) {
        let payload = on.unfinished(&word.as_bytes()[..cut]);
        let what = format!("cut at {cut}");
        rows.push(row("6.6", what.as_str(), &[frame(FIN | TEXT, &payload)], &[closed(1007)]));
        let frames = equal_fragments(TEXT, &payload, 1);
        rows.push(row("6.6", format!("{what}, a byte a fragment"), &frames, &[closed(1007)]));
        // It may still become one: no close yet.
        rows.push(row("6.6", format!("{what}, more to come"), &[frame(TEXT, &payload)], &[]));
    }
    rows
}

/// Half of a pair of UTF-16, in the form that UTF-8 would give it.
fn surrogate(unit: u16) -> Vec<u8> {
    vec![0xe0 | (unit >> 12) as u8, 0x80 | (unit >> 6 & 0x3f) as u8, 0x80 | (unit & 0x3f) as u8]
}
