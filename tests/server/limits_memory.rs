//! The output backlog of all clients together is bounded, and the slowest consumers are evicted first.

use crate::support;

use std::io::Write;

use serde_json::{Value, json};
use support::bayeux::{self, Socket, connect, connect_now, ok, post, publish, subscribe};
use support::metrics::Metrics;
use support::phoenix::Version::V2;
use support::phoenix::{Phoenix, chat};
use support::raw::{self, Bystander};
use support::socket_io::{Polling, SocketIo};
use support::{Server, wait_until};

fn metric(server: &Server, name: &str) -> f64 {
    Metrics::of(server).get(name, &[])
}

/// With `--max-memory 1MiB`, no more waits than that, and what the connections have sent in the turn that answers: the
/// limit holds at the end of each turn, and `/metrics` is answered in the middle of one.
fn assert_within_limit(server: &Server, sent_in_a_turn: usize) {
    let backlog = metric(server, "mio_chat_backlog_bytes");
    assert!(backlog <= ((1 << 20) + sent_in_a_turn) as f64, "{backlog}");
}

/// A message of this many KiB.
fn message(kib: usize) -> Value {
    json!({"message": "x".repeat(kib * 1024)})
}

#[test]
fn the_mailbox_that_is_furthest_behind_goes_first() {
    let server = Server::start(&["--max-memory", "1MiB"]);
    // A pair of each that chats over polls, and of which the student does not poll on.
    let chats: Vec<_> = (0..3).map(|n| bayeux::chat(&server, n, 10 + n)).collect();
    let tell = |(teacher, _, chat): &(String, String, String), kib| {
        let messages = publish(teacher, &format!("{chat}/teacher/send"), message(kib));
        post(&server, json!([messages]))[0]["successful"] == true
    };
    for kib in [60, 20, 10] {
        assert!(chats.iter().enumerate().all(|(n, chat)| tell(chat, kib / (n + 1))));
    }
    while metric(&server, "mio_chat_overloads_total") == 0.0 {
        assert!(tell(&chats[0], 50), "the memory is not full");
        assert_within_limit(&server, 0);
    }
    // The first student's session has ended, and with it the chat; the others have lost nothing.
    let replies = post(&server, json!([connect_now(&chats[0].1)]));
    assert_eq!(replies[0]["error"].as_str().map(|error| &error[..4]), Some("401:"), "{replies}");
    assert!(!tell(&chats[0], 1));
    for chat in &chats[1..] {
        assert_eq!(post(&server, json!([connect_now(&chat.1)])).as_array().map(Vec::len), Some(4));
    }
    assert_eq!(metric(&server, "mio_chat_overloads_total"), 1.0);
}

#[test]
fn sockets_that_do_not_read_count_too() {
    let server = Server::start(&["--max-memory", "1MiB", "--max-backlog", "64MiB"]);
    let mut pairs: Vec<_> = (0..3).map(|n| chat(&server, (V2, V2), n, 10 + n)).collect();
    let (mut teacher, mut student, healthy) = pairs.pop().unwrap();
    'full: loop {
        for (teacher, _, topic) in &mut pairs {
            teacher.push(topic, "teacher:send", message(60));
            teacher.keep_alive();
        }
        for _ in &pairs {
            assert_within_limit(&server, 2 * 60 * 1024);
            if metric(&server, "mio_chat_overloads_total") > 0.0 {
                break 'full;
            }
        }
    }
    teacher.push(&healthy, "teacher:send", json!({"n": 1}));
    assert_eq!(student.expect(&healthy, "student:receive"), json!({"n": 1}));
}

#[test]
fn input_that_never_comes_whole_counts_too() {
    let server = Server::start(&["--max-memory", "1MiB"]);
    let mut bystander = Bystander::new(&server);
    let mut streams: Vec<_> = (0..30).map(|_| raw::open(&server, "/ws")).collect();
    // The beginning of a frame, a fragment of a message, and the beginning of a request.
    let begun = &raw::frame(0x81, &[b' '; 60_000])[..60_000];
    let fragment = raw::frame(0x01, &[b' '; 60_000]);
    let request =
        format!("POST /faye HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{}", "x".repeat(59_000));
    for (n, stream) in streams.iter_mut().enumerate() {
        let bytes = [begun, &fragment, request.as_bytes()][n % 3];
        if n % 3 == 2 {
            *stream = server.connect();
        }
        stream.write_all(bytes).unwrap();
        bystander.settle();
        assert_within_limit(&server, 2 * 60_000);
    }
    wait_until("some are evicted", || metric(&server, "mio_chat_overloads_total") > 0.0);
    drop(streams);
    wait_until("nothing waits", || metric(&server, "mio_chat_backlog_bytes") == 0.0);
}

/// Messages with which a client begins a flood, and goes on with it.
type Flood = fn(&str, usize) -> Value;

/// The most bytes that a user or channel may have in its id.
fn long_id(n: usize) -> String {
    format!("{n:0128}")
}

#[test]
fn users_and_subscriptions_count_too_and_the_largest_use_is_cut_off_first() {
    let subscriptions: Flood =
        |client, n| subscribe(client, &format!("/presence/new_chat/student/{}", long_id(n)));
    let users: Flood =
        |client, n| publish(client, "/presence/student/connect", json!({"userId": long_id(n)}));
    for flood in [subscriptions, users] {
        let server = Server::start(&["--max-memory", "512KiB"]);
        // A client is behind, but by less than what the users or subscriptions come to.
        let (teacher, student, chat) = bayeux::chat(&server, 1, 2);
        ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), message(20)));
        let floods = [bayeux::handshake(&server), bayeux::handshake(&server)];
        let few: Vec<_> = (0..50).map(|n| flood(&floods[0], n)).collect();
        post(&server, json!(few));
        let mut n = 50;
        while metric(&server, "mio_chat_overloads_total") == 0.0 {
            assert!(n < 10_000, "the memory is not full");
            let many: Vec<_> = (n..n + 50).map(|n| flood(&floods[1], n)).collect();
            post(&server, json!(many));
            n += 50;
            let total =
                metric(&server, "mio_chat_session_state_bytes") + metric(&server, "mio_chat_backlog_bytes");
            assert!(total <= f64::from(512 << 10), "{total}");
        }
        assert_eq!(metric(&server, "mio_chat_overloads_total"), 1.0);
        // Of the one who had most the session is over; the others have lost nothing.
        let replies = post(&server, json!([connect_now(&floods[1])]));
        assert_eq!(replies[0]["error"].as_str().map(|error| &error[..4]), Some("401:"), "{replies}");
        assert_eq!(post(&server, json!([connect_now(&floods[0])]))[0]["successful"], true);
        assert_eq!(post(&server, json!([connect_now(&student)]))[1]["data"], message(20));
    }
}

#[test]
fn one_connection_may_have_many_users_and_none_are_left_of_them() {
    let server = Server::start(&["--max-memory", "64MiB"]);
    let before = metric(&server, "mio_chat_session_state_bytes");
    let client = bayeux::handshake(&server);
    let mut socket = Socket::open(&server);
    for first in (0..2000).step_by(100) {
        let users = first..first + 100;
        let begin = |id| {
            let channel = format!("/presence/new_chat/student/{id}");
            let data = json!({"userId": id, "role": "student"});
            [subscribe(&client, &channel), publish(&client, "/presence/student/connect", data)]
        };
        socket.send(users.flat_map(begin).collect());
        let replies = socket.next();
        assert!(replies.as_array().unwrap().iter().all(|reply| reply["successful"] == true), "{replies}");
    }
    let bytes = metric(&server, "mio_chat_session_state_bytes") - before;
    assert!((2000.0 * 200.0..2000.0 * 800.0).contains(&bytes), "{bytes}");
    socket.send(json!([{"channel": "/meta/disconnect", "clientId": client}]));
    socket.next();
    wait_until("nothing is left", || metric(&server, "mio_chat_session_state_bytes") == before);
}

#[test]
fn the_origin_of_a_request_that_is_held_counts_too() {
    let server = Server::start(&["--max-memory", "512KiB"]);
    let origin = "x".repeat(6000);
    let mut held = Vec::new();
    while metric(&server, "mio_chat_overloads_total") == 0.0 {
        assert!(held.len() < 200, "the memory is not full");
        let body = json!([connect(&bayeux::handshake(&server), "long-polling")]).to_string();
        let request = bayeux::batch(&body).replacen("Host: x", &format!("Host: x\r\nOrigin: {origin}"), 1);
        let mut stream = server.connect();
        let before = metric(&server, "mio_chat_backlog_bytes");
        stream.write_all(request.as_bytes()).unwrap();
        wait_until("the request is held", || {
            let waiting = metric(&server, "mio_chat_backlog_bytes");
            assert!(waiting <= f64::from(512 << 10), "{waiting}");
            waiting >= before + 6000.0 || metric(&server, "mio_chat_overloads_total") > 0.0
        });
        held.push(stream);
    }
    drop(held);
    wait_until("nothing waits", || metric(&server, "mio_chat_backlog_bytes") == 0.0);
}

/// Twenty students come and wait, with a status after each.
fn arrive(server: &Server, watcher: &mut Phoenix) -> Phoenix {
    let mut students = Phoenix::connect(server, V2);
    for id in 1000..1020 {
        students.join_student(json!(id));
        students.push(&format!("presence:student:{id}"), "student:ready", json!({"userId": id}));
        while watcher.expect_status()["students"]["waiting"] != id - 999 {}
    }
    students
}

#[test]
fn of_the_status_only_the_newest_waits() {
    let server = Server::start(&["--status-interval", "1ms"]);
    let teachers: Vec<_> = (0..100).map(|n| bayeux::user(&server, "teacher", n)).collect();
    for teacher in &teachers {
        ok(&server, subscribe(teacher, "/presence/status"));
    }
    let mut polling = SocketIo::teacher(&server, (4, Polling), 200);
    let mut watcher = Phoenix::teacher(&server, V2, 201);
    let _students = arrive(&server, &mut watcher);
    // A hundred mailboxes with a status each, of which there is one text.
    let waiting = metric(&server, "mio_chat_backlog_bytes");
    assert!((1.0..101.0 * 64.0).contains(&waiting), "{waiting}");
    let replies = post(&server, json!([connect_now(&teachers[0])]));
    assert_eq!(replies.as_array().map(Vec::len), Some(2), "{replies}");
    // Which the poll has brought is the newest: all twenty students wait.
    assert_eq!(replies[1]["data"]["students"]["waiting"], 20, "{replies}");
    assert_eq!(polling.expect_status()["students"]["waiting"], 20);
}

#[test]
fn a_socket_that_takes_nothing_is_told_the_newest_status_afterwards() {
    let server = Server::start(&["--status-interval", "1ms", "--max-backlog", "64MiB"]);
    let (mut teacher, mut student, topic) = chat(&server, (V2, V2), 1, 2);
    let mut watcher = Phoenix::teacher(&server, V2, 3);
    let mut sent = 0;
    while metric(&server, "mio_chat_backlog_bytes") == 0.0 {
        student.push(&topic, "student:send", message(60));
        student.settle();
        sent += 1;
    }
    let _students = arrive(&server, &mut watcher);
    let mut waiting = Vec::new();
    while sent > 0 || waiting.last() != Some(&json!(20)) {
        let frame = teacher.next();
        match frame.event.as_str() {
            "teacher:receive" => sent -= 1,
            "user:status" => waiting.push(frame.payload["students"]["waiting"].clone()),
            other => panic!("{other} came"),
        }
    }
    waiting.retain(|waiting| *waiting != json!(0));
    assert_eq!(waiting, [20]);
}
