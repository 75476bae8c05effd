//! The conversation over Socket.IO, as node-chat-client has it, in both revisions and over both transports.

use crate::support;

use serde_json::{Value, json};
use support::Server;
use support::socket_io::{Socket, SocketIo, Transport, WAYS, begin, chat, open_socket};
use tungstenite::Message;

/// A payload that is not to be written anew: spaces, key order, escapes and numbers as they came.
fn payload(chat: &str) -> String {
    format!(
        r#"{{ "message":"Gr\u00fc\u00dfe, \ud83d\ude00 \"\\/","chatId" :"{chat}","n":1.50e+2,"x":[null,{{}}]}}"#
    )
}

#[test]
fn the_opening_of_a_websocket_in_revision_3() {
    let server = Server::start(&[]);
    for path in ["/socket.io/?EIO=3&transport=websocket", "/socket.io/?transport=websocket&t=1"] {
        let mut socket = open_socket(&server, path);
        let open = socket.read().unwrap().into_text().unwrap();
        let sid = open.get(9..41).unwrap();
        assert!(sid.bytes().all(|byte| byte.is_ascii_hexdigit()), "{open}");
        assert_eq!(
            open,
            format!(r#"0{{"sid":"{sid}","upgrades":[],"pingInterval":25000,"pingTimeout":60000}}"#)
        );
        assert_eq!(socket.read().unwrap(), Message::text("40"));
        socket.send(Message::text("2")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("3"));
    }
}

#[test]
fn the_opening_of_a_websocket_in_revision_4() {
    let server = Server::start(&[]);
    for connect in ["40", "40{}", r#"40{"token":"x"}"#] {
        let mut socket = open_socket(&server, "/socket.io/?EIO=4&transport=websocket");
        let open = socket.read().unwrap().into_text().unwrap();
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        let sid = open["sid"].as_str().unwrap();
        assert!(open["maxPayload"].as_u64().unwrap() >= 65_536);
        let (interval, timeout) = (&open["pingInterval"], &open["pingTimeout"]);
        assert_eq!((interval, timeout, &open["upgrades"]), (&json!(25000), &json!(20000), &json!([])));
        socket.send(Message::text(connect)).unwrap();
        let answer = socket.read().unwrap().into_text().unwrap();
        let answer: Value = serde_json::from_str(answer.strip_prefix("40").unwrap()).unwrap();
        assert!(answer["sid"].as_str().is_some_and(|id| !id.is_empty() && id != sid), "{answer}");
    }
}

#[test]
fn a_conversation_from_the_first_packet_to_the_last() {
    for at_teacher in WAYS {
        for at_student in WAYS {
            conversation(at_teacher, at_student);
        }
    }
}

fn conversation(at_teacher: (u8, Transport), at_student: (u8, Transport)) {
    let server = Server::start(&[]);
    let mut teacher = SocketIo::connect(&server, at_teacher);
    teacher.emit("presence:teacher:connect", json!({"userId": 1, "role": "teacher"}));
    let mut student = SocketIo::connect(&server, at_student);
    student.emit("presence:student:connect", json!({"userId": 2, "role": "student"}));
    assert_eq!(teacher.expect_status()["students"], json!({"total":1,"waiting":1,"chatting":0,"finished":0}));

    teacher.emit("presence:claim_student", json!({"teacherId": 1}));
    let new_chat = teacher.next_but_status();
    let id = new_chat.split('"').nth(5).unwrap();
    assert_eq!(
        new_chat,
        format!(
            r#"42["presence:new_chat:teacher:1",{{"id":"{id}","sendChannel":"chat:teacher:send","receiveChannel":"chat:{id}:teacher:receive","terminateChannel":"chat:teacher:terminate","terminatedChannel":"chat:{id}:teacher:terminated","joinedChannel":"chat:teacher:joined","readyChannel":"chat:{id}:ready"}}]"#
        )
    );
    assert_eq!(
        student.next(),
        format!(
            r#"42["presence:new_chat:student:2",{{"id":"{id}","sendChannel":"chat:student:send","receiveChannel":"chat:{id}:student:receive","terminatedChannel":"chat:{id}:student:terminated","joinedChannel":"chat:student:joined"}}]"#
        )
    );
    student.enter(id, "student", 2);
    teacher.enter(id, "teacher", 1);
    assert_eq!(teacher.next_but_status(), format!(r#"42["chat:{id}:ready",{{}}]"#));

    // Beyond ASCII, as written; a body of revision 3 has it escaped, which reads alike.
    let payload = payload(id);
    for _ in 0..3 {
        teacher.say("teacher", &payload);
        student.hear(id, "student", &payload);
        student.say("student", &payload);
        teacher.hear(id, "teacher", &payload);
    }
    let plain = json!({"chatId": id, "message": "é 你好 😀"});
    teacher.emit("chat:teacher:send", plain.clone());
    assert_eq!(student.expect(&format!("chat:{id}:student:receive")), plain);
    student.emit("chat:student:send", plain.clone());
    assert_eq!(teacher.expect(&format!("chat:{id}:teacher:receive")), plain);

    teacher.emit("chat:teacher:terminate", json!({"chatId": id, "message": "bye"}));
    assert_eq!(teacher.next_but_status(), format!(r#"42["chat:{id}:teacher:terminated",{{}}]"#));
    assert_eq!(student.next(), format!(r#"42["chat:{id}:student:terminated",{{}}]"#));
    student.emit("presence:student:disconnect", json!({"userId": 2, "role": "student"}));
    while teacher.expect_status()["students"]["total"] != 0 {}
    teacher.settle();
    student.settle();
    assert_eq!(server.snapshot()["chats"], json!({"total": 1, "active": [], "finished": 1}));
}

#[test]
fn a_student_may_terminate_and_wait_again() {
    for way in WAYS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, id) = chat(&server, (way, way), 1, 2);
        student.emit("chat:student:terminate", json!({"chatId": id}));
        student.expect(&format!("chat:{id}:student:terminated"));
        teacher.expect(&format!("chat:{id}:teacher:terminated"));
        student.call_ok("presence:student:connect", json!({"userId": 2, "role": "student"}));
        let next = begin(&mut teacher, &mut student, 1, 2);
        assert_ne!(id, next);
    }
}

#[test]
fn students_are_served_in_the_order_in_which_they_came() {
    let server = Server::start(&[]);
    let mut teacher = SocketIo::teacher(&server, (3, Socket), 1);
    let mut students: Vec<_> =
        [7, 5, 9].into_iter().zip(WAYS).map(|(id, way)| (id, SocketIo::student(&server, way, id))).collect();
    for (id, student) in &mut students {
        begin(&mut teacher, student, 1, *id);
    }
}

#[test]
fn many_users_of_one_connection() {
    for way in WAYS {
        let server = Server::start(&["--students-per-teacher", "2"]);
        let mut shared = SocketIo::connect(&server, way);
        for id in ["t", "u"] {
            shared.call_ok("presence:teacher:connect", json!({"userId": id, "role": "teacher"}));
        }
        for id in ["a", "b"] {
            shared.call_ok("presence:student:connect", json!({"userId": id, "role": "student"}));
        }
        let mut chats = Vec::new();
        for (teacher, student) in [("t", "a"), ("u", "b")] {
            shared.emit("presence:claim_student", json!({"teacherId": teacher}));
            let chat = shared.expect(&format!("presence:new_chat:teacher:{teacher}"));
            assert_eq!(shared.expect(&format!("presence:new_chat:student:{student}"))["id"], chat["id"]);
            let id = chat["id"].as_str().unwrap().to_owned();
            shared.enter(&id, "teacher", teacher);
            shared.enter(&id, "student", student);
            shared.expect(&format!("chat:{id}:ready"));
            chats.push(id);
        }
        for id in &chats {
            let payload = payload(id);
            shared.say("teacher", &payload);
            shared.hear(id, "student", &payload);
            shared.say("student", &payload);
            shared.hear(id, "teacher", &payload);
        }
        // Only one user leaves, and only that one's chat ends.
        shared.emit("presence:student:disconnect", json!({"userId": "a", "role": "student"}));
        shared.expect(&format!("chat:{}:teacher:terminated", chats[0]));
        shared.expect(&format!("chat:{}:student:terminated", chats[0]));
        let payload = payload(&chats[1]);
        shared.say("teacher", &payload);
        shared.hear(&chats[1], "student", &payload);
        // Each of these came once.
        shared.settle();
    }
}

#[test]
fn a_status_comes_once_to_a_connection_of_many_teachers_and_to_no_student() {
    for way in WAYS {
        let server = Server::start(&[]);
        let mut teachers = SocketIo::connect(&server, way);
        for id in 1..=3 {
            teachers.call_ok("presence:teacher:connect", json!({"userId": id, "role": "teacher"}));
        }
        let mut student = SocketIo::connect(&server, way);
        // Nothing was said when the teachers came: this is the first status, and the only one.
        student.call_ok("presence:student:connect", json!({"userId": 9, "role": "student"}));
        assert_eq!(
            teachers.next(),
            r#"42["presence:status",{"teachers":{"total":3},"students":{"total":1,"waiting":1,"chatting":0,"finished":0},"chats":{"total":0,"active":0,"finished":0}}]"#
        );
        teachers.send("42[\"ping\"]");
        assert_eq!(teachers.next(), "42[\"pong\"]");
        student.send("42[\"ping\"]");
        assert_eq!(student.next(), "42[\"pong\"]");
    }
}

#[test]
fn ping_in_pong_out() {
    let server = Server::start(&[]);
    for way in WAYS {
        let mut client = SocketIo::connect(&server, way);
        for ping in [r#"42["ping"]"#, r#"42["ping",null]"#, r#"42["ping",{"userId":1}]"#, r#"42["ping",1,2]"#]
        {
            client.send(ping);
            assert_eq!(client.next(), r#"42["pong"]"#, "{ping}");
        }
        client.send(r#"427["ping"]"#);
        assert_eq!(client.next(), r#"42["pong"]"#);
        assert_eq!(client.next(), r#"437[{"status":"ok"}]"#);
    }
}

#[test]
fn acknowledgements_repeat_the_id() {
    let server = Server::start(&[]);
    for (id, way) in WAYS.into_iter().enumerate() {
        let mut client = SocketIo::connect(&server, way);
        for ack in ["0", "7", "4294967296"] {
            client.send(format!(r#"42{ack}["presence:student:connect",{{"userId":{id}}}]"#));
            assert_eq!(client.next(), format!(r#"43{ack}[{{"status":"ok"}}]"#));
            client.send(format!(r#"42{ack}["presence:claim_student",{{}}]"#));
            let error = r#"[{"status":"error","reason":"missing or invalid teacherId"}]"#;
            assert_eq!(client.next(), format!("43{ack}{error}"));
            client.send(format!(r#"42{ack}["presence:student:disconnect",{{"userId":{id}}}]"#));
            assert_eq!(client.next(), format!(r#"43{ack}[{{"status":"ok"}}]"#));
        }
    }
}
