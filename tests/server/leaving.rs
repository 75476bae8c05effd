//! Every way of leaving, over every protocol, in every state of a conversation, and what the others receive.

use std::mem::forget;
use std::net::Shutdown;

use serde_json::json;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::support::metrics::Metrics;
use crate::support::phoenix::Phoenix;
use crate::support::phoenix::Version::{V1, V2};
use crate::support::raw::Bystander;
use crate::support::socket_io::{self, Polling, REVISIONS, Socket, SocketIo, WAYS, exchange, upgrade};
use crate::support::user::{Client, ClientKind, Event, User, begin};
use crate::support::{Server, phoenix, wait_until};

/// What a client does to leave. Where the connection is not what ends, it stays open.
type Leave = fn(User);

const PHOENIX: [Leave; 5] = [
    |user| {
        let topic = match user.role {
            "teacher" => "presence:teachers".to_owned(),
            _ => phoenix::student_topic(&user.id),
        };
        let mut phoenix = of_phoenix(user);
        phoenix.push(&topic, "phx_leave", json!({}));
        forget(phoenix);
    },
    |user| {
        let mut phoenix = of_phoenix(user);
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        phoenix.socket.close(Some(frame)).unwrap();
        phoenix.expect_close(CloseCode::Normal);
    },
    |user| {
        let phoenix = of_phoenix(user);
        phoenix.socket.get_ref().shutdown(Shutdown::Write).unwrap();
        forget(phoenix);
    },
    // Closing with unread input makes the kernel send a reset.
    |user| {
        let mut phoenix = of_phoenix(user);
        phoenix.push("phoenix", "heartbeat", json!({}));
        phoenix.socket.get_ref().peek(&mut [0]).unwrap();
    },
    |user| {
        let mut phoenix = of_phoenix(user);
        phoenix.send_text("this is no frame");
        phoenix.expect_close(CloseCode::Invalid);
    },
];

/// Sends nothing more, until the idle timeout of a Phoenix client.
const SILENCE: Leave = |user| forget(user);

const SOCKET_IO_SOCKET: [Leave; 6] = [
    |user| send_last(user, "41"),
    |user| send_last(user, "1"),
    |user| send_last(user, "no packet"),
    |user| of_socket_io(user).socket().close(None).unwrap(),
    |user| {
        let mut client = of_socket_io(user);
        client.socket().get_ref().shutdown(Shutdown::Write).unwrap();
        forget(client);
    },
    drop,
];

const SOCKET_IO_POLLING: [Leave; 5] = [
    |user| send_last(user, "41"),
    |user| send_last(user, "1"),
    |user| {
        let mut client = of_socket_io(user);
        assert_eq!(client.session().post(&["no packet"]).status, 400);
        forget(client);
    },
    |user| close_held_poll(user, Shutdown::Both),
    |user| close_held_poll(user, Shutdown::Write),
];

fn of_phoenix(user: User) -> Phoenix {
    let Client::Phoenix(phoenix) = user.client else { panic!("not a Phoenix client") };
    phoenix
}

fn of_socket_io(user: User) -> SocketIo {
    let Client::SocketIo(client) = user.client else { panic!("not a Socket.IO client") };
    client
}

/// The packet is what ends the session: the connections stay.
fn send_last(user: User, packet: &str) {
    let mut client = of_socket_io(user);
    client.send(packet);
    forget(client);
}

/// Closes the connection of a poll that is held.
fn close_held_poll(user: User, how: Shutdown) {
    let mut client = of_socket_io(user);
    let session = client.session();
    // Statuses may have gathered: a poll that follows is held.
    session.post_ok(&["42[\"ping\"]"]);
    while !session.poll().contains(&"42[\"pong\"]".to_owned()) {}
    session.begin_poll();
    session.get.shutdown(how).unwrap();
    forget(client);
}

fn ways_to_leave() -> Vec<(ClientKind, Leave)> {
    let mut all: Vec<(ClientKind, Leave)> = vec![(ClientKind::Phoenix(V1), SILENCE)];
    for version in [V1, V2] {
        all.extend(PHOENIX.map(|leave| (ClientKind::Phoenix(version), leave)));
    }
    for revision in REVISIONS {
        all.extend(SOCKET_IO_SOCKET.map(|leave| (ClientKind::SocketIo(revision, Socket), leave)));
        all.extend(SOCKET_IO_POLLING.map(|leave| (ClientKind::SocketIo(revision, Polling), leave)));
    }
    // A Bayeux client whose connection closes may come back for a while, so only this ends it at once.
    all.extend(
        [ClientKind::BayeuxSocket, ClientKind::BayeuxPolling].map(|kind| (kind, User::leave as Leave)),
    );
    all
}

/// Those who stay are on Socket.IO, whose clients the idle timeout of Phoenix does not concern.
const STAYING: [ClientKind; 3] =
    [ClientKind::SocketIo(3, Socket), ClientKind::SocketIo(4, Socket), ClientKind::SocketIo(3, Polling)];

/// Tries every way to leave on a server of its own.
fn all(students_per_teacher: &str, check: impl Fn(&Server, ClientKind, Leave)) {
    for (kind, leave) in ways_to_leave() {
        let options = ["--idle-timeout", "1500ms", "--students-per-teacher", students_per_teacher];
        let server = Server::start(&options);
        check(&server, kind, leave);
    }
}

#[test]
fn a_waiting_student_leaves_the_queue() {
    all("5", |server, kind, leave| {
        let mut teacher = User::teacher(server, STAYING[0], 1);
        leave(User::student(server, kind, 10));
        server.wait_until_students_are(0);
        let mut next = User::student(server, STAYING[1], 11);
        begin(&mut teacher, &mut next);
        assert_eq!(server.snapshot()["students"]["total"], 1);
    });
}

#[test]
fn a_student_who_leaves_ends_the_chat_and_frees_the_teachers_place() {
    all("1", |server, kind, leave| {
        let mut teacher = User::teacher(server, STAYING[1], 1);
        let mut student = User::student(server, kind, 10);
        begin(&mut teacher, &mut student);
        leave(student);
        teacher.expect(Event::Terminated);
        server.wait_until_students_are(0);
        assert_eq!(server.snapshot()["chats"]["finished"], 1);
        // The only place is free again, and so is the id.
        let mut next = User::student(server, kind, 10);
        begin(&mut teacher, &mut next);
    });
}

#[test]
fn a_teacher_who_leaves_ends_all_chats() {
    all("5", |server, kind, leave| {
        let mut watching = User::teacher(server, STAYING[0], 2);
        let mut teacher = User::teacher(server, kind, 1);
        let mut students = [1, 2].map(|index| {
            let mut student = User::student(server, STAYING[index], 10 + index as u64);
            begin(&mut teacher, &mut student);
            student
        });
        leave(teacher);
        for student in &mut students {
            student.expect(Event::Terminated);
            let message = json!({"chatId": student.chat, "message": "still there?"});
            assert_eq!(student.try_send(&message), Err("unknown chat".into()));
        }
        while !matches!(watching.next(), Event::Status(status) if status["chats"]["finished"] == 2) {}
        let snapshot = server.snapshot();
        assert_eq!(
            (&snapshot["teachers"]["total"], &snapshot["students"]["finished"]),
            (&json!(1), &json!(2))
        );
    });
}

#[test]
fn a_finished_student_leaves_only_a_count() {
    all("5", |server, kind, leave| {
        let mut teacher = User::teacher(server, STAYING[1], 1);
        let mut student = User::student(server, kind, 10);
        begin(&mut teacher, &mut student);
        teacher.terminate();
        student.expect(Event::Terminated);
        leave(student);
        server.wait_until_students_are(0);
        assert_eq!(server.snapshot()["chats"], json!({"total": 1, "active": [], "finished": 1}));
    });
}

#[test]
fn a_student_who_has_joined_and_is_not_ready_leaves_the_id() {
    let server = Server::start(&["--idle-timeout", "1500ms"]);
    for leave in PHOENIX.into_iter().chain([SILENCE]) {
        let mut phoenix = Phoenix::connect(&server, V1);
        phoenix.join_student(json!(10));
        leave(User { role: "student", id: json!(10), client: Client::Phoenix(phoenix), chat: String::new() });
        let mut again = Phoenix::connect(&server, V1);
        wait_until("the id is free", || {
            let join = json!({"userId": 10, "role": "student"});
            again.call("presence:student:10", "phx_join", join)["status"] == "ok"
        });
    }
}

#[test]
fn leaving_a_chat_that_goes_on_ends_it() {
    let server = Server::start(&[]);
    let (mut teacher, mut student, topic) = phoenix::chat(&server, (V1, V1), 1, 10);
    student.push(&topic, "phx_leave", json!({}));
    teacher.expect(&topic, "chat:terminated");
    student.expect(&topic, "chat:terminated");
    student.expect(&topic, "phx_reply");
    assert_eq!(server.snapshot()["students"]["finished"], 1);
}

#[test]
fn all_at_once_leave_nothing_behind() {
    let server = Server::start(&[]);
    let mut clients = Vec::new();
    for id in 0..20 {
        clients.push(phoenix::chat(&server, (V1, V2), id, id));
    }
    assert_eq!(server.snapshot()["students"]["chatting"], 20);
    drop(clients);
    server.wait_until_empty();
    assert_eq!(server.snapshot()["chats"]["finished"], 20);
}

#[test]
fn a_client_that_left_the_namespace_may_come_back() {
    for way in WAYS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, id) = socket_io::chat(&server, ((3, Socket), way), 1, 2);
        student.send("41");
        teacher.expect(&format!("chat:{id}:teacher:terminated"));
        student.send("40");
        assert!(student.next().starts_with("40"));
        student.call_ok("presence:student:connect", json!({"userId": 2}));
        socket_io::begin(&mut teacher, &mut student, 1, 2);
    }
}

#[test]
fn all_users_of_a_connection_leave_with_it() {
    for (kind, leave) in ways_to_leave() {
        let ClientKind::SocketIo(revision, transport) = kind else { continue };
        let server = Server::start(&[]);
        let mut shared = SocketIo::connect(&server, (revision, transport));
        for id in 0..10 {
            shared.call_ok("presence:student:connect", json!({"userId": id}));
            shared.call_ok("presence:teacher:connect", json!({"userId": id}));
        }
        assert_eq!(server.snapshot()["students"]["total"], 10);
        let client = Client::SocketIo(shared);
        leave(User { role: "student", id: json!(0), client, chat: String::new() });
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
fn a_client_that_does_not_poll_is_closed_with_its_backlog_full() {
    for revision in REVISIONS {
        let server = Server::start(&["--max-backlog", "8KiB"]);
        let (mut teacher, mut student, id) =
            socket_io::chat(&server, ((3, Socket), (revision, Polling)), 1, 2);
        let payload = format!(r#"{{"chatId":"{id}","message":"{}"}}"#, "x".repeat(1000));
        // Below the limit all of it is kept.
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
            // Messages sent after the end of the chat are refused.
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
fn a_server_that_stops_closes_polling_sessions() {
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
fn after_an_upgrade_the_websocket_is_the_connection() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, id) =
            socket_io::chat(&server, ((4, Socket), (revision, Polling)), 1, 2);
        // The connections of the requests close, which ends nothing.
        upgrade(&server, &mut student);
        exchange(&mut teacher, &mut student, &id);
        drop(student);
        teacher.expect(&format!("chat:{id}:teacher:terminated"));
        server.wait_until_students_are(0);
    }
}

/// More users than go offline in one iteration of the loop: the same client can connect them again at once.
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
