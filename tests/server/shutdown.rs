//! How the server stops, as its clients and its supervisor see it.

use crate::support;

use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use support::bayeux;
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, chat};
use support::raw::{frame, handshake, open, open_http, read_close, read_response, read_to_end};
use support::{Server, wait_until};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

/// Answers a close as a client does.
const CLOSE: [u8; 2] = 1001u16.to_be_bytes();

#[test]
fn both_signals_close_every_client_and_end_the_server_cleanly() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let (mut teacher, mut student, _) = chat(&server, (V1, V2), 1, 2);
        let mut idle = open(&server, "/ws");
        let mut half = server.connect();
        half.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        let mut silent = server.connect();
        server.signal(signal);
        assert_eq!(read_close(&mut idle), Some(1001));
        idle.write_all(&frame(0x88, &CLOSE)).unwrap();
        assert_eq!(read_to_end(&mut idle), b"");
        teacher.expect_close(CloseCode::Away);
        student.expect_close(CloseCode::Away);
        assert_eq!(read_to_end(&mut half), b"");
        assert_eq!(read_to_end(&mut silent), b"");
        drop((teacher, student, idle, half, silent));
        assert_eq!(server.wait_for_exit().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_server_without_clients_leaves_at_once() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&["--drain-timeout", "1440m"]);
        server.signal(signal);
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn nobody_is_let_in_while_the_server_stops() {
    let server = Server::start(&["--drain-timeout", "1m"]);
    let mut client = open(&server, "/ws");
    server.signal("TERM");
    assert_eq!(read_close(&mut client), Some(1001));
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn health_says_that_the_server_stops() {
    let server = Server::start(&["--drain-timeout", "1m"]);
    let mut probe = server.connect();
    let mut ask = || {
        probe.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        read_response(&mut probe).status
    };
    assert_eq!(ask(), 200);
    let mut client = open(&server, "/ws");
    server.signal("TERM");
    assert_eq!(read_close(&mut client), Some(1001));
    assert_eq!(ask(), 503);
}

#[test]
fn nobody_comes_in_while_the_server_stops() {
    let server = Server::start(&["--drain-timeout", "1m"]);
    let mut waiting = ["/ws", "/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=3&transport=websocket"]
        .map(|path| (server.connect(), handshake(path)));
    for (stream, _) in &mut waiting {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(read_response(stream).status, 200);
    }
    let mut client = open(&server, "/ws");
    server.signal("TERM");
    assert_eq!(read_close(&mut client), Some(1001));
    for (stream, request) in &mut waiting {
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_response(stream).status, 503, "{request}");
    }
}

#[test]
fn messages_that_were_relayed_before_come_whole() {
    // More than the kernel takes: the end of it waits in the server when the signal comes.
    const COUNT: usize = 500;
    let mut server = Server::start(&["--max-backlog", "64MiB", "--drain-timeout", "1m"]);
    let (mut teacher, mut student, topic) = chat(&server, (V1, V2), 1, 2);
    let message = "x".repeat(60_000);
    for number in 0..COUNT {
        teacher.push_raw(&topic, "teacher:send", &format!(r#"{{"number":{number},"message":"{message}"}}"#));
    }
    teacher.settle();
    server.signal("TERM");
    teacher.expect_close(CloseCode::Away);
    for number in 0..COUNT {
        assert_eq!(student.expect(&topic, "student:receive")["number"], number);
    }
    let last = student.socket.read().unwrap();
    assert!(matches!(&last, Message::Close(Some(close)) if close.code == CloseCode::Away), "{last:?}");
    drop((teacher, student));
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn requests_on_their_way_are_answered() {
    let post = bayeux::batch(&Value::from(vec![json!({"channel": "/x", "clientId": "x"}); 1000]).to_string());
    let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let health = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    for request in [post.as_str(), get, &health.repeat(100)] {
        let mut server = Server::start(&["--drain-timeout", "1m", "--max-message-size", "1MiB"]);
        let mut streams: Vec<_> = (0..10).map(|_| open_http(&server)).collect();
        // The signal comes in the turn in which the server begins with them.
        server.signal("STOP");
        for stream in &mut streams {
            stream.write_all(request.as_bytes()).unwrap();
        }
        server.signal("TERM");
        server.signal("CONT");
        let mut batches = 0;
        for stream in &mut streams {
            let mut response = read_response(stream);
            while response.header("connection") != Some("close") {
                response = read_response(stream);
            }
            // Those that are read behind the signal are refused.
            assert!(matches!(response.status, 200 | 503), "{}", response.head);
            batches += usize::from(response.body.matches("401:x:").count() == 1000);
            assert_eq!(read_to_end(stream), b"");
        }
        assert_eq!(batches > 0, *request == post, "the first is read before the signal");
        drop(streams);
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn nobody_is_told_that_others_leave_when_all_do() {
    let server = Server::start(&[]);
    let (mut teacher, _student, topic) = chat(&server, (V1, V2), 1, 2);
    server.signal("TERM");
    loop {
        match teacher.socket.read().unwrap() {
            Message::Text(text) => assert!(!text.contains(&topic), "{text}"),
            other => break assert!(matches!(other, Message::Close(_)), "{other:?}"),
        }
    }
}

#[test]
fn a_client_that_never_answers_is_left_behind() {
    let mut server = Server::start(&["--drain-timeout", "300ms"]);
    let mut deaf = open(&server, "/ws");
    let _student = Phoenix::student(&server, V1, 1);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert_eq!(read_close(&mut deaf), Some(1001));
    assert_eq!(read_to_end(&mut deaf), b"");
}

#[test]
fn a_second_signal_is_not_kept_waiting() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("INT", "TERM")] {
        let mut server = Server::start(&["--drain-timeout", "1m"]);
        let mut deaf = open(&server, "/ws");
        server.signal(first);
        assert_eq!(read_close(&mut deaf), Some(1001));
        server.signal(second);
        assert_eq!(server.wait_for_exit().code(), Some(0));
        wait_until("the log says so", || server.log().contains("stopping at once"));
    }
}

#[test]
fn a_chat_that_ends_while_the_server_stops_does_no_harm() {
    let mut server = Server::start(&["--drain-timeout", "1m"]);
    let (mut teacher, mut student, topic) = chat(&server, (V1, V2), 1, 2);
    server.signal("TERM");
    teacher.expect_close(CloseCode::Away);
    // Sent after the close frame of the server: dropped.
    let late = frame(0x81, format!(r#"[null,"9","{topic}","chat:terminate",{{}}]"#).as_bytes());
    student.socket.get_mut().write_all(&late).unwrap();
    student.expect_close(CloseCode::Away);
    drop((teacher, student));
    assert_eq!(server.wait_for_exit().code(), Some(0));
}
