//! Requests that take too long, over real sockets. These tests wait for the ten seconds that a request has.

use crate::support;

use std::io::Write;
use std::net::TcpStream;
use support::phoenix::Phoenix;
use support::phoenix::Version::{V1, V2};
use support::raw::{Bystander, read_head, read_response, read_to_end};
use support::{Server, raw};

/// The server answers a proper request on this connection.
fn is_alive(stream: &mut TcpStream) {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_response(stream).body, r#"{"status":"ok"}"#);
}

#[test]
fn a_request_that_takes_ten_seconds_is_closed() {
    let server = Server::start(&[]);
    let _user = Phoenix::student(&server, V1, 1);
    let upgrade = raw::handshake("/ws");
    let halves = [
        "G",
        "GET / HTTP/1.1\r\nHost: x\r\n",
        &upgrade[..upgrade.len() - 2],
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ];
    let mut silent = server.connect();
    let mut used = server.connect();
    is_alive(&mut used);
    let mut stalled_head = server.connect();
    stalled_head.write_all(b"HEAD / HTTP/1.1\r\n").unwrap();
    let mut stalled = halves.map(|half| {
        let mut stream = server.connect();
        stream.write_all(half.as_bytes()).unwrap();
        stream
    });
    for (half, stream) in halves.iter().zip(&mut stalled) {
        let response = read_response(stream);
        assert_eq!((response.status, response.header("connection")), (408, Some("close")), "{half}");
        assert_eq!(read_to_end(stream), b"");
    }
    let head = read_head(&mut stalled_head);
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert_eq!(read_to_end(&mut stalled_head), b"", "a response to HEAD has no content");
    // No request is waiting for a response, and a browser would take one as that to its next request.
    assert_eq!(read_to_end(&mut silent), b"");
    assert_eq!(read_to_end(&mut used), b"");
    assert_eq!(server.snapshot()["students"]["total"], 1, "a WebSocket does not count as slow");
}

#[test]
fn a_request_that_came_whole_is_answered_however_late_the_answers_before_it_are_read() {
    // Some 13 MB of answers, more than any kernel takes: the last requests wait in the server.
    const COUNT: usize = 3000;
    let server = Server::start(&[]);
    let _students = Phoenix::students(&server, V2, 100);
    let mut paused = server.connect();
    paused.write_all("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(COUNT).as_bytes()).unwrap();
    // As many turns as the server needs to answer all that the kernel takes, and more.
    let mut bystander = Bystander::new(&server);
    (0..300).for_each(|_| bystander.settle());
    // The time of one that comes now and sends nothing is up last.
    assert_eq!(read_to_end(&mut server.connect()), b"");
    for number in 0..COUNT {
        assert_eq!(read_response(&mut paused).status, 200, "answer {number}");
    }
}
