//! Chats between Bayeux and the other protocols, in both roles.

use crate::support;

use serde_json::json;
use support::Server;
use support::bayeux::{Socket, handshake, ok, publish, subscribe, user};
use support::phoenix::Phoenix;
use support::phoenix::Version::{V1, V2};

#[test]
fn a_bayeux_teacher_and_a_phoenix_student() {
    for version in [V1, V2] {
        let server = Server::start(&[]);
        let teacher = user(&server, "teacher", 1);
        let mut socket = Socket::bound(&server, &teacher);
        let mut student = Phoenix::student(&server, version, 2);
        student.settle();
        ok(&server, publish(&teacher, "/presence/claim_student", json!({"teacherId": 1})));
        let id = student.expect("presence:student:2", "new:chat")["id"].as_str().unwrap().to_owned();
        let (topic, chat) = (format!("chats:{id}"), format!("/chat/{id}"));
        assert_eq!(socket.next()[0]["data"]["readyChannel"], format!("{chat}/ready"));
        for channel in ["ready", "teacher/receive", "teacher/terminated"] {
            ok(&server, subscribe(&teacher, &format!("{chat}/{channel}")));
        }
        ok(&server, publish(&teacher, &format!("{chat}/teacher/joined"), json!({"userId": 1})));
        student.enter(&topic, "student", 2);
        assert_eq!(socket.next(), json!([{"channel": format!("{chat}/ready"), "data": {}}]));
        assert_eq!(student.expect(&topic, "chat:ready"), json!({}));
        let payload = json!({"message": "Grüße \u{1f469}", "extra": [1, null, {"a": {}}]});
        ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), payload.clone()));
        assert_eq!(student.expect(&topic, "student:receive"), payload);
        student.push(&topic, "student:send", payload.clone());
        assert_eq!(socket.next(), json!([{"channel": format!("{chat}/teacher/receive"), "data": payload}]));
        drop(student);
        assert_eq!(socket.next(), json!([{"channel": format!("{chat}/teacher/terminated"), "data": {}}]));
    }
}

#[test]
fn a_phoenix_teacher_and_a_bayeux_student() {
    for version in [V1, V2] {
        let server = Server::start(&[]);
        let mut teacher = Phoenix::teacher(&server, version, 1);
        let student = user(&server, "student", 2);
        let mut socket = Socket::bound(&server, &student);
        teacher.claim(1);
        let id = teacher.expect("presence:teachers", "new:chat:1")["id"].as_str().unwrap().to_owned();
        let (topic, chat) = (format!("chats:{id}"), format!("/chat/{id}"));
        assert_eq!(socket.next()[0]["data"]["sendChannel"], format!("{chat}/student/send"));
        for channel in ["student/receive", "student/terminated"] {
            ok(&server, subscribe(&student, &format!("{chat}/{channel}")));
        }
        ok(&server, publish(&student, &format!("{chat}/student/joined"), json!({"userId": 2})));
        teacher.enter(&topic, "teacher", 1);
        assert_eq!(teacher.expect(&topic, "chat:ready"), json!({}));
        let payload = json!({"message": "Grüße \u{1f469}", "extra": [1, null, {"a": {}}]});
        teacher.push(&topic, "teacher:send", payload.clone());
        assert_eq!(socket.next(), json!([{"channel": format!("{chat}/student/receive"), "data": payload}]));
        ok(&server, publish(&student, &format!("{chat}/student/send"), payload.clone()));
        assert_eq!(teacher.expect(&topic, "teacher:receive"), payload);
        socket.send(json!([{"channel": "/meta/disconnect", "clientId": student}]));
        assert_eq!(teacher.expect(&topic, "chat:terminated"), json!({}));
    }
}

#[test]
fn an_id_is_in_use_whatever_the_protocol() {
    let server = Server::start(&[]);
    let _teacher = Phoenix::teacher(&server, V2, 1);
    let client = handshake(&server);
    let connect = publish(&client, "/presence/teacher/connect", json!({"userId": 1}));
    let words = "400:/presence/teacher/connect:id is in use";
    assert_eq!(support::bayeux::error(&server, connect), words);
    let bayeux = user(&server, "student", 2);
    let mut socket = Socket::bound(&server, &bayeux);
    socket.settle();
    let mut phoenix = Phoenix::connect(&server, V2);
    let reason = phoenix.refused("presence:student:2", "phx_join", json!({"userId": 2, "role": "student"}));
    assert_eq!(reason, "id is in use");
}
