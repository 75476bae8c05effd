//! What the server refuses over Phoenix, with which reason, and that other users are not affected.

use crate::support;

use serde_json::{Value, json};
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, Version, chat};
use support::{Server, wait_until};

/// A chat between teacher 1 and student 2 that goes on undisturbed, and a third party that tries things.
fn bystanders(version: Version) -> (Server, [Phoenix; 3], String) {
    let server = Server::start(&[]);
    let (teacher, student, topic) = chat(&server, (version, version), 1, 2);
    let stranger = Phoenix::connect(&server, version);
    (server, [teacher, student, stranger], topic)
}

/// The chat goes on as if nothing had happened.
fn assert_undisturbed(server: &Server, teacher: &mut Phoenix, student: &mut Phoenix, topic: &str) {
    teacher.push(topic, "teacher:send", json!({"message": "still there?"}));
    assert_eq!(student.expect(topic, "student:receive"), json!({"message": "still there?"}));
    student.push(topic, "student:send", json!({"message": "yes"}));
    assert_eq!(teacher.expect(topic, "teacher:receive"), json!({"message": "yes"}));
    let snapshot = server.snapshot();
    assert_eq!(snapshot["students"]["chatting"], 1);
    assert_eq!(snapshot["teachers"]["teachers"][0], json!({"id": 1, "student_ids": [2]}));
}

#[test]
fn joins_that_are_not_granted() {
    for version in [V1, V2] {
        let (server, [mut teacher, mut student, mut stranger], topic) = bystanders(version);
        let unknown = "chats:67e55044-10b1-426f-9247-bb680e5fe0c8";
        let cases: &[(&str, Value, &str)] = &[
            ("presence:teachers", json!({"userId": 1, "role": "teacher"}), "id is in use"),
            ("presence:teachers", json!({"userId": "1", "role": "teacher"}), "id is in use"),
            ("presence:student:2", json!({"userId": 2, "role": "student"}), "id is in use"),
            ("presence:teachers", json!({"userId": 3, "role": "student"}), "wrong role"),
            ("presence:student:3", json!({"userId": 3, "role": "teacher"}), "wrong role"),
            ("presence:teachers", json!({"userId": 3, "role": "admin"}), "wrong role"),
            ("presence:teachers", json!({"userId": 3}), "wrong role"),
            (
                "presence:student:3",
                json!({"userId": 4, "role": "student"}),
                "userId does not match the topic",
            ),
            ("presence:teachers", json!({"role": "teacher"}), "missing or invalid userId"),
            ("presence:teachers", json!({"userId": null, "role": "teacher"}), "missing or invalid userId"),
            ("presence:teachers", json!({"userId": {}, "role": "teacher"}), "missing or invalid userId"),
            ("presence:teachers", json!({"userId": "", "role": "teacher"}), "missing or invalid userId"),
            ("presence:teachers", json!(null), "payload must be an object"),
            ("presence:teachers", json!("x"), "payload must be an object"),
            (&topic, json!({"userId": 1, "role": "teacher"}), "not your chat"),
            (&topic, json!({"userId": 2, "role": "student"}), "not your chat"),
            (unknown, json!({"userId": 2, "role": "student"}), "unknown chat"),
            ("chats:1", json!({"userId": 2, "role": "student"}), "unmatched topic"),
            ("rooms:1", json!({"userId": 2, "role": "student"}), "unmatched topic"),
            ("presence:student:", json!({"userId": "", "role": "student"}), "unmatched topic"),
            ("", json!({}), "unmatched topic"),
        ];
        for (topic, payload, reason) in cases {
            assert_eq!(stranger.refused(topic, "phx_join", payload.clone()), *reason, "{topic} {payload}");
        }
        assert_undisturbed(&server, &mut teacher, &mut student, &topic);
        assert_eq!(server.snapshot()["teachers"]["total"], 1);
    }
}

#[test]
fn pushes_that_are_not_carried_out() {
    for version in [V1, V2] {
        let (server, [mut teacher, mut student, mut stranger], topic) = bystanders(version);
        stranger.join_ok("presence:teachers", json!({"userId": 7, "role": "teacher"}));
        stranger.join_student(json!(8));
        let claim = |teacher: Value| json!({"teacherId": teacher});
        let cases: &[(&str, &str, Value, &str)] = &[
            ("presence:teachers", "claim:student", claim(json!(1)), "user is on another connection"),
            ("presence:teachers", "claim:student", claim(json!(99)), "unknown teacher"),
            ("presence:teachers", "claim:student", json!({}), "missing or invalid teacherId"),
            ("presence:teachers", "claim:student", json!(null), "payload must be an object"),
            ("presence:teachers", "student:ready", json!({"userId": 8}), "unknown event"),
            ("presence:teachers", "nonsense", json!({}), "unknown event"),
            ("presence:student:8", "student:ready", json!({"userId": 2}), "userId does not match the topic"),
            ("presence:student:8", "student:ready", json!({}), "missing or invalid userId"),
            ("presence:student:8", "student:ready", json!(null), "payload must be an object"),
            ("presence:student:2", "student:ready", json!({"userId": 2}), "unmatched topic"),
            (&topic, "teacher:send", json!({"message": "psst"}), "unmatched topic"),
            (&topic, "student:send", json!({"message": "psst"}), "unmatched topic"),
            (&topic, "chat:terminate", json!({}), "unmatched topic"),
            (&topic, "phx_leave", json!({}), "unmatched topic"),
            ("phoenix", "nonsense", json!({}), "unmatched topic"),
            ("presence:teachers", "phx_close", json!({}), "unknown event"),
        ];
        for (topic, event, payload, reason) in cases {
            let got = stranger.refused(topic, event, payload.clone());
            assert_eq!(got, *reason, "{topic} {event} {payload}");
        }
        assert_undisturbed(&server, &mut teacher, &mut student, &topic);
        wait_until("the error is logged", || server.log().contains("unknown teacher"));
    }
}

#[test]
fn sides_of_a_chat_cannot_act_for_each_other() {
    for version in [V1, V2] {
        let (server, [mut teacher, mut student, _], topic) = bystanders(version);
        for event in ["student:send", "student:joined"] {
            assert_eq!(teacher.refused(&topic, event, json!({})), "wrong role", "{event}");
        }
        for event in ["teacher:send", "teacher:joined"] {
            assert_eq!(student.refused(&topic, event, json!({})), "wrong role", "{event}");
        }
        for payload in ["null", "1", "\"x\"", "[]"] {
            let payload: Value = serde_json::from_str(payload).unwrap();
            let reason = teacher.refused(&topic, "teacher:send", payload);
            assert_eq!(reason, "payload must be an object");
        }
        assert_undisturbed(&server, &mut teacher, &mut student, &topic);
    }
}

#[test]
fn a_chat_that_is_over_takes_nothing_more() {
    for version in [V1, V2] {
        let (_server, [mut teacher, mut student, _], topic) = bystanders(version);
        teacher.push(&topic, "chat:terminate", json!({}));
        student.expect(&topic, "chat:terminated");
        teacher.expect(&topic, "chat:terminated");
        for event in ["teacher:send", "teacher:joined", "chat:terminate"] {
            assert_eq!(teacher.refused(&topic, event, json!({})), "unknown chat", "{event}");
        }
        assert_eq!(student.call(&topic, "phx_leave", json!({}))["status"], "ok");
        student.expect(&topic, "phx_close");
        assert_eq!(student.refused(&topic, "student:send", json!({})), "unmatched topic");
    }
}

#[test]
fn a_terminate_after_the_student_left_is_an_error_and_no_more() {
    let (server, [mut teacher, student, _], topic) = bystanders(V1);
    drop(student);
    teacher.expect(&topic, "chat:terminated");
    assert_eq!(teacher.refused(&topic, "chat:terminate", json!({})), "unknown chat");
    teacher.settle();
    assert_eq!(server.snapshot()["chats"]["finished"], 1);
}

#[test]
fn topics_are_bounded() {
    let server = Server::start(&[]);
    let mut phoenix = Phoenix::connect(&server, V2);
    for id in 0..1024 {
        phoenix.join_student(json!(id));
    }
    let reason =
        phoenix.refused("presence:student:1024", "phx_join", json!({"userId": 1024, "role": "student"}));
    assert_eq!(reason, "too many topics on this connection");
    assert_eq!(phoenix.call("presence:student:7", "phx_leave", json!({}))["status"], "ok");
    phoenix.expect("presence:student:7", "phx_close");
    phoenix.join_student(json!(1024));
}
