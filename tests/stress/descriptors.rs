//! More connections than there is room for, again and again, while others talk.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::process::Command;

use crate::healthy_pairs::Pairs;
use crate::support::raw::handshake;
use crate::support::{Server, wait_until};

const ROUNDS: usize = 5;
/// Connections tried in each round.
const BURST: usize = 300;

/// A WebSocket, or `None` if the connection is refused, which takes a 503 or a reset.
fn try_open(server: &Server) -> Option<TcpStream> {
    let mut stream = server.connect();
    // Writing to a connection that was refused meanwhile may fail, and so may reading the response.
    let _ = stream.write_all(handshake("/ws").as_bytes());
    let mut status = [0; 12];
    match stream.read_exact(&mut status) {
        Ok(()) if &status == b"HTTP/1.1 101" => return Some(stream),
        Ok(()) => assert_eq!(&status, b"HTTP/1.1 503"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    None
}

/// Opens and closes bursts of connections; returns how many were accepted and refused in all.
fn bursts(server: &Server, capacity: RangeInclusive<usize>) -> (usize, usize) {
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let before = server.descriptors();
        let mut open: Vec<_> = (0..BURST).filter_map(|_| try_open(server)).collect();
        let full = open.len();
        assert!(capacity.contains(&full), "{full} are accepted");
        accepted += full;
        refused += BURST - full;
        // When some have closed, as many others are accepted.
        open.drain(..20);
        wait_until("as many others are accepted", || {
            match try_open(server) {
                Some(stream) => open.push(stream),
                None => refused += 1,
            }
            open.len() == full
        });
        accepted += 20;
        drop(open);
        wait_until("all connections are closed", || server.descriptors() == before);
    }
    (accepted, refused)
}

fn survive(scenario: &str, server: &Server, capacity: RangeInclusive<usize>) {
    let pairs = Pairs::start(server);
    let (accepted, refused) = bursts(server, capacity);
    crate::report(
        scenario,
        format!("{} connections in {ROUNDS} bursts", accepted + refused),
        format!("{accepted} accepted, {refused} refused with 503, none left open; {}", pairs.finish()),
    );
}

#[test]
fn without_descriptors_new_connections_are_refused_and_the_others_go_on() {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n 128; exec "$0" "$@""#]).arg(Server::command().get_program());
    command.args(["--host", "127.0.0.1", "--port", "0", "--max-connections", "1000"]);
    let server = Server::spawn(command.env_remove("PORT").env("RUST_LOG", "error"));
    survive("128 descriptors", &server, 90..=110);
}

#[test]
fn beyond_max_connections_new_connections_are_refused_and_the_others_go_on() {
    // The pairs have fifteen connections.
    survive("115 connections at the most", &crate::start(&["--max-connections", "115"]), 100..=100);
}
