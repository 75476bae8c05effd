//! Two hundred teachers watch students come, chat and go by the thousands.

use std::thread;

use serde_json::{Value, json};

use crate::healthy_pairs::Pairs;
use crate::support::Server;
use crate::support::phoenix::Phoenix;
use crate::support::phoenix::Version::V2;
use crate::support::user::{CLIENT_KINDS, Event, User};

const TEACHERS: u64 = 200;
/// Threads that make students come and go, and how often each does.
const DRIVERS: u64 = 4;
const ROUNDS: u64 = 200;
/// Students who come in a round, and how many of them are claimed.
const STUDENTS: u64 = 50;
const CLAIMS: u64 = 5;
/// Who is there at the end, and was never there at once before: more than the drivers have.
const LAST: u64 = 333;

/// Students come, some are claimed and their chats ended, and all go; returns how many changes that made.
fn drive(mut phoenix: Phoenix, teacher: u64) -> u64 {
    phoenix.join_ok("presence:teachers", json!({"userId": teacher, "role": "teacher"}));
    let students = || (1..=STUDENTS).map(|number| teacher * STUDENTS + number);
    let topic = |student: u64| format!("presence:student:{student}");
    let mut changes = 0;
    for _ in 0..ROUNDS {
        for student in students() {
            phoenix.push(&topic(student), "phx_join", json!({"userId": student, "role": "student"}));
            phoenix.push(&topic(student), "student:ready", json!({"userId": student}));
        }
        (0..CLAIMS).for_each(|_| phoenix.claim(teacher));
        let chats = frames(&mut phoenix, &format!("new:chat:{teacher}"));
        for chat in &chats {
            let topic = format!("chats:{}", chat["id"].as_str().unwrap());
            phoenix.push(&topic, "phx_join", json!({"userId": teacher, "role": "teacher"}));
            phoenix.push(&topic, "chat:terminate", json!({}));
        }
        for student in students() {
            phoenix.push(&topic(student), "phx_leave", json!({}));
        }
        frames(&mut phoenix, "");
        changes += 2 * STUDENTS + 2 * chats.len() as u64;
    }
    changes
}

/// The payloads of this event among all that comes before a heartbeat's answer.
fn frames(phoenix: &mut Phoenix, event: &str) -> Vec<Value> {
    let beat = phoenix.push("phoenix", "heartbeat", json!({}));
    let mut payloads = Vec::new();
    loop {
        let frame = phoenix.next_but_status();
        if frame.reference == beat {
            return payloads;
        }
        if frame.event == event {
            payloads.push(frame.payload);
        }
    }
}

/// The status as it has to be now.
fn status(server: &Server) -> Value {
    let snapshot = server.snapshot();
    let (students, chats) = (&snapshot["students"], &snapshot["chats"]);
    json!({
        "teachers": {"total": snapshot["teachers"]["total"]},
        "students": {
            "total": students["total"], "waiting": students["waiting"], "chatting": students["chatting"],
            "finished": students["finished"],
        },
        "chats": {
            "total": chats["total"], "active": chats["active"].as_array().unwrap().len(),
            "finished": chats["finished"],
        },
    })
}

/// A teacher's statuses up to this one, each consistent in itself; returns how many.
fn read_up_to(teacher: &mut User, last: &Value) -> u64 {
    let mut count = 0;
    loop {
        let Event::Status(status) = teacher.next() else { continue };
        count += 1;
        let number = |path| status.pointer(path).and_then(Value::as_u64).expect("a number");
        let states = ["/students/waiting", "/students/chatting", "/students/finished"].map(number);
        assert_eq!(number("/students/total"), states.iter().sum::<u64>(), "{status}");
        assert_eq!(number("/chats/total"), number("/chats/active") + number("/chats/finished"), "{status}");
        assert_eq!(number("/students/chatting"), number("/chats/active"), "{status}");
        if status == *last {
            return count;
        }
    }
}

#[test]
#[ignore = "forty thousand students"]
fn two_hundred_teachers_see_every_change_of_thousands_and_the_last_one_is_right() {
    let server = crate::start(&[]);
    let pairs = Pairs::start(&server);
    let mut teachers: Vec<_> = (1..=TEACHERS)
        .zip(CLIENT_KINDS.iter().cycle())
        .map(|(id, &kind)| User::teacher(&server, kind, id))
        .collect();
    teachers.iter_mut().for_each(User::subscribe_to_status);
    let cpu = server.cpu();
    let drivers = (0..DRIVERS).map(|index| {
        let phoenix = Phoenix::connect(&server, V2);
        thread::spawn(move || drive(phoenix, 1000 + index))
    });
    let drivers = drivers.collect::<Vec<_>>();
    let changes: u64 = drivers.into_iter().map(|driver| driver.join().unwrap()).sum();
    let mut last_students = Phoenix::connect(&server, V2);
    for student in 1..=LAST {
        last_students.join_student(json!(student));
        last_students.push(
            &format!("presence:student:{student}"),
            "student:ready",
            json!({"userId": student}),
        );
    }
    last_students.settle();
    let expected = status(&server);
    assert_eq!(expected["students"]["waiting"], LAST);
    assert_eq!(expected["teachers"]["total"], TEACHERS + 6);
    let sent: u64 = teachers.iter_mut().map(|teacher| read_up_to(teacher, &expected)).sum();
    // Nothing came behind the last: one more change makes one more status.
    let one_more = User::student(&server, CLIENT_KINDS[0], LAST + 1);
    let expected = status(&server);
    for teacher in &mut teachers {
        assert_eq!(read_up_to(teacher, &expected), 1);
    }
    let used = server.cpu() - cpu;
    drop(one_more);
    crate::report(
        "status storm",
        format!(
            "{TEACHERS} teachers in all protocols, {} students come and go: {changes} changes",
            DRIVERS * ROUNDS * STUDENTS
        ),
        format!(
            "{sent} statuses read, each consistent, each teacher's last one right; server {used:.2} s CPU; {}",
            pairs.finish()
        ),
    );
}
