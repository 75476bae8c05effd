//! Every way of leaving in every state of a conversation, and what follows for those who stay.

use crate::support;

use std::net::Shutdown;

use serde_json::{Value, json};
use support::Server;
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, begin, chat};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

/// The ways in which a user goes away.
const WAYS: [fn(Phoenix, &str); 6] = [leave, close_frame, end_of_stream, reset, breach, silence];

fn leave(mut phoenix: Phoenix, topic: &str) {
    phoenix.push(topic, "phx_leave", json!({}));
    // The socket stays: the departure is the leave's doing.
    std::mem::forget(phoenix);
}

fn close_frame(mut phoenix: Phoenix, _: &str) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    phoenix.socket.close(Some(frame)).unwrap();
    phoenix.expect_close(CloseCode::Normal);
}

fn end_of_stream(phoenix: Phoenix, _: &str) {
    phoenix.socket.get_ref().shutdown(Shutdown::Write).unwrap();
    std::mem::forget(phoenix);
}

/// Closing with unread input makes the kernel send a reset.
fn reset(mut phoenix: Phoenix, _: &str) {
    phoenix.push("phoenix", "heartbeat", json!({}));
    let mut byte = [0];
    phoenix.socket.get_ref().peek(&mut byte).unwrap();
    drop(phoenix);
}

fn breach(mut phoenix: Phoenix, _: &str) {
    phoenix.send_text("this is no frame");
    phoenix.expect_close(CloseCode::Invalid);
}

/// Says nothing more, until the idle timeout.
fn silence(phoenix: Phoenix, _: &str) {
    std::mem::forget(phoenix);
}

fn server() -> Server {
    Server::start(&["--idle-timeout", "1500ms"])
}

/// Waits until `GET /` shows that somebody has left, while those who stay do not time out themselves.
fn wait_while_alive(
    server: &Server,
    staying: &mut [&mut Phoenix],
    what: &str,
    condition: impl Fn(&Value) -> bool,
) {
    support::wait_until(what, || {
        staying.iter_mut().for_each(|phoenix| phoenix.keep_alive());
        std::thread::sleep(std::time::Duration::from_millis(50));
        condition(&server.snapshot())
    });
}

#[test]
fn a_waiting_student_leaves_the_queue() {
    for way in WAYS {
        let server = server();
        let mut teacher = Phoenix::teacher(&server, V1, 1);
        let mut leaver = Phoenix::student(&server, V1, 10);
        leaver.settle();
        way(leaver, "presence:student:10");
        wait_while_alive(&server, &mut [&mut teacher], "an empty queue", |snapshot| {
            snapshot["students"]["total"] == 0
        });
        let mut next = Phoenix::student(&server, V2, 11);
        next.settle();
        begin(&mut teacher, &mut next, 1, 11);
        assert_eq!(server.snapshot()["students"]["total"], 1);
    }
}

#[test]
fn a_student_who_chats_takes_the_chat_along() {
    for way in WAYS {
        let server = Server::start(&["--idle-timeout", "1500ms", "--students-per-teacher", "1"]);
        let (mut teacher, student, topic) = chat(&server, (V1, V1), 1, 10);
        way(student, "presence:student:10");
        wait_while_alive(&server, &mut [&mut teacher], "an end of the chat", |snapshot| {
            snapshot["students"]["total"] == 0 && snapshot["chats"]["finished"] == 1
        });
        teacher.expect(&topic, "chat:terminated");
        // The only place is free again.
        let mut next = Phoenix::student(&server, V2, 11);
        next.settle();
        begin(&mut teacher, &mut next, 1, 11);
    }
}

#[test]
fn a_teacher_takes_all_chats_along() {
    for way in WAYS {
        let server = server();
        let mut witness = Phoenix::teacher(&server, V1, 2);
        let (mut teacher, mut first, topic) = chat(&server, (V1, V1), 1, 10);
        let mut second = Phoenix::student(&server, V1, 11);
        second.settle();
        first.settle();
        let other = begin(&mut teacher, &mut second, 1, 11);
        let mut staying = [&mut first, &mut second, &mut witness];
        staying.iter_mut().for_each(|phoenix| phoenix.keep_alive());
        way(teacher, "presence:teachers");
        wait_while_alive(&server, &mut staying, "one teacher and no chat", |snapshot| {
            snapshot["teachers"]["total"] == 1 && snapshot["chats"]["finished"] == 2
        });
        first.expect(&topic, "chat:terminated");
        second.expect(&other, "chat:terminated");
        while witness.expect_status()["chats"]["finished"] != 2 {}
        let reason = second.refused(&other, "student:send", json!({"message": "anybody?"}));
        assert_eq!(reason, "unknown chat");
        assert_eq!(server.snapshot()["students"]["finished"], 2);
    }
}

#[test]
fn a_finished_student_leaves_only_a_count() {
    for way in WAYS {
        let server = server();
        let (mut teacher, mut student, topic) = chat(&server, (V2, V1), 1, 10);
        teacher.push(&topic, "chat:terminate", json!({}));
        student.expect(&topic, "chat:terminated");
        way(student, "presence:student:10");
        server.wait_until_students_are(0);
        assert_eq!(server.snapshot()["chats"], json!({"total": 1, "active": [], "finished": 1}));
    }
}

#[test]
fn a_student_who_has_joined_and_is_not_ready_leaves_the_id() {
    for way in WAYS {
        let server = server();
        let mut student = Phoenix::connect(&server, V1);
        student.join_student(json!(10));
        way(student, "presence:student:10");
        let mut again = Phoenix::connect(&server, V1);
        support::wait_until("the id is free", || {
            let join = json!({"userId": 10, "role": "student"});
            again.call("presence:student:10", "phx_join", join)["status"] == "ok"
        });
    }
}

#[test]
fn leaving_a_chat_that_goes_on_ends_it() {
    let server = Server::start(&[]);
    let (mut teacher, mut student, topic) = chat(&server, (V1, V1), 1, 10);
    student.push(&topic, "phx_leave", json!({}));
    teacher.expect(&topic, "chat:terminated");
    student.expect(&topic, "chat:terminated");
    student.expect(&topic, "phx_reply");
    assert_eq!(server.snapshot()["students"]["finished"], 1);
}

#[test]
fn everybody_at_once_leaves_nothing_behind() {
    let server = Server::start(&[]);
    let mut everybody = Vec::new();
    for id in 0..20 {
        everybody.push(chat(&server, (V1, V2), id, id));
    }
    assert_eq!(server.snapshot()["students"]["chatting"], 20);
    drop(everybody);
    server.wait_until_empty();
    assert_eq!(server.snapshot()["chats"]["finished"], 20);
}
