//! Phoenix and Socket.IO users in one chat.

use crate::support;

use serde_json::{Value, json};
use support::Server;
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, Version};
use support::socket_io::{SocketIo, WAYS};

/// Payloads that both protocols take, to the byte.
fn payloads(chat: &str) -> [String; 2] {
    [
        format!(r#"{{"chatId":"{chat}","message":"Message from teacher: 1"}}"#),
        format!(
            r#"{{ "n":1.50e+2 ,"message":"\ud83d\ude00 \"\\","chatId":"{chat}","extra key":[null,{{}}]}}"#
        ),
    ]
}

/// The payload of a Phoenix frame, as the text that it came as.
fn raw_payload<'a>(version: Version, text: &'a str, event: &str) -> &'a str {
    let (before, after) = match version {
        V1 => (format!("\"event\":\"{event}\",\"payload\":"), ",\"ref\":null}"),
        V2 => (format!("\"{event}\","), "]"),
    };
    let start = text.find(&before).unwrap_or_else(|| panic!("no {event} in {text}")) + before.len();
    text[start..].strip_suffix(after).unwrap_or_else(|| panic!("no end as {after} in {text}"))
}

#[track_caller]
fn hear(phoenix: &mut Phoenix, version: Version, event: &str, payload: &str) {
    let frame = phoenix.next_but_status();
    assert_eq!(raw_payload(version, &frame.text, event), payload);
}

#[test]
fn a_phoenix_teacher_and_a_socket_io_student() {
    for version in [V1, V2] {
        for way in WAYS {
            let server = Server::start(&[]);
            let mut teacher = Phoenix::teacher(&server, version, 1);
            let mut student = SocketIo::student(&server, way, "s 2");
            assert_eq!(teacher.expect_status()["students"]["waiting"], 1);
            teacher.claim(1);
            let chat = teacher.expect("presence:teachers", "new:chat:1");
            assert_eq!((&chat["teacher_id"], &chat["student_id"]), (&json!(1), &json!("s 2")));
            let id = chat["id"].as_str().unwrap();
            let topic = format!("chats:{id}");
            assert_eq!(student.expect("presence:new_chat:student:s 2")["id"], *id);
            teacher.enter(&topic, "teacher", 1);
            student.enter(id, "student", "s 2");
            assert_eq!(teacher.expect(&topic, "chat:ready"), json!({}));
            for payload in payloads(id) {
                teacher.push_raw(&topic, "teacher:send", &payload);
                student.hear(id, "student", &payload);
                student.say("student", &payload);
                hear(&mut teacher, version, "teacher:receive", &payload);
            }
            teacher.push(&topic, "chat:terminate", json!({}));
            assert_eq!(teacher.expect(&topic, "chat:terminated"), json!({}));
            assert_eq!(student.expect(&format!("chat:{id}:student:terminated")), json!({}));
            student.emit("presence:student:disconnect", json!({"userId": "s 2", "role": "student"}));
            let gone = |status: &Value| status["students"]["total"] == 0;
            while !gone(&teacher.expect_status()) {}
            student.settle();
            teacher.settle();
        }
    }
}

#[test]
fn a_socket_io_teacher_and_a_phoenix_student() {
    for version in [V1, V2] {
        for way in WAYS {
            let server = Server::start(&[]);
            let mut teacher = SocketIo::teacher(&server, way, "t");
            let mut student = Phoenix::student(&server, version, 2);
            student.settle();
            teacher.emit("presence:claim_student", json!({"teacherId": "t"}));
            let chat = teacher.expect("presence:new_chat:teacher:t");
            let id = chat["id"].as_str().unwrap();
            let topic = format!("chats:{id}");
            assert_eq!(student.expect("presence:student:2", "new:chat")["id"], *id);
            student.enter(&topic, "student", 2);
            student.settle();
            teacher.enter(id, "teacher", "t");
            teacher.expect(&format!("chat:{id}:ready"));
            student.expect(&topic, "chat:ready");
            for payload in payloads(id) {
                teacher.say("teacher", &payload);
                hear(&mut student, version, "student:receive", &payload);
                student.push_raw(&topic, "student:send", &payload);
                teacher.hear(id, "teacher", &payload);
            }
            // The other side of the world leaves by its own way.
            drop(student);
            teacher.expect(&format!("chat:{id}:teacher:terminated"));
            server.wait_until_students_are(0);
            teacher.settle();
        }
    }
}

#[test]
fn an_id_is_one_user_whatever_the_protocol() {
    let server = Server::start(&[]);
    let mut phoenix = Phoenix::teacher(&server, V2, 7);
    for way in WAYS {
        let mut socket_io = SocketIo::connect(&server, way);
        let seven = json!({"userId": "7", "role": "teacher"});
        assert_eq!(socket_io.refused("presence:teacher:connect", seven), "id is in use");
        let claim = json!({"teacherId": 7});
        assert_eq!(socket_io.refused("presence:claim_student", claim), "user is on another connection");
        socket_io.call_ok("presence:student:connect", json!({"userId": 8}));
        let reason =
            phoenix.refused("presence:student:8", "phx_join", json!({"userId": 8, "role": "student"}));
        assert_eq!(reason, "id is in use");
        socket_io.call_ok("presence:student:disconnect", json!({"userId": "8"}));
    }
    phoenix.settle();
}

#[test]
fn a_status_goes_to_each_in_its_own_words() {
    let server = Server::start(&[]);
    let mut phoenix: Vec<_> =
        [V1, V2].into_iter().zip(1..).map(|(version, id)| Phoenix::teacher(&server, version, id)).collect();
    let mut socket_io: Vec<_> =
        WAYS.into_iter().zip(11..).map(|(way, id)| SocketIo::teacher(&server, way, id)).collect();
    let _student = SocketIo::student(&server, WAYS[0], 5);
    let status = socket_io[0].expect_status();
    assert_eq!(status["teachers"]["total"], 6);
    assert_eq!(status["students"], json!({"total": 1, "waiting": 1, "chatting": 0, "finished": 0}));
    for client in &mut socket_io[1..] {
        assert_eq!(client.expect_status(), status);
    }
    for client in &mut phoenix {
        assert_eq!(client.expect_status(), status);
    }
}
