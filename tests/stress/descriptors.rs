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
const CROWD: usize = 300;

/// A WebSocket, or `None` if the connection is refused, which it has to be told.
fn try_open(server: &Server) -> Option<TcpStream> {
    let mut stream = server.connect();
    // Writing to a connection that was refused meanwhile may fail, and so may reading what it was told.
    let _ = stream.write_all(handshake("/ws").as_bytes());
    let mut status = [0; 12];
    match stream.read_exact(&mut status) {
        Ok(()) if &status == b"HTTP/1.1 101" => return Some(stream),
        Ok(()) => assert_eq!(&status, b"HTTP/1.1 503"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    None
}

/// Crowds come and go; returns how many connections were taken and refused in all.
fn crowds(server: &Server, room: RangeInclusive<usize>) -> (usize, usize) {
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let before = server.descriptors();
        let mut inside: Vec<_> = (0..CROWD).filter_map(|_| try_open(server)).collect();
        let full = inside.len();
        assert!(room.contains(&full), "{full} are let in");
        taken += full;
        refused += CROWD - full;
        // When some have left, as many others get in.
        inside.drain(..20);
        wait_until("room for those who come then", || {
            match try_open(server) {
                Some(stream) => inside.push(stream),
                None => refused += 1,
            }
            inside.len() == full
        });
        taken += 20;
        drop(inside);
        wait_until("all of the crowd are gone", || server.descriptors() == before);
    }
    (taken, refused)
}

fn survive(scenario: &str, server: &Server, room: RangeInclusive<usize>) {
    let pairs = Pairs::start(server);
    let (taken, refused) = crowds(server, room);
    crate::report(
        scenario,
        format!("{} connections in {ROUNDS} crowds", taken + refused),
        format!("{taken} let in, {refused} refused with 503, none forgotten; {}", pairs.finish()),
    );
}

#[test]
fn without_descriptors_those_outside_are_refused_and_those_inside_talk_on() {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n 128; exec "$0" "$@""#]).arg(Server::command().get_program());
    command.args(["--host", "127.0.0.1", "--port", "0", "--max-connections", "1000"]);
    let server = Server::spawn(command.env_remove("PORT").env("RUST_LOG", "error"));
    survive("128 descriptors", &server, 90..=110);
}

#[test]
fn beyond_max_connections_those_outside_are_refused_and_those_inside_talk_on() {
    // The pairs have fifteen connections.
    survive("115 connections at the most", &crate::start(&["--max-connections", "115"]), 100..=100);
}
