//! Those who read slowly, or not at all, over real sockets: what waits for them is bounded.

use crate::support;

use serde_json::json;
use std::io::Write;
use std::net::Shutdown;
use support::metrics::Metrics;
use support::phoenix::Phoenix;
use support::phoenix::Version::{V1, V2};
use support::phoenix::chat;
use support::raw::{Bystander, echo, frame, heartbeat, open, read_frame, write_until_blocked};
use support::socket_io::{self, Polling, Socket};
use support::{Server, wait_until};

/// A payload of some 60000 bytes with its number.
fn large(number: usize) -> String {
    format!(r#"{{"number":{number},"message":"{}"}}"#, "x".repeat(60_000))
}

/// The teacher sends until the chat is ended, and returns the most memory that the server had.
fn send_until_terminated(server: &Server, teacher: &mut Phoenix, topic: &str) -> usize {
    let mut peak = 0;
    for number in 0..2000 {
        teacher.push_raw(topic, "teacher:send", &large(number));
        let beat = teacher.push("phoenix", "heartbeat", json!({}));
        let mut is_terminated = false;
        loop {
            let frame = teacher.next_but_status();
            if frame.reference == beat {
                break;
            }
            // A message may have crossed with the end, and is refused.
            is_terminated |= frame.event == "chat:terminated";
            assert_eq!(frame.topic, topic);
        }
        peak = peak.max(server.memory());
        if is_terminated {
            return peak;
        }
    }
    panic!("120 MB are kept for a student who reads nothing");
}

#[test]
fn a_student_who_stops_reading_is_cut_off_and_the_teacher_told() {
    let server = Server::start(&["--max-backlog", "128KiB"]);
    let (mut other_teacher, mut other_student, other) = chat(&server, (V1, V2), 1, 2);
    let before = server.memory();
    for round in 0..5 {
        let (mut teacher, _paused, topic) = chat(&server, (V2, V1), 10 + round, 20 + round);
        send_until_terminated(&server, &mut teacher, &topic);
        server.wait_until_students_are(1);
        other_teacher.push(&other, "teacher:send", json!({"round": round}));
        assert_eq!(other_student.expect(&other, "student:receive"), json!({"round": round}));
        other_student.push(&other, "student:send", json!({"round": round}));
        assert_eq!(other_teacher.expect(&other, "teacher:receive"), json!({"round": round}));
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more are held after five were closed");
}

#[test]
fn what_waits_for_a_student_who_stops_reading_is_bounded() {
    let server = Server::start(&["--max-backlog", "128KiB"]);
    let (mut teacher, _paused, topic) = chat(&server, (V2, V1), 1, 2);
    let before = server.memory();
    let peak = send_until_terminated(&server, &mut teacher, &topic).max(before);
    assert!(peak - before < 4 << 20, "{} bytes more are held", peak - before);
}

#[test]
fn a_student_who_pauses_below_the_limit_misses_nothing() {
    // Far more than the kernel takes for a socket that is not read.
    const COUNT: usize = 500;
    let server = Server::start(&["--max-backlog", "64MiB"]);
    let (mut teacher, mut student, topic) = chat(&server, (V1, V2), 1, 2);
    for number in 0..COUNT {
        teacher.push_raw(&topic, "teacher:send", &large(number));
    }
    teacher.settle();
    for number in 0..COUNT {
        assert_eq!(student.expect(&topic, "student:receive")["number"], number);
    }
    student.push(&topic, "student:send", json!({"message": "done"}));
    assert_eq!(teacher.expect(&topic, "teacher:receive"), json!({"message": "done"}));
}

#[test]
fn who_floods_heartbeats_and_reads_no_answers_is_held_back_and_loses_none() {
    let server = Server::start(&[]);
    let mut stream = open(&server, "/ws");
    let before = server.memory();
    let beat = frame(0x81, heartbeat("beat").as_bytes());
    let sent = write_until_blocked(&server, &mut stream, &beat.repeat(1000), 100 << 20);
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more are held");
    for _ in 0..sent / beat.len() {
        assert_eq!(read_frame(&mut stream), Some((0x81, echo("beat").into_bytes())));
    }
    // The last heartbeat was cut by the end of the flood.
    stream.write_all(&beat[sent % beat.len()..]).unwrap();
    assert_eq!(read_frame(&mut stream), Some((0x81, echo("beat").into_bytes())));
}

#[test]
fn who_floods_requests_and_reads_no_answers_is_held_back() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    let before = server.memory();
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    write_until_blocked(&server, &mut stream, request.repeat(1000).as_bytes(), 100 << 20);
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more are held");
}

/// A snapshot of more than the backlog, for connections that read nothing of it.
#[test]
fn responses_count_as_backlog() {
    let server = Server::start(&["--max-backlog", "16KiB"]);
    let _students = Phoenix::students(&server, V2, 1000);
    let closed = || Metrics::of(&server).get("mio_chat_closed_total", &[("reason", "too slow")]);
    let mut streams: Vec<_> = (0..5).map(|_| server.connect()).collect();
    let request = "GET /?limit=10000 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
    streams.iter_mut().for_each(|stream| stream.write_all(request.as_bytes()).unwrap());
    wait_until("the clients that do not read are closed", || closed() == 5.0);
}

/// Engine.IO 3 escapes what is not ASCII, so that the answer to a poll is three times as long as what waited.
#[test]
fn an_answer_longer_than_the_backlog_reaches_a_slow_reader_whole() {
    const COUNT: usize = 55;
    let server = Server::start(&["--max-backlog", "4MiB"]);
    let (mut teacher, mut student, chat) = socket_io::chat(&server, ((4, Socket), (3, Polling)), 1, 2);
    student.settle();
    socket2::SockRef::from(&student.session().get).set_recv_buffer_size(16 * 1024).unwrap();
    let payload = format!(r#"{{"chatId":"{chat}","message":"{}"}}"#, "ж".repeat(30_000));
    let message = "\\u0436".repeat(30_000);
    (0..COUNT).for_each(|_| teacher.say("teacher", &payload));
    teacher.settle();
    let mut received = 0;
    while received < COUNT {
        received += student.session().poll().iter().filter(|packet| packet.contains(&message)).count();
    }
    let closed = Metrics::of(&server).get("mio_chat_closed_total", &[("reason", "too slow")]);
    assert_eq!((received, closed), (COUNT, 0.0));
}

#[test]
#[cfg(target_os = "linux")]
fn who_sends_faster_than_the_server_answers_is_held_back() {
    let server = Server::start(&[]);
    let _students = Phoenix::students(&server, V2, 100);
    let mut stream = server.connect();
    let mut reader = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    let mut bystander = Bystander::new(&server);
    let before = server.memory();
    // All answers are read, but a request of 500 bytes has one of some 4500: what is sent, a little for
    // each turn of the server, comes faster than it is dealt with, and has to wait with the sender.
    let requests = format!("GET / HTTP/1.1\r\nHost: x\r\nPadding: {}\r\n\r\n", "x".repeat(455)).repeat(60);
    for _ in 0..300 {
        stream.write_all(requests.as_bytes()).unwrap();
        bystander.settle();
        let grown = server.memory().saturating_sub(before);
        assert!(grown < 2 << 20, "{grown} bytes more are held");
    }
    stream.shutdown(Shutdown::Both).unwrap();
    reading.join().unwrap().unwrap();
}

/// Such a peer may have gone, and the end of its input is not read while its output waits.
#[test]
fn a_chat_ends_when_one_side_shuts_its_socket_and_reads_nothing() {
    let server = Server::start(&["--max-backlog", "64MiB"]);
    let (mut teacher, student, topic) = chat(&server, (V1, V2), 1, 2);
    while Metrics::of(&server).get("mio_chat_backlog_bytes", &[]) < f64::from(256 << 10) {
        teacher.push_raw(&topic, "teacher:send", &large(0));
    }
    student.socket.get_ref().shutdown(Shutdown::Write).unwrap();
    teacher.expect(&topic, "chat:terminated");
    assert_eq!(Metrics::of(&server).get("mio_chat_closed_total", &[("reason", "timeout")]), 1.0);
}
