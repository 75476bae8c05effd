//! How many connections there may be, and how long one may be silent, over real sockets.

use crate::support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use support::raw::{answers, frame, handshake, open, read_close, read_frame, read_response, read_to_end};
use support::{Server, wait_until};

/// Tries to open a WebSocket: the socket, or `None` if the connection is refused.
fn try_open(server: &Server) -> Option<TcpStream> {
    let mut stream = server.connect();
    // Writing to a connection that was refused meanwhile may fail, and so may reading the response.
    let _ = stream.write_all(handshake("/ws").as_bytes());
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("neither accepted nor refused: {error}"),
        }
    }
    if head.starts_with(b"HTTP/1.1 101 ") {
        return Some(stream);
    }
    assert!(head.is_empty() || head.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&head));
    None
}

fn is_alive(stream: &mut TcpStream) {
    assert_eq!(answers(stream, b""), []);
}

#[test]
fn a_connection_above_the_limit_gets_503_and_the_others_go_on() {
    let server = Server::start(&["--max-connections", "3"]);
    let mut streams: Vec<_> = (0..3).map(|_| open(&server, "/ws")).collect();
    for _ in 0..10 {
        // The refused client sends nothing, so that nothing can cross with the response.
        let mut refused = server.connect();
        let response = read_response(&mut refused);
        assert_eq!(response.status, 503);
        assert_eq!(response.header("connection"), Some("close"));
        assert!(response.header("retry-after").is_some());
        assert_eq!(read_to_end(&mut refused), b"");
        streams.iter_mut().for_each(is_alive);
    }
}

#[test]
fn a_closed_connection_frees_its_slot() {
    let server = Server::start(&["--max-connections", "3"]);
    let mut streams: Vec<_> = (0..3).map(|_| open(&server, "/ws")).collect();
    for _ in 0..10 {
        assert!(try_open(&server).is_none());
        streams.remove(0);
        wait_until("a slot for another", || {
            streams.extend(try_open(&server));
            streams.len() == 3
        });
        streams.iter_mut().for_each(is_alive);
    }
}

#[test]
fn without_descriptors_new_connections_are_refused_and_the_others_go_on() {
    let mut command = Server::command();
    let binary = command.get_program().to_owned();
    command = std::process::Command::new("sh");
    command.args(["-c", r#"ulimit -n 64; exec "$0" "$@""#]).arg(binary);
    command.args(["--host", "127.0.0.1", "--port", "0", "--max-connections", "1000"]).env_remove("PORT");
    let server = Server::spawn(&mut command);
    let mut inside = Vec::new();
    for _ in 0..3 {
        let refused =
            (0..80).filter(|_| try_open(&server).map(|stream| inside.push(stream)).is_none()).count();
        assert!(refused > 0, "64 descriptors are not enough for {} connections", inside.len());
        assert!(inside.len() > 30, "most of 64 descriptors serve: {}", inside.len());
        inside.iter_mut().for_each(is_alive);
        // Slots for the next round: a new connection gets one without further events.
        let count = inside.len();
        inside.truncate(count / 2);
        wait_until("a slot for another", || {
            inside.extend(try_open(&server));
            inside.len() == count
        });
        inside.iter_mut().for_each(is_alive);
        inside.clear();
        wait_until("slots for all", || {
            inside.extend(try_open(&server));
            inside.len() > 30
        });
    }
}

#[test]
fn a_silent_socket_is_closed_and_one_that_sends_anything_stays() {
    let server = Server::start(&["--idle-timeout", "2s"]);
    let mut beating = open(&server, "/ws");
    let mut pinging = open(&server, "/ws");
    // Younger than the others: they would be closed before it.
    let mut silent = open(&server, "/ws");
    silent.set_nonblocking(true).unwrap();
    wait_until("the silent one is closed", || {
        is_alive(&mut beating);
        pinging.write_all(&frame(0x89, b"ping")).unwrap();
        assert_eq!(read_frame(&mut pinging), Some((0x8a, b"ping".to_vec())));
        silent.peek(&mut [0]).is_ok()
    });
    silent.set_nonblocking(false).unwrap();
    assert_eq!(read_close(&mut silent), Some(1001));
    assert_eq!(read_to_end(&mut silent), b"");
    pinging.write_all(&frame(0x89, b"")).unwrap();
    assert_eq!(read_frame(&mut pinging), Some((0x8a, vec![])));
    is_alive(&mut beating);
    is_alive(&mut pinging);
}
