//! From polling to a WebSocket in the middle of a chat: nothing is lost, repeated or out of order.

use crate::support;

use std::io::Write;
use std::net::Shutdown;

use serde_json::json;
use support::Server;
use support::raw::{self, Bystander};
use support::socket_io::{
    Link, Polling, REVISIONS, Socket, SocketIo, chat, exchange, open_socket, request, upgrade,
};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

type Probe = WebSocket<std::net::TcpStream>;

/// A chat of teacher 1 on a WebSocket with student 2 who polls.
fn polling_student(revision: u8) -> (Server, SocketIo, SocketIo, String) {
    let server = Server::start(&[]);
    let (teacher, student, chat) = chat(&server, ((7 - revision, Socket), (revision, Polling)), 1, 2);
    (server, teacher, student, chat)
}

/// A WebSocket on which a session is tried, and the ping that does so is answered.
fn probe(server: &Server, student: &mut SocketIo) -> Probe {
    let mut socket = open_socket(server, &student.session().upgrade_path());
    socket.send(Message::text("2probe")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("3probe"));
    socket
}

/// Numbered messages in both directions, sent whatever else goes on.
struct Traffic<'a> {
    chat: &'a str,
    sent: usize,
}

impl Traffic<'_> {
    fn payload(&self, n: usize) -> String {
        format!(r#"{{"chatId":"{}","message":"{n}"}}"#, self.chat)
    }

    /// Both send the next one. The student's has arrived when the teacher is answered.
    fn flow(&mut self, teacher: &mut SocketIo, student: &mut SocketIo) {
        let payload = self.payload(self.sent);
        teacher.say("teacher", &payload);
        student.say("student", &payload);
        self.sent += 1;
        teacher.hear(self.chat, "teacher", &payload);
    }

    /// What the student has got, which has to be all of it.
    fn assert_received(&self, received: &[String]) {
        let expected: Vec<_> = (0..self.sent)
            .map(|n| format!(r#"42["chat:{}:student:receive",{}]"#, self.chat, self.payload(n)))
            .collect();
        assert_eq!(received, expected);
    }
}

#[test]
fn messages_before_between_and_after_arrive_once_and_in_order() {
    for revision in REVISIONS {
        for is_parked in [false, true] {
            let (server, mut teacher, mut student, chat) = polling_student(revision);
            let mut traffic = Traffic { chat: &chat, sent: 0 };
            let mut received = Vec::new();
            traffic.flow(&mut teacher, &mut student);
            if !is_parked {
                traffic.flow(&mut teacher, &mut student);
            }
            received.extend(student.session().poll());
            let mut socket = open_socket(&server, &student.session().upgrade_path());
            if is_parked {
                student.session().begin_poll();
                Bystander::new(&server).settle();
            } else {
                traffic.flow(&mut teacher, &mut student);
            }
            socket.send(Message::text("2probe")).unwrap();
            assert_eq!(socket.read().unwrap(), Message::text("3probe"));
            if is_parked {
                // The poll comes back at once: the client waits for it before it changes over.
                assert_eq!(student.session().read_poll(), ["6"]);
            }
            traffic.flow(&mut teacher, &mut student);
            traffic.flow(&mut teacher, &mut student);
            socket.send(Message::text("5")).unwrap();
            student.link = Link::Socket(Box::new(socket));
            traffic.flow(&mut teacher, &mut student);
            traffic.flow(&mut teacher, &mut student);
            while received.len() < traffic.sent {
                received.push(student.next());
            }
            traffic.assert_received(&received);
            teacher.settle();
            student.settle();
        }
    }
}

#[test]
fn a_poll_while_the_websocket_is_tried_is_not_held() {
    for revision in REVISIONS {
        let (server, mut teacher, mut student, chat) = polling_student(revision);
        let mut socket = probe(&server, &mut student);
        assert_eq!(student.session().poll(), ["6"]);
        // A poll with packets waiting returns these, and the rest goes over the WebSocket.
        let payload = format!(r#"{{"chatId":"{chat}","message":"1"}}"#);
        teacher.say("teacher", &payload);
        teacher.settle();
        student.hear(&chat, "student", &payload);
        teacher.say("teacher", &payload);
        teacher.settle();
        socket.send(Message::text("5")).unwrap();
        student.link = Link::Socket(Box::new(socket));
        student.hear(&chat, "student", &payload);
        exchange(&mut teacher, &mut student, &chat);
    }
}

#[test]
fn what_follows_the_last_word_of_the_probe_in_one_write_is_carried_out() {
    for revision in REVISIONS {
        let (server, mut teacher, mut student, chat) = polling_student(revision);
        let path = student.session().upgrade_path();
        let mut stream = raw::open(&server, &path);
        stream.write_all(&raw::frame(0x81, b"2probe")).unwrap();
        assert_eq!(raw::read_frame(&mut stream), Some((0x81, b"3probe".to_vec())));
        let payload = format!(r#"{{"chatId":"{chat}","message":"at once"}}"#);
        let message = format!(r#"42["chat:student:send",{payload}]"#);
        let frames = [raw::frame(0x81, b"5"), raw::frame(0x81, message.as_bytes())].concat();
        stream.write_all(&frames).unwrap();
        teacher.hear(&chat, "teacher", &payload);
        // The session is the socket's now.
        let poll = raw::request(&server, request("GET", &student.session().path(), "", ""));
        assert_eq!((poll.status, poll.body.as_str()), (400, r#"{"code":3,"message":"Bad request"}"#));
        stream.shutdown(Shutdown::Write).unwrap();
        teacher.expect(&format!("chat:{chat}:teacher:terminated"));
        server.wait_until_students_are(0);
    }
}

/// The ways in which a probe comes to nothing.
type Failure = (&'static str, fn(Probe));

const FAILURES: [Failure; 7] = [
    ("the socket closes", drop),
    ("the socket shuts its side", |socket| {
        socket.get_ref().shutdown(Shutdown::Write).unwrap();
        std::mem::forget(socket);
    }),
    ("a close frame", |mut socket| socket.close(None).unwrap()),
    ("another packet than the upgrade packet", |socket| send_last(socket, Message::text("42[\"ping\"]"))),
    ("text that is no packet", |socket| send_last(socket, Message::text("x"))),
    ("an empty text", |socket| send_last(socket, Message::text(""))),
    ("a binary frame", |socket| send_last(socket, Message::binary(vec![4, 1]))),
];

fn send_last(mut socket: Probe, message: Message) {
    socket.send(message).unwrap();
    loop {
        match socket.read() {
            Ok(Message::Close(_)) => return,
            Ok(_) => {}
            Err(error) => panic!("no close frame: {error}"),
        }
    }
}

/// The chat goes on by requests, and a later probe succeeds.
fn assert_goes_on(server: &Server, teacher: &mut SocketIo, student: &mut SocketIo, chat: &str) {
    Bystander::new(server).settle();
    exchange(teacher, student, chat);
    // A poll is held again, if no failure has been forgotten.
    student.session().begin_poll();
    Bystander::new(server).settle();
    student.session().post_ok(&["42[\"ping\"]"]);
    assert_eq!(student.session().read_poll(), ["42[\"pong\"]"]);
    upgrade(server, student);
    exchange(teacher, student, chat);
}

#[test]
fn a_probe_that_fails_leaves_the_session_to_the_polls() {
    for (what, fail) in FAILURES.into_iter().take(6) {
        eprintln!("{what}");
        for revision in REVISIONS {
            let (server, mut teacher, mut student, chat) = polling_student(revision);
            fail(probe(&server, &mut student));
            assert_goes_on(&server, &mut teacher, &mut student, &chat);
        }
    }
}

#[test]
fn a_binary_frame_fails_the_probe_and_not_the_session() {
    for revision in REVISIONS {
        let (server, mut teacher, mut student, chat) = polling_student(revision);
        FAILURES[6].1(probe(&server, &mut student));
        assert_goes_on(&server, &mut teacher, &mut student, &chat);
    }
}

#[test]
fn a_probe_that_never_began_leaves_the_session_to_the_polls() {
    for first in ["5", "2", "42[\"ping\"]", "2probe2", ""] {
        let (server, mut teacher, mut student, chat) = polling_student(4);
        let mut socket = open_socket(&server, &student.session().upgrade_path());
        socket.send(Message::text(first)).unwrap();
        let Ok(Message::Close(Some(frame))) = socket.read() else { panic!("no close frame: {first}") };
        assert_eq!(frame.code, CloseCode::Protocol);
        assert_goes_on(&server, &mut teacher, &mut student, &chat);
    }
}

#[test]
fn a_second_probe_does_not_spoil_the_first() {
    let (server, mut teacher, mut student, chat) = polling_student(4);
    let path = student.session().upgrade_path();
    // Both sockets are open before either sends anything.
    let (mut first, mut second) = (open_socket(&server, &path), open_socket(&server, &path));
    first.send(Message::text("2probe")).unwrap();
    assert_eq!(first.read().unwrap(), Message::text("3probe"));
    second.close(None).unwrap();
    while second.read().is_ok() {}
    first.send(Message::text("5")).unwrap();
    student.link = Link::Socket(Box::new(first));
    exchange(&mut teacher, &mut student, &chat);
}

#[test]
fn a_probe_that_comes_too_late_does_not_spoil_the_socket() {
    let (server, mut teacher, mut student, chat) = polling_student(3);
    let mut late = open_socket(&server, &student.session().upgrade_path());
    upgrade(&server, &mut student);
    student.settle();
    late.send(Message::text("2probe")).unwrap();
    assert!(matches!(late.read(), Ok(Message::Close(_))));
    exchange(&mut teacher, &mut student, &chat);
}

#[test]
fn a_session_that_ends_while_it_changes_over_is_over() {
    for revision in REVISIONS {
        let (server, mut teacher, mut student, chat) = polling_student(revision);
        let mut socket = probe(&server, &mut student);
        student.session().post_ok(&["1"]);
        teacher.expect(&format!("chat:{chat}:teacher:terminated"));
        server.wait_until_students_are(0);
        socket.send(Message::text("5")).unwrap();
        assert!(matches!(socket.read(), Ok(Message::Close(_)) | Err(_)));
        assert_eq!(teacher.refused("chat:teacher:send", json!({"chatId": chat})), "unknown chat");
    }
}

#[test]
fn both_sides_change_over_at_once() {
    for revisions in [(3, 4), (4, 3), (3, 3), (4, 4)] {
        let server = Server::start(&[]);
        let ways = ((revisions.0, Polling), (revisions.1, Polling));
        let (mut teacher, mut student, chat) = chat(&server, ways, 1, 2);
        upgrade(&server, &mut teacher);
        exchange(&mut teacher, &mut student, &chat);
        upgrade(&server, &mut student);
        exchange(&mut teacher, &mut student, &chat);
        teacher.settle();
        student.settle();
    }
}
