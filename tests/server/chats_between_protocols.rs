//! One conversation over every pair of protocols and transports, and what the protocols share.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::bayeux::{self, publish};
use crate::support::phoenix::Phoenix;
use crate::support::raw::Bystander;
use crate::support::socket_io::SocketIo;
use crate::support::user::{CLIENT_KINDS, Client, ClientKind, Event, User, begin};

/// Payloads that every protocol takes, with spaces, escapes and numbers that a serializer would write in another way.
fn payloads(chat: &str) -> [String; 3] {
    [
        format!(r#"{{"chatId":"{chat}","message":"Message from teacher: 1"}}"#),
        format!(
            r#"{{ "n":1.50e+2 ,"message":"\ud83d\ude00 \"\\","chatId":"{chat}","extra key":[null,{{}}]}}"#
        ),
        format!(r#"{{"chatId":"{chat}","message":"Grüße 👩"}}"#),
    ]
}

fn pairs() -> impl Iterator<Item = (ClientKind, ClientKind)> {
    CLIENT_KINDS.into_iter().flat_map(|teacher| CLIENT_KINDS.map(|student| (teacher, student)))
}

/// Ids are numbers or strings; in the name of a Bayeux channel only numbers are used here.
fn id(kind: ClientKind, number: usize) -> Value {
    if matches!(kind, ClientKind::SocketIo(..)) { json!(format!("user {number}")) } else { json!(number) }
}

/// The chat's announcement, in the words of the protocol.
fn check_announcement(user: &User, announcement: &Value, ids: [&Value; 2]) {
    let (chat, role) = (&user.chat, user.role);
    let (receive, ready) = match user.client {
        Client::Phoenix(_) => {
            return assert_eq!([&announcement["teacher_id"], &announcement["student_id"]], ids);
        }
        Client::SocketIo(_) => (format!("chat:{chat}:{role}:receive"), format!("chat:{chat}:ready")),
        Client::Bayeux(_) => (format!("/chat/{chat}/{role}/receive"), format!("/chat/{chat}/ready")),
    };
    assert_eq!(announcement["receiveChannel"], receive);
    assert_eq!(announcement["readyChannel"], if role == "teacher" { json!(ready) } else { Value::Null });
}

/// A chat that both sides have entered, and whose start has come to them.
fn chat(server: &Server, kinds: (ClientKind, ClientKind), number: usize) -> (User, User) {
    let mut teacher = User::teacher(server, kinds.0, id(kinds.0, number));
    let mut student = User::student(server, kinds.1, id(kinds.1, number));
    let [at_teacher, at_student] = begin(&mut teacher, &mut student);
    let ids = [teacher.id.clone(), student.id.clone()];
    check_announcement(&teacher, &at_teacher, ids.each_ref());
    check_announcement(&student, &at_student, ids.each_ref());
    (teacher, student)
}

fn exchange(teacher: &mut User, student: &mut User) {
    for payload in payloads(&teacher.chat) {
        teacher.send(&payload);
        student.expect_message(&payload);
        student.send(&payload);
        teacher.expect_message(&payload);
    }
}

/// A chat that has ended accepts no message.
fn refuse_messages(user: &mut User) {
    let reason = if matches!(user.client, Client::Bayeux(_)) { "Forbidden channel" } else { "unknown chat" };
    assert_eq!(user.try_send(&json!({"chatId": user.chat})), Err(reason.into()));
}

#[test]
fn a_chat_that_the_teacher_ends() {
    let server = Server::start(&[]);
    for (number, kinds) in pairs().enumerate() {
        let (mut teacher, mut student) = chat(&server, kinds, number);
        exchange(&mut teacher, &mut student);
        teacher.terminate();
        teacher.expect(Event::Terminated);
        student.expect(Event::Terminated);
        refuse_messages(&mut student);
        teacher.leave();
        student.leave();
        server.wait_until_empty();
    }
}

#[test]
fn a_chat_that_ends_as_the_student_leaves() {
    let server = Server::start(&[]);
    for (number, kinds) in pairs().enumerate() {
        let (mut teacher, mut student) = chat(&server, kinds, number);
        exchange(&mut teacher, &mut student);
        student.leave();
        teacher.expect(Event::Terminated);
        server.wait_until_students_are(0);
        refuse_messages(&mut teacher);
        teacher.leave();
        server.wait_until_empty();
    }
}

/// A client of this kind asks to be a user whose id is in use; returns the reason for which it is refused.
fn refused_connect(server: &Server, kind: ClientKind, role: &str, id: &str) -> String {
    let user = json!({"userId": id, "role": role});
    match kind {
        ClientKind::Phoenix(version) => {
            let student = format!("presence:student:{id}");
            let topic = if role == "teacher" { "presence:teachers" } else { &student };
            Phoenix::connect(server, version).refused(topic, "phx_join", user)
        }
        ClientKind::SocketIo(revision, transport) => {
            let mut socket_io = SocketIo::connect(server, (revision, transport));
            if role == "teacher" {
                let reason = socket_io.refused("presence:claim_student", json!({"teacherId": id}));
                assert_eq!(reason, "user is on another connection");
            }
            socket_io.refused(&format!("presence:{role}:connect"), user)
        }
        ClientKind::BayeuxSocket | ClientKind::BayeuxPolling => {
            let channel = format!("/presence/{role}/connect");
            let error = bayeux::error(server, publish(&bayeux::handshake(server), &channel, user));
            error.strip_prefix(&format!("400:{channel}:")).expect("an error of the channel").to_owned()
        }
    }
}

#[test]
fn an_id_is_one_user_over_all_protocols() {
    let server = Server::start(&[]);
    for (owner, other) in pairs() {
        for role in ["teacher", "student"] {
            let mut owner = User::connect(&server, owner, role, json!(7));
            // A Bayeux client without a held connect or a socket would be evicted as one that has disconnected.
            if matches!(owner.client, Client::Bayeux(_)) {
                owner.begin_poll();
                Bystander::new(&server).settle();
            }
            assert_eq!(refused_connect(&server, other, role, "7"), "id is in use", "{other} as {role}");
            owner.leave();
            server.wait_until_empty();
        }
    }
}

#[test]
fn a_status_is_the_same_over_all_protocols() {
    let server = Server::start(&[]);
    let mut teachers: Vec<_> =
        CLIENT_KINDS.into_iter().zip(1..).map(|(kind, id)| User::teacher(&server, kind, id)).collect();
    teachers.iter_mut().for_each(User::subscribe_to_status);
    let _student = User::student(&server, CLIENT_KINDS[2], 50);
    let expected = json!({
        "teachers": {"total": 8},
        "students": {"total": 1, "waiting": 1, "chatting": 0, "finished": 0},
        "chats": {"total": 0, "active": 0, "finished": 0},
    });
    for teacher in &mut teachers {
        let status = loop {
            match teacher.next() {
                Event::Status(status) if status["students"]["total"] == 1 => break status,
                Event::Status(_) | Event::Other => {}
                event => panic!("no status but {event:?}"),
            }
        };
        assert_eq!(status, expected);
    }
}
