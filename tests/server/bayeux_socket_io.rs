//! Bayeux and Socket.IO users in one chat.

use crate::support;

use serde_json::json;
use support::Server;
use support::bayeux::{Socket, ok, publish, subscribe, user};
use support::socket_io::{SocketIo, WAYS};

#[test]
fn a_bayeux_teacher_and_a_socket_io_student() {
    for way in WAYS {
        let server = Server::start(&[]);
        let teacher = user(&server, "teacher", 1);
        let mut socket = Socket::bound(&server, &teacher);
        let mut student = SocketIo::student(&server, way, 2);
        ok(&server, publish(&teacher, "/presence/claim_student", json!({"teacherId": 1})));
        let id = student.expect("presence:new_chat:student:2")["id"].as_str().unwrap().to_owned();
        let chat = format!("/chat/{id}");
        assert_eq!(socket.next()[0]["data"]["sendChannel"], format!("{chat}/teacher/send"));
        for channel in ["ready", "teacher/receive", "teacher/terminated"] {
            ok(&server, subscribe(&teacher, &format!("{chat}/{channel}")));
        }
        ok(&server, publish(&teacher, &format!("{chat}/teacher/joined"), json!({"userId": 1})));
        student.enter(&id, "student", 2);
        assert_eq!(socket.next(), json!([{"channel": format!("{chat}/ready"), "data": {}}]));
        ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"message": "Grüße"})));
        let heard = student.expect(&format!("chat:{id}:student:receive"));
        assert_eq!(heard, json!({"message": "Grüße"}));
        let payload = json!({"chatId": id, "message": "hi", "extra": [1]});
        student.say("student", &payload.to_string());
        assert_eq!(socket.next(), json!([{"channel": format!("{chat}/teacher/receive"), "data": payload}]));
        ok(&server, publish(&teacher, &format!("{chat}/teacher/terminate"), json!({})));
        assert_eq!(student.expect(&format!("chat:{id}:student:terminated")), json!({}));
        assert_eq!(socket.next(), json!([{"channel": format!("{chat}/teacher/terminated"), "data": {}}]));
    }
}

#[test]
fn a_socket_io_teacher_and_a_bayeux_student() {
    for way in WAYS {
        let server = Server::start(&[]);
        let mut teacher = SocketIo::teacher(&server, way, 1);
        let student = user(&server, "student", 2);
        let mut socket = Socket::bound(&server, &student);
        teacher.emit("presence:claim_student", json!({"teacherId": 1}));
        let id = teacher.expect("presence:new_chat:teacher:1")["id"].as_str().unwrap().to_owned();
        let chat = format!("/chat/{id}");
        assert_eq!(socket.next()[0]["data"]["sendChannel"], format!("{chat}/student/send"));
        for channel in ["student/receive", "student/terminated"] {
            ok(&server, subscribe(&student, &format!("{chat}/{channel}")));
        }
        ok(&server, publish(&student, &format!("{chat}/student/joined"), json!({"userId": 2})));
        teacher.enter(&id, "teacher", 1);
        assert_eq!(teacher.expect(&format!("chat:{id}:ready")), json!({}));
        let payload = json!({"chatId": id, "message": "Grüße"});
        teacher.say("teacher", &payload.to_string());
        assert_eq!(socket.next(), json!([{"channel": format!("{chat}/student/receive"), "data": payload}]));
        ok(&server, publish(&student, &format!("{chat}/student/send"), json!({"message": "hi"})));
        teacher.hear(&id, "teacher", r#"{"message":"hi"}"#);
        socket.send(json!([{"channel": "/meta/disconnect", "clientId": student}]));
        assert_eq!(teacher.expect(&format!("chat:{id}:teacher:terminated")), json!({}));
    }
}
