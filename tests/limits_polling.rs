//! What a client may send behind a request that is held.

mod common;

use std::io::{ErrorKind, Write};

use common::raw::Bystander;
use common::{Server, raw};

#[test]
fn what_is_sent_behind_a_held_request_waits_with_the_sender() {
    let server = Server::start(&[]);
    let opened = raw::request(&server, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n");
    let open: serde_json::Value = serde_json::from_str(&opened.body[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    let mut stream = server.connect();
    let request = |method: &str, rest: &str| {
        format!("{method} /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n{rest}")
    };
    stream.write_all(request("GET", "\r\n").as_bytes()).unwrap();
    let mut bystander = Bystander::new(&server);
    bystander.settle();
    stream.set_nonblocking(true).unwrap();
    // Far more than the kernel takes: the server leaves it there, and the sender has to stop.
    let flood = request("GET", "\r\n").repeat(1000);
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
