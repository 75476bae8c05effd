//! Every way in which a Socket.IO client leaves, and what follows for those who stay.

use crate::support;

use std::net::Shutdown;

use serde_json::json;
use support::Server;
use support::metrics::Metrics;
use support::raw::Bystander;
use support::socket_io::{
    Polling, REVISIONS, Socket, SocketIo, Transport, WAYS, begin, chat, exchange, upgrade,
};
use tungstenite::Message;

/// The ways in which a client with a WebSocket goes away.
const OVER_A_SOCKET: [fn(SocketIo); 6] = [
    |client| disconnect(client, "41"),
    |client| disconnect(client, "1"),
    |client| disconnect(client, "no packet"),
    |mut client| client.socket().close(None).unwrap(),
    |mut client| {
        client.socket().get_ref().shutdown(Shutdown::Write).unwrap();
        std::mem::forget(client);
    },
    drop,
];

/// The ways in which a client that polls goes away.
const OVER_REQUESTS: [fn(SocketIo); 5] = [
    |client| disconnect(client, "41"),
    |client| disconnect(client, "1"),
    |mut client| {
        assert_eq!(client.session().post(&["no packet"]).status, 400);
        std::mem::forget(client);
    },
    |client| hang_up_the_poll(client, Shutdown::Both),
    |client| hang_up_the_poll(client, Shutdown::Write),
];

/// The packet is what ends it: the connections stay.
fn disconnect(mut client: SocketIo, packet: &str) {
    client.send(packet);
    std::mem::forget(client);
}

/// A poll that is held, whose connection closes.
fn hang_up_the_poll(mut client: SocketIo, how: Shutdown) {
    let session = client.session();
    // Statuses may have gathered: a poll that follows is held.
    session.post_ok(&["42[\"ping\"]"]);
    while !session.poll().contains(&"42[\"pong\"]".to_owned()) {}
    session.begin_poll();
    session.get.shutdown(how).unwrap();
    std::mem::forget(client);
}

type WayToLeave = ((u8, Transport), fn(SocketIo));

fn ways_to_leave() -> Vec<WayToLeave> {
    let mut all = Vec::new();
    for revision in REVISIONS {
        all.extend(OVER_A_SOCKET.map(|leave| ((revision, Socket), leave)));
        all.extend(OVER_REQUESTS.map(|leave| ((revision, Polling), leave)));
    }
    all
}

#[test]
fn a_waiting_student_leaves_the_queue() {
    for (way, leave) in ways_to_leave() {
        let server = Server::start(&[]);
        let mut teacher = SocketIo::teacher(&server, (3, Socket), 1);
        leave(SocketIo::student(&server, way, 2));
        server.wait_until_students_are(0);
        let mut next = SocketIo::student(&server, way, 3);
        begin(&mut teacher, &mut next, 1, 3);
    }
}

#[test]
fn a_student_who_chats_takes_the_chat_along() {
    for (way, leave) in ways_to_leave() {
        let server = Server::start(&["--students-per-teacher", "1"]);
        let (mut teacher, student, id) = chat(&server, ((4, Socket), way), 1, 2);
        leave(student);
        teacher.expect(&format!("chat:{id}:teacher:terminated"));
        server.wait_until_students_are(0);
        // The only place is free again.
        let mut next = SocketIo::student(&server, way, 2);
        begin(&mut teacher, &mut next, 1, 2);
    }
}

#[test]
fn a_teacher_takes_all_chats_along() {
    for (way, leave) in ways_to_leave() {
        let server = Server::start(&[]);
        let mut witness = SocketIo::teacher(&server, (3, Socket), 9);
        let (mut teacher, mut first, id) = chat(&server, (way, (3, Polling)), 1, 2);
        let mut second = SocketIo::student(&server, (4, Socket), 3);
        let other = begin(&mut teacher, &mut second, 1, 3);
        leave(teacher);
        first.expect(&format!("chat:{id}:student:terminated"));
        second.expect(&format!("chat:{other}:student:terminated"));
        while witness.expect_status()["chats"]["finished"] != 2 {}
        assert_eq!(second.refused("chat:student:send", json!({"chatId": other})), "unknown chat");
        assert_eq!(server.snapshot()["teachers"]["total"], 1);
    }
}

#[test]
fn a_client_that_left_the_namespace_may_come_back() {
    for way in WAYS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, id) = chat(&server, ((3, Socket), way), 1, 2);
        student.send("41");
        teacher.expect(&format!("chat:{id}:teacher:terminated"));
        student.send("40");
        assert!(student.next().starts_with("40"));
        student.call_ok("presence:student:connect", json!({"userId": 2}));
        begin(&mut teacher, &mut student, 1, 2);
    }
}

#[test]
fn all_users_of_a_connection_leave_with_it() {
    for (way, leave) in ways_to_leave() {
        let server = Server::start(&[]);
        let mut shared = SocketIo::connect(&server, way);
        for id in 0..10 {
            shared.call_ok("presence:student:connect", json!({"userId": id}));
            shared.call_ok("presence:teacher:connect", json!({"userId": id}));
        }
        assert_eq!(server.snapshot()["students"]["total"], 10);
        leave(shared);
        server.wait_until_empty();
    }
}

#[test]
fn a_session_that_is_closed_answers_the_poll_that_is_held() {
    let server = Server::start(&[]);
    for revision in REVISIONS {
        let mut client = SocketIo::connect(&server, (revision, Polling));
        let session = client.session();
        session.begin_poll();
        Bystander::new(&server).settle();
        session.post_ok(&["1"]);
        let packets = session.read_poll();
        assert!(packets == ["6"] || packets == ["1"], "{packets:?}");
    }
}

#[test]
fn a_client_that_does_not_fetch_its_mail_is_cut_off() {
    for revision in REVISIONS {
        let server = Server::start(&["--max-backlog", "8KiB"]);
        let (mut teacher, mut student, id) = chat(&server, ((3, Socket), (revision, Polling)), 1, 2);
        let payload = format!(r#"{{"chatId":"{id}","message":"{}"}}"#, "x".repeat(1000));
        // As much as may wait is kept for it.
        for _ in 0..5 {
            teacher.say("teacher", &payload);
        }
        teacher.settle();
        for _ in 0..5 {
            student.hear(&id, "student", &payload);
        }
        for _ in 0..10 {
            teacher.say("teacher", &payload);
        }
        loop {
            // Some of those that follow come too late for the chat.
            let packet = teacher.next_but_status();
            if packet == format!(r#"42["chat:{id}:teacher:terminated",{{}}]"#) {
                break;
            }
            assert!(packet.contains("unknown chat"), "{packet}");
        }
        server.wait_until_students_are(0);
        let answer = student.session().post(&["42[\"ping\"]"]);
        assert_eq!(answer.body, r#"{"code":1,"message":"Session ID unknown"}"#);
    }
}

#[test]
fn a_server_that_stops_says_so_to_those_who_poll() {
    for revision in REVISIONS {
        let mut server = Server::start(&[]);
        let mut client = SocketIo::student(&server, (revision, Polling), 1);
        let mut socket = SocketIo::student(&server, (revision, Socket), 2);
        client.session().begin_poll();
        Bystander::new(&server).settle();
        server.signal("TERM");
        assert_eq!(client.session().read_poll(), ["1"]);
        assert!(matches!(socket.socket().read(), Ok(Message::Close(Some(_)))));
        drop((client, socket));
        assert!(server.wait_for_exit().success());
    }
}

#[test]
fn after_a_change_over_the_socket_is_what_counts() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, id) = chat(&server, ((4, Socket), (revision, Polling)), 1, 2);
        // The connections of the requests close, which ends nothing.
        upgrade(&server, &mut student);
        exchange(&mut teacher, &mut student, &id);
        drop(student);
        teacher.expect(&format!("chat:{id}:teacher:terminated"));
        server.wait_until_students_are(0);
    }
}

/// More users than go off line in a turn: who has disconnected can connect them again at once.
#[test]
fn many_users_of_one_client_can_leave_and_come_back_at_once() {
    const COUNT: usize = 300;
    for way in WAYS {
        let server = Server::start(&[]);
        let mut client = SocketIo::connect(&server, way);
        let connects = |acknowledgement: usize| {
            let connect = move |id| {
                let number = if id == COUNT - 1 { acknowledgement.to_string() } else { String::new() };
                format!(r#"42{number}["presence:student:connect",{{"userId":{id}}}]"#)
            };
            (0..COUNT).map(connect)
        };
        let leave = ["41".to_owned(), "40".to_owned()];
        client.send_all(&connects(1).chain(leave).chain(connects(2)).collect::<Vec<_>>());
        while !client.next_but_status().starts_with("432[") {}
        assert_eq!(server.snapshot()["students"]["total"], COUNT, "{way:?}");
        assert_eq!(Metrics::of(&server).get("mio_chat_refusals_total", &[]), 0.0, "{way:?}");
    }
}
