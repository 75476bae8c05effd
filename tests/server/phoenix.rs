//! Phoenix Channels over real sockets: the conversation and the replies, in both versions.

use crate::support;

use serde_json::{Value, json};
use support::Server;
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, Version, begin, chat};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

const VERSIONS: [(Version, Version); 4] = [(V1, V1), (V2, V2), (V1, V2), (V2, V1)];

#[test]
fn the_whole_conversation() {
    for versions in VERSIONS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, topic) = chat(&server, versions, 1, 2);

        let from_teacher = r#"{"message":"é \"1\"  ","extra":{"b":1,"a":[1.50,null]} }"#;
        teacher.push_raw(&topic, "teacher:send", from_teacher);
        let frame = student.next();
        assert_eq!(frame.event, "student:receive");
        assert!(frame.text.contains(from_teacher), "byte for byte: {}", frame.text);

        student.push(&topic, "student:send", json!({"message": "2"}));
        assert_eq!(teacher.expect(&topic, "teacher:receive"), json!({"message": "2"}));

        let snapshot = server.snapshot();
        let id = topic.strip_prefix("chats:").unwrap();
        assert_eq!(snapshot["teachers"], json!({"total": 1, "teachers": [{"id": 1, "student_ids": [2]}]}));
        assert_eq!(
            snapshot["students"],
            json!({"total": 1, "waiting": 0, "chatting": 1, "finished": 0,
                   "students": [{"id": 2, "status": "chatting", "teacher_id": 1}]})
        );
        assert_eq!(
            snapshot["chats"],
            json!({"total": 1, "finished": 0, "active": [{"id": id, "status": "active",
                   "teacher_id": 1, "student_id": 2, "teacher_entered": true, "student_entered": true,
                   "message_count": 2}]})
        );

        teacher.push(&topic, "chat:terminate", json!({}));
        for phoenix in [&mut teacher, &mut student] {
            assert_eq!(phoenix.expect(&topic, "chat:terminated"), json!({}));
        }
        let students = server.snapshot()["students"].clone();
        assert_eq!((&students["finished"], &students["chatting"]), (&json!(1), &json!(0)));
        leave(&mut student, &topic);
        leave(&mut student, "presence:student:2");
        leave(&mut teacher, &topic);
        assert_eq!(server.snapshot()["students"]["total"], 0);
    }
}

fn leave(phoenix: &mut Phoenix, topic: &str) {
    assert_eq!(phoenix.call(topic, "phx_leave", json!({})), json!({"status": "ok", "response": {}}));
    assert_eq!(phoenix.expect(topic, "phx_close"), json!({}));
}

#[test]
fn the_student_may_end_the_chat() {
    let server = Server::start(&[]);
    let (mut teacher, mut student, topic) = chat(&server, (V1, V2), 1, 2);
    student.push(&topic, "chat:terminate", json!({}));
    teacher.expect(&topic, "chat:terminated");
    student.expect(&topic, "chat:terminated");
    server.wait_for("a finished student", |snapshot| snapshot["students"]["finished"] == 1);
}

#[test]
fn frames_are_those_of_the_original_server() {
    let server = Server::start(&[]);
    let mut v1 = Phoenix::connect(&server, V1);
    v1.send_text(
        r#"{"topic":"presence:teachers","event":"phx_join","payload":{"userId":1,"role":"teacher"},"ref":"1"}"#,
    );
    assert_eq!(
        v1.next().text,
        r#"{"topic":"presence:teachers","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#
    );
    let mut v2 = Phoenix::connect(&server, V2);
    v2.send_text(r#"["1","1","presence:student:2","phx_join",{"userId":2,"role":"student"}]"#);
    assert_eq!(v2.next().text, r#"["1","1","presence:student:2","phx_reply",{"status":"ok","response":{}}]"#);
    v2.send_text(r#"["1","2","presence:student:2","student:ready",{"userId":2}]"#);
    v1.expect_status();
    v1.send_text(
        r#"{"topic":"presence:teachers","event":"claim:student","payload":{"teacherId":1},"ref":"2"}"#,
    );
    let (announcement, new_chat) = (v1.next_but_status().text, v2.next());
    let id = new_chat.payload["id"].as_str().unwrap().to_owned();
    let payload = format!(
        r#"{{"id":"{id}","status":"active","teacher_id":1,"student_id":2,"teacher_entered":false,"student_entered":false,"messages":[]}}"#
    );
    assert_eq!(
        announcement,
        format!(r#"{{"topic":"presence:teachers","event":"new:chat:1","payload":{payload},"ref":null}}"#)
    );
    assert_eq!(new_chat.text, format!(r#"["1",null,"presence:student:2","new:chat",{payload}]"#));

    v2.send_text(format!(r#"["7","8","chats:{id}","phx_join",{{"userId":2,"role":"student"}}]"#));
    v2.next();
    v2.send_text(format!(r#"["7","9","chats:{id}","phx_leave",{{}}]"#));
    assert_eq!(v2.next().text, format!(r#"["7",null,"chats:{id}","chat:terminated",{{}}]"#));
    assert_eq!(
        v2.next().text,
        format!(r#"["7","9","chats:{id}","phx_reply",{{"status":"ok","response":{{}}}}]"#)
    );
    assert_eq!(v2.next().text, format!(r#"["7",null,"chats:{id}","phx_close",{{}}]"#));
}

#[test]
fn a_push_carries_the_reference_of_the_join_and_a_broadcast_carries_null() {
    let server = Server::start(&[]);
    let join = |phoenix: &mut Phoenix, join_ref: &Value, topic: &str, payload: Value| {
        phoenix.send_text(json!([join_ref, "j", topic, "phx_join", payload]).to_string());
        let reply = phoenix.next_but_status();
        assert_eq!((&reply.join_ref, reply.payload["status"].as_str()), (join_ref, Some("ok")));
    };
    let expect = |phoenix: &mut Phoenix, join_ref: &Value, topic: &str, event: &str| {
        let frame = phoenix.next_but_status();
        assert_eq!((&frame.join_ref, &frame.reference), (join_ref, &Value::Null), "{}", frame.text);
        assert_eq!((&*frame.topic, &*frame.event), (topic, event));
        frame.payload
    };
    let refs = [("3", "4"), ("\"3\"", "\"4\""), ("\"é\\\"\"", "-1.5"), ("null", "null")];
    for (id, (presence, chat)) in (1..).zip(refs) {
        let refs = [presence, chat].map(|text| serde_json::from_str::<Value>(text).unwrap());
        let [presence, chat] = &refs;
        let (mut teacher, mut student) = (Phoenix::connect(&server, V2), Phoenix::connect(&server, V2));
        join(&mut teacher, presence, "presence:teachers", json!({"userId": id, "role": "teacher"}));
        let presence_topic = format!("presence:student:{id}");
        join(&mut student, presence, &presence_topic, json!({"userId": id, "role": "student"}));
        student.push(&presence_topic, "student:ready", json!({"userId": id}));
        loop {
            let frame = teacher.next();
            assert_eq!((&*frame.event, &frame.join_ref), ("user:status", &Value::Null), "{}", frame.text);
            if frame.payload["students"]["waiting"] == 1 {
                break;
            }
        }
        teacher.claim(id);
        let new_chat = expect(&mut teacher, presence, "presence:teachers", &format!("new:chat:{id}"));
        assert_eq!(expect(&mut student, presence, &presence_topic, "new:chat"), new_chat);
        let topic = &format!("chats:{}", new_chat["id"].as_str().unwrap());
        for (phoenix, role) in [(&mut teacher, "teacher"), (&mut student, "student")] {
            join(phoenix, chat, topic, json!({"userId": id, "role": role}));
            phoenix.push(topic, &format!("{role}:joined"), json!({}));
        }
        for phoenix in [&mut teacher, &mut student] {
            expect(phoenix, chat, topic, "chat:ready");
        }
        teacher.push(topic, "teacher:send", json!({}));
        expect(&mut student, chat, topic, "student:receive");
        student.push(topic, "student:send", json!({}));
        expect(&mut teacher, chat, topic, "teacher:receive");
        // The reference of the last join, not of the first.
        student.send_text(json!([9, "j", topic, "phx_join", {"userId": id, "role": "student"}]).to_string());
        assert_eq!(student.next().event, "phx_close");
        assert_eq!(student.next().join_ref, 9);
        teacher.push(topic, "chat:terminate", json!({}));
        expect(&mut teacher, chat, topic, "chat:terminated");
        expect(&mut student, &json!(9), topic, "chat:terminated");
        student.send_text(json!([5, "j", "server:stats", "phx_join", {}]).to_string());
        assert_eq!(student.next().join_ref, 5);
        expect(&mut student, &Value::Null, "server:stats", "stats");
    }
}

#[test]
fn a_ref_is_echoed_with_its_type() {
    let server = Server::start(&[]);
    let mut v1 = Phoenix::connect(&server, V1);
    let mut v2 = Phoenix::connect(&server, V2);
    for reference in [json!("16"), json!(16), json!(null), json!("\"é")] {
        v1.send_text(format!(
            r#"{{"ref":{reference},"payload":{{}},"event":"heartbeat","topic":"phoenix"}}"#
        ));
        assert_eq!(v1.next().reference, reference);
        v2.send_text(format!(r#"[null,{reference},"phoenix","heartbeat",{{}}]"#));
        assert_eq!(v2.next().reference, reference);
    }
}

#[test]
fn ids_go_out_as_they_came_in() {
    let server = Server::start(&[]);
    let mut teacher = Phoenix::teacher(&server, V1, "a \"b\"");
    let mut student = Phoenix::student(&server, V2, "7");
    student.settle();
    teacher.claim("a \"b\"");
    let chat = teacher.expect("presence:teachers", "new:chat:a \"b\"");
    assert_eq!((&chat["teacher_id"], &chat["student_id"]), (&json!("a \"b\""), &json!("7")));
    student.expect("presence:student:7", "new:chat");

    let mut other = Phoenix::connect(&server, V1);
    let reason = other.refused("presence:student:7", "phx_join", json!({"userId": 7, "role": "student"}));
    assert_eq!(reason, "id is in use", "7 and \"7\" are one user");
}

#[test]
fn first_come_first_served_up_to_five() {
    let server = Server::start(&[]);
    let mut teacher = Phoenix::teacher(&server, V1, 1);
    let mut students = Vec::new();
    for id in [30, 10, 20, 5, 40, 1] {
        let mut student = Phoenix::student(&server, V2, id);
        student.settle();
        students.push((id, student));
    }
    let mut chats = Vec::new();
    for (id, student) in &mut students[..5] {
        chats.push(begin(&mut teacher, student, 1, *id));
    }
    teacher.claim(1);
    teacher.settle();
    teacher.push(&chats[2], "chat:terminate", json!({}));
    teacher.expect(&chats[2], "chat:terminated");
    let (id, last) = &mut students[5];
    begin(&mut teacher, last, 1, *id);
}

#[test]
fn the_limit_of_students_is_an_option() {
    let server = Server::start(&["--students-per-teacher", "1"]);
    let (mut teacher, _student, _) = chat(&server, (V1, V1), 1, 2);
    let mut next = Phoenix::student(&server, V1, 3);
    next.settle();
    teacher.claim(1);
    teacher.settle();
    assert_eq!(server.snapshot()["students"]["waiting"], 1);
}

#[test]
fn a_finished_student_may_wait_again() {
    let server = Server::start(&[]);
    let (mut teacher, mut student, topic) = chat(&server, (V1, V1), 1, 2);
    let again = student.refused("presence:student:2", "student:ready", json!({"userId": 2}));
    assert_eq!(again, "already in a chat");
    student.push(&topic, "chat:terminate", json!({}));
    for phoenix in [&mut teacher, &mut student] {
        phoenix.expect(&topic, "chat:terminated");
    }
    student.push("presence:student:2", "student:ready", json!({"userId": 2}));
    student.settle();
    begin(&mut teacher, &mut student, 1, 2);
}

#[test]
fn a_status_is_a_snapshot_for_those_who_saw_the_change() {
    let server = Server::start(&["--status-interval", "150ms"]);
    let mut teacher = Phoenix::teacher(&server, V1, 1);
    let mut other = Phoenix::teacher(&server, V2, 2);
    teacher.settle();
    let mut students: Vec<_> = (10..20).map(|id| Phoenix::student(&server, V1, id)).collect();
    students.iter_mut().for_each(Phoenix::settle);
    let mut late = Phoenix::teacher(&server, V1, 3);
    // Ten students may arrive over more than one interval on a slow machine: the last status counts.
    for phoenix in [&mut teacher, &mut other] {
        let mut statuses = 1;
        let mut status = phoenix.expect_status();
        while status["students"]["total"] != 10 {
            status = phoenix.expect_status();
            statuses += 1;
        }
        assert!(statuses < 10, "changes are put together");
        assert_eq!(status["students"], json!({"total": 10, "waiting": 10, "chatting": 0, "finished": 0}));
        assert_eq!(status["chats"], json!({"total": 0, "active": 0, "finished": 0}));
    }
    late.settle();
    late.claim(3);
    late.expect("presence:teachers", "new:chat:3");
    assert_eq!(late.expect_status()["chats"]["active"], 1);
}

#[test]
fn a_teacher_who_connects_hears_no_status() {
    let server = Server::start(&["--status-interval", "300ms"]);
    let mut first = Phoenix::teacher(&server, V1, 1);
    // A student comes and goes: a status without students is under way when the next teacher connects.
    drop(Phoenix::student(&server, V1, 9));
    server.wait_until_students_are(0);
    let mut second = Phoenix::teacher(&server, V1, 2);
    loop {
        // Once the first teacher has the status, the second would have it too.
        if first.expect_status()["students"]["total"] == 0 {
            break;
        }
    }
    assert_eq!(second.call("phoenix", "heartbeat", json!({}))["status"], "ok");
    let frame = second.push("phoenix", "heartbeat", json!({}));
    assert_eq!(second.next().reference, frame, "a reply and no status before it");
}

#[test]
fn a_rejoin_replaces_the_join() {
    let server = Server::start(&[]);
    let mut teacher = Phoenix::connect(&server, V2);
    let join = |reference: u32| {
        format!(
            r#"["{reference}","{reference}","presence:teachers","phx_join",{{"userId":1,"role":"teacher"}}]"#
        )
    };
    teacher.send_text(join(1));
    assert_eq!(teacher.next().event, "phx_reply");
    teacher.send_text(join(2));
    let close = teacher.next();
    assert_eq!((close.event.as_str(), &close.join_ref), ("phx_close", &json!("1")));
    let reply = teacher.next();
    assert_eq!((reply.event.as_str(), &reply.join_ref), ("phx_reply", &json!("2")));
    // A leave of the first join crosses with the second one and is not about it.
    teacher.send_text(r#"["1","3","presence:teachers","phx_leave",{}]"#);
    let reply = teacher.next();
    assert_eq!((reply.event.as_str(), &reply.reference), ("phx_reply", &json!("3")));
    teacher.settle();
    assert_eq!(server.snapshot()["teachers"]["total"], 1);

    let mut v1 = Phoenix::teacher(&server, V1, 5);
    v1.join_ok("presence:teachers", json!({"userId": 5, "role": "teacher"}));
    v1.settle();
    v1.join_ok("presence:teachers", json!({"userId": 6, "role": "teacher"}));
    let teachers = server.snapshot()["teachers"]["teachers"].clone();
    let ids: Vec<_> = teachers.as_array().unwrap().iter().map(|teacher| teacher["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(6)], "joining as another user is leaving first");
}

#[test]
fn a_rejoin_keeps_the_place_in_the_queue_and_the_chat() {
    let server = Server::start(&[]);
    let mut first = Phoenix::student(&server, V1, 1);
    first.settle();
    let mut second = Phoenix::student(&server, V1, 2);
    second.settle();
    first.join_student(json!(1));
    let mut teacher = Phoenix::teacher(&server, V1, 1);
    let topic = begin(&mut teacher, &mut first, 1, 1);
    teacher.join_ok(&topic, json!({"userId": 1, "role": "teacher"}));
    teacher.join_ok("presence:teachers", json!({"userId": 1, "role": "teacher"}));
    first.push(&topic, "student:send", json!({"message": "still here"}));
    assert_eq!(teacher.expect(&topic, "teacher:receive"), json!({"message": "still here"}));
}

#[test]
fn one_socket_may_carry_many_users() {
    let server = Server::start(&[]);
    let mut both = Phoenix::teacher(&server, V2, 1);
    for id in 1..=3 {
        both.join_student(json!(id));
        both.push(&format!("presence:student:{id}"), "student:ready", json!({"userId": id}));
    }
    both.claim(1);
    both.expect("presence:teachers", "new:chat:1");
    both.expect("presence:student:1", "new:chat");
    drop(both);
    server.wait_until_empty();
}

#[test]
fn what_is_no_frame_closes_the_socket() {
    let server = Server::start(&[]);
    let mut bystander = Phoenix::teacher(&server, V1, 1);
    for version in [V1, V2] {
        for text in ["", "x", "null", "{}", "[]", "\u{0}", "{\"topic\":\"phoenix\"", "[1,2,3,4,5]"] {
            let mut phoenix = Phoenix::connect(&server, version);
            phoenix.send_text(text);
            phoenix.expect_close(CloseCode::Invalid);
        }
        let mut phoenix = Phoenix::connect(&server, version);
        phoenix.socket.send(Message::binary(vec![1, 2])).unwrap();
        phoenix.expect_close(CloseCode::Unsupported);
    }
    bystander.settle();
}
