//! What a client may send behind a request that is held.

mod common;

use std::io::{ErrorKind, Write};
use std::net::TcpStream;

use common::raw::Bystander;
use common::{Server, raw};

/// A session whose poll is held on this connection, and what a further poll looks like.
fn held_poll(server: &Server) -> (TcpStream, String) {
    let opened = raw::request(server, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n");
    let open: serde_json::Value = serde_json::from_str(&opened.body[1..]).unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    let events = "40\x1e42[\"presence:student:connect\",{\"userId\":1}]".replace("\\x1e", "\x1e");
    let post = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{events}", events.len());
    assert_eq!(raw::request(server, post).body, "ok");
    let poll = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    // The answer to the connect packet; the next poll has nothing to bring.
    assert!(raw::request(server, &poll).body.starts_with("40"));
    let mut stream = server.connect();
    stream.write_all(poll.as_bytes()).unwrap();
    Bystander::new(server).settle();
    (stream, poll)
}

#[test]
fn whoever_closes_behind_a_held_request_is_gone_at_once() {
    for behind in ["", "GET /hea", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let server = Server::start(&[]);
        let (mut stream, _) = held_poll(&server);
        assert_eq!(server.snapshot()["students"]["total"], 1);
        stream.write_all(behind.as_bytes()).unwrap();
        drop(stream);
        server.wait_until_students_are(0);
    }
}

#[test]
fn what_is_sent_behind_a_held_request_waits_with_the_sender() {
    let server = Server::start(&[]);
    let (mut stream, poll) = held_poll(&server);
    let mut bystander = Bystander::new(&server);
    stream.set_nonblocking(true).unwrap();
    // Far more than the kernel takes: the server leaves it there, and the sender has to stop.
    let flood = poll.repeat(1000);
    let mut sent = 0;
    let mut refusals = 0;
    while refusals < 50 && sent < 100_000_000 {
        match stream.write(flood.as_bytes()) {
            Ok(length) => {
                sent += length;
                refusals = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                refusals += 1;
                bystander.settle();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refusals == 50, "the server has taken in {sent} bytes behind a request that it holds");
}
