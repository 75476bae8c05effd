//! Ten thousand connections that arrive at once.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::healthy_pairs::Pairs;
use crate::support::raw::{echo, frame, handshake, heartbeat};
use crate::support::{PATIENCE, Server, wait_until};

const COUNT: usize = 10_000;

/// A client that opens a WebSocket and sends a heartbeat at once.
struct Arrival {
    stream: TcpStream,
    has_written: bool,
    got: Vec<u8>,
}

impl Arrival {
    fn begin(server: &Server, poll: &Poll, token: Token) -> Arrival {
        let mut stream = TcpStream::connect(server.address).expect("a socket and a port");
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).unwrap();
        Arrival { stream, has_written: false, got: Vec::new() }
    }

    /// Writes and reads what it can; returns whether it has its answer.
    fn proceed(&mut self, request: &[u8], answer: &[u8]) -> bool {
        if !self.has_written {
            match self.stream.write(request) {
                Ok(length) => assert_eq!(length, request.len()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return false;
                }
                Err(error) => panic!("a connection is refused: {error}"),
            }
            self.has_written = true;
        }
        let mut buffer = [0; 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => panic!("a connection is refused: {}", String::from_utf8_lossy(&self.got)),
                Ok(length) => self.got.extend(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.got.ends_with(answer),
                Err(error) => panic!("a connection is refused: {error}"),
            }
        }
    }
}

#[test]
#[ignore = "ten thousand connections"]
fn ten_thousand_connections_at_once_are_all_accepted() {
    let server = crate::start(&["--idle-timeout", "10m"]);
    let pairs = Pairs::start(&server);
    let (descriptors, memory, cpu) = (server.descriptors(), server.memory(), server.cpu());
    let request = [handshake("/ws").as_bytes(), &frame(0x81, heartbeat("hello").as_bytes())].concat();
    let answer = echo("hello");
    let mut poll = Poll::new().unwrap();
    let begin = Instant::now();
    let mut clients: Vec<_> = (0..COUNT).map(|index| Arrival::begin(&server, &poll, Token(index))).collect();
    let asked = begin.elapsed();
    let mut events = Events::with_capacity(1024);
    let mut times: Vec<Duration> = Vec::new();
    while times.len() < COUNT {
        assert!(begin.elapsed() < PATIENCE, "{} are not accepted", COUNT - times.len());
        poll.poll(&mut events, Some(Duration::from_secs(1))).unwrap();
        for event in &events {
            let arrival = &mut clients[event.token().0];
            if !arrival.got.ends_with(answer.as_bytes()) && arrival.proceed(&request, answer.as_bytes()) {
                times.push(begin.elapsed());
            }
        }
    }
    assert!(server.descriptors() >= descriptors + COUNT);
    let used = server.cpu() - cpu;
    let each = server.memory().saturating_sub(memory) / COUNT;
    drop(clients);
    wait_until("all connections are closed", || server.descriptors() == descriptors);
    crate::report(
        "10,000 connections at once",
        format!("{COUNT} connects within {asked:.1?}, each with an upgrade and a heartbeat"),
        format!(
            "all answered: half after {:.1?}, 99 % after {:.1?}, the last after {:.1?}; server {used:.2} s CPU, {each} bytes each; {}",
            times[COUNT / 2],
            times[COUNT * 99 / 100],
            times[COUNT - 1],
            pairs.finish()
        ),
    );
}
