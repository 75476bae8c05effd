//! Peers that send, or read, a byte at a time: on each layer they have so much time and no more.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::healthy_pairs::Pairs;
use crate::support::Server;
use crate::support::raw::{frame, handshake, heartbeat_of, open};

/// Peers of each kind.
const EACH: usize = 30;
/// Between two bytes.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than any peer has.
const LONGEST: Duration = Duration::from_secs(120);
/// What these peers may cost beside what the kernel holds for them, in bytes each: the high-water mark of the
/// answers to a request, and some.
const COST: usize = 128 * 1024;

/// A peer, what it has still to send, and what it has got.
struct Loris {
    kind: &'static str,
    stream: TcpStream,
    rest: Vec<u8>,
    /// At most this many bytes are read at once.
    appetite: usize,
    got: Vec<u8>,
    /// When it found that it has been given up.
    end: Option<Instant>,
}

impl Loris {
    /// Sends the beginning at once, and the rest byte by byte.
    fn new(kind: &'static str, mut stream: TcpStream, beginning: &str, rest: impl Into<Vec<u8>>) -> Loris {
        stream.write_all(beginning.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Loris { kind, stream, rest: rest.into(), appetite: 1024, got: Vec::new(), end: None }
    }

    /// A byte there and, if any have come, bytes back.
    fn step(&mut self) {
        let byte = self.rest.first().copied();
        if byte.is_some_and(|byte| self.stream.write(&[byte]).is_ok()) {
            self.rest.remove(0);
        }
        let mut buffer = [0; 1024];
        match self.stream.read(&mut buffer[..self.appetite]) {
            Ok(0) => self.end = Some(Instant::now()),
            Ok(length) => self.got.extend(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // What it went on sending has crossed with the end.
            Err(_) => self.end = Some(Instant::now()),
        }
    }

    /// The last that it received.
    fn fate(&self) -> &'static str {
        let is_going_away = |bytes: &[u8]| bytes[0] == 0x88 && bytes[2..] == 1001u16.to_be_bytes();
        match self.got.as_slice() {
            [] => "closed",
            got if got.starts_with(b"HTTP/1.1 408 ") => "408",
            got if got.windows(4).any(is_going_away) => "close 1001",
            got => panic!("{}: {}", self.kind, String::from_utf8_lossy(got)),
        }
    }
}

/// One of those who send byte by byte, on each layer.
fn dribblers(server: &Server) -> Vec<Loris> {
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
        )
    };
    let plain = |kind, beginning: &str, rest: &str| Loris::new(kind, server.connect(), beginning, rest);
    let upgrade = handshake("/ws").replace("\r\n\r\n", &format!("\r\nPadding: {}", "x".repeat(9999)));
    let dribbled = frame(0x81, heartbeat_of(9999, "1").as_bytes());
    let socket = |kind, path| Loris::new(kind, open(server, path), "", dribbled.clone());
    let body = format!("[{}]", " ".repeat(9998));
    vec![
        plain("request head", "", &format!("GET / HTTP/1.1\r\nPadding: {}", "x".repeat(9999))),
        plain("request body", &head("/"), &body),
        plain("upgrade", "", &upgrade),
        plain("Engine.IO POST", &head("/socket.io/?EIO=4&transport=polling&sid=x"), &body),
        plain("Bayeux POST", &head("/faye"), &body),
        socket("Phoenix frame", "/ws"),
        socket("Engine.IO 3 frame", "/socket.io/?EIO=3&transport=websocket"),
        socket("Engine.IO 4 frame", "/socket.io/?EIO=4&transport=websocket"),
        socket("Bayeux frame", "/faye"),
    ]
}

/// One who asks for far more than the kernel takes, and reads the answers byte by byte.
fn picky_reader(server: &Server) -> Loris {
    let mut loris = Loris::new("reader", server.connect(), "", "");
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_000);
    // As many as are taken: the server does not read on while it cannot write.
    let _ = loris.stream.write(requests.as_bytes()).unwrap();
    loris.appetite = 1;
    loris
}

/// Lets them go on until the server has given up the last of them; returns how long that took.
fn wait_until_all_are_given_up(server: &Server, lorises: &mut [Loris], descriptors: usize) -> Duration {
    let begin = Instant::now();
    while server.descriptors() > descriptors {
        assert!(begin.elapsed() < LONGEST, "a slow peer is never closed");
        lorises.iter_mut().filter(|loris| loris.end.is_none()).for_each(Loris::step);
        thread::sleep(PAUSE);
    }
    begin.elapsed()
}

#[test]
#[ignore = "takes a minute and a half"]
fn a_peer_that_sends_or_reads_byte_by_byte_is_closed_on_each_layer() {
    let server = crate::start(&["--idle-timeout", "2s"]);
    let pairs = Pairs::start(&server);
    let (descriptors, memory) = (server.descriptors(), server.memory());
    let begin = Instant::now();
    let mut lorises: Vec<_> = (0..EACH).flat_map(|_| dribblers(&server)).collect();
    let kinds = lorises.len() / EACH + 1;
    lorises.extend((0..EACH).map(|_| picky_reader(&server)));
    let longest = wait_until_all_are_given_up(&server, &mut lorises, descriptors);
    let mut fates = BTreeMap::new();
    for loris in lorises.iter_mut().filter(|loris| loris.kind != "reader") {
        // The server's last bytes may have come only now.
        while loris.end.is_none() {
            loris.step();
        }
        let fate = format!("{} {}", loris.kind, loris.fate());
        let seconds = loris.end.map_or(0, |end| (end - begin).as_secs());
        let until = fates.entry(fate).or_insert(seconds);
        *until = seconds.max(*until);
    }
    let fates = fates.iter().map(|(fate, seconds)| format!("{fate} after {seconds} s"));
    let fates = fates.collect::<Vec<_>>();
    assert_eq!(fates.len(), kinds - 1, "one fate for each kind: {fates:?}");
    let grown = server.peak_memory().saturating_sub(memory);
    assert!(grown < lorises.len() * COST, "{grown} bytes more are held");
    crate::report(
        "slow loris",
        format!("{} peers of {kinds} kinds, a byte each {PAUSE:?}", lorises.len()),
        format!(
            "given up: {}, the last (readers among them) after {longest:.0?}; server at most {} KiB larger; {}",
            fates.join(", "),
            grown / 1024,
            pairs.finish()
        ),
    );
}
