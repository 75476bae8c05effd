//! What a client may send behind a request that is held.

use crate::support;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::json;
use socket2::SockRef;
use support::metrics::Metrics;
use support::raw::Bystander;
use support::{Server, bayeux, raw, wait_until};

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
    // Far more than the kernel takes: the server leaves it there, and the sender has to stop.
    raw::write_until_blocked(&server, &mut stream, poll.repeat(1000).as_bytes(), 100_000_000);
}

/// A way to close a connection; returns what has to stay open for it.
type End = fn(TcpStream) -> Option<TcpStream>;

const ENDS: [(&str, End); 3] = [
    ("closed", |_| None),
    ("half-closed", |stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        Some(stream)
    }),
    ("reset", |stream| {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        None
    }),
];

/// Input behind a held request is left unread once 64 KiB of it wait. The end behind that is noticed all the same.
#[test]
fn an_end_behind_more_than_is_read_is_noticed_at_once() {
    let behind = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2500);
    assert!(behind.len() > 64 * 1024);
    for (name, end) in ENDS {
        for is_read_before in [true, false] {
            let server = Server::start(&[]);
            let (mut stream, _) = held_poll(&server);
            let mut bystander = Bystander::new(&server);
            // The end comes alone or together with the requests.
            stream.write_all(behind.as_bytes()).unwrap();
            (0..10).filter(|_| is_read_before).for_each(|_| bystander.settle());
            let _open = end(stream);
            server.wait_for(name, |snapshot| snapshot["students"]["total"] == 0);
        }
    }
}

/// A Bayeux client outlives its connection. Which connection its connect is held by is over all the same.
#[test]
fn an_end_behind_more_than_is_read_detaches_a_bayeux_client() {
    for (name, end) in ENDS {
        let server = Server::start(&[]);
        let client = bayeux::handshake(&server);
        let mut stream = server.connect();
        bayeux::request(&mut stream, &json!([bayeux::connect_now(&client)]));
        bayeux::answer(&mut stream);
        bayeux::request(&mut stream, &json!([bayeux::connect(&client, "long-polling")]));
        let detached = || Metrics::of(&server).get("mio_chat_detached_sessions", &[]);
        wait_until("the connect is held", || detached() == 0.0);
        stream.write_all(&b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2500)).unwrap();
        Bystander::new(&server).settle();
        let _open = end(stream);
        wait_until(name, || detached() == 1.0);
    }
}
