//! RFC 6455 as a table: what a client sends, and what has to come back. The rows go by the sections of the
//! Autobahn test suite, which `scripts/autobahn.sh` runs itself where it is at hand.
//!
//! Each row is tried on a socket of its own on `/ws`, where a heartbeat's reference comes back and binary
//! messages are refused, and with the feature `conformance` on `/echo` too, where everything comes back:
//! once in one write, once byte by byte.

mod closing;
use crate::support;
#[cfg(feature = "conformance")]
mod echo;
mod fragments;
mod framing;
mod limits;
mod table;
mod utf8;

use std::collections::BTreeMap;
use std::io::{self, Write};

use support::Server;
use support::raw::{self, Answer, Bystander};
use table::{MAX_MESSAGE_SIZE, Path, Row};

/// Rows of more bytes than this go in this many pieces rather than byte by byte.
const PIECES: usize = 4096;

fn rows(on: Path) -> Vec<Row> {
    [framing::rows(on), fragments::rows(on), utf8::rows(on), closing::rows(on), limits::rows(on)].concat()
}

#[test]
fn the_table_holds_on_ws() {
    check(Path::Phoenix);
}

#[test]
fn the_table_holds_on_echo_which_only_the_feature_adds() {
    if cfg!(feature = "conformance") {
        return check(Path::Echo);
    }
    assert_eq!(raw::request(&Server::start(&[]), raw::handshake("/echo")).status, 404);
}

/// Tries the table, prints how much of it was tried and held, and fails with the rows that did not.
fn check(on: Path) {
    let server = Server::start(&["--max-message-size", &MAX_MESSAGE_SIZE.to_string()]);
    let mut bystander = Bystander::new(&server);
    let rows = rows(on);
    let wrong: Vec<_> = rows.iter().flat_map(|row| try_row(&server, on, row)).collect();
    bystander.settle();
    report(on, &rows, wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tries a row in both ways, and returns what was wrong with the answers.
fn try_row(server: &Server, on: Path, row: &Row) -> Vec<String> {
    let length = row.bytes.len();
    let mut wrong = Vec::new();
    for piece in [length, length.div_ceil(PIECES)] {
        let mut stream = raw::open(server, on.name());
        let answers = raw::answers_in_pieces(&mut stream, &row.bytes, piece);
        if answers != row.expected {
            let (Row { id, what, .. }, answers, expected) = (row, show(&answers), show(&row.expected));
            wrong.push(format!("{id} {what}, {piece} bytes a write: {answers}; expected {expected}"));
        }
    }
    wrong
}

/// The figures of a run, past the capture of a test's output: they are shown of runs that went well too.
fn report(on: Path, rows: &[Row], wrong: usize) {
    let mut sections = BTreeMap::<_, usize>::new();
    for row in rows {
        let section = row.section();
        // 10 comes behind 9.
        *sections.entry((section.len(), section)).or_default() += 1;
    }
    let sections: Vec<_> = sections.iter().map(|((_, section), rows)| format!("{section}: {rows}")).collect();
    let tries = 2 * rows.len();
    let _ = writeln!(
        io::stderr(),
        "conformance on {}: {} rows ({}), {tries} tries, {} as they must be",
        on.name(),
        rows.len(),
        sections.join(", "),
        tries - wrong
    );
}

/// Answers to read in one line, however many and long they are.
fn show(answers: &[Answer]) -> String {
    let start = |answer: &Answer| format!("{answer:?}").chars().take(80).collect::<String>();
    let first: Vec<_> = answers.iter().take(4).map(start).collect();
    format!("{} answers ({})", answers.len(), first.join(", "))
}
