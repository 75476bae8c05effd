//! Connections that come and go: in every protocol, and in every way to leave.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::PATIENCE;
use crate::support::raw::{frame, handshake};
use crate::support::socket_io::request;

/// What a visitor does, under a user id of its own; returns how many connections that took.
pub const VISITS: [fn(&Door, u64) -> u64; 11] = [
    connect_only,
    half_a_head,
    half_a_body,
    unread_upgrade,
    half_a_frame,
    student_resets,
    student_closes,
    socket_io_student,
    polling_student,
    bayeux_student,
    chat,
];

/// Where visitors come in: several addresses, since each has only so many ports for those who have just left.
pub struct Door(pub Vec<SocketAddr>);

/// A connection, and what has come over it so far.
struct Visitor {
    stream: TcpStream,
    got: Vec<u8>,
}

impl Door {
    fn enter(&self, id: u64, first_words: &[u8]) -> Visitor {
        let address = self.0[id as usize % self.0.len()];
        let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("visitor {id}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(first_words).unwrap();
        Visitor { stream, got: Vec::new() }
    }

    /// A WebSocket and the frames that are sent at once.
    fn open(&self, id: u64, path: &str, texts: &[&str]) -> Visitor {
        self.enter(id, &[handshake(path).into_bytes(), frames(texts)].concat())
    }
}

impl Visitor {
    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads until this has come, and forgets it.
    fn hear(&mut self, what: &str) -> String {
        let mut buffer = [0; 4096];
        while !self.got.windows(what.len()).any(|bytes| bytes == what.as_bytes()) {
            let length = self.stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the end instead of {what}: {}", String::from_utf8_lossy(&self.got));
            self.got.extend(&buffer[..length]);
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.got)).into_owned()
    }

    /// Leaves with something unread, which resets the connection.
    fn reset(self) {
        self.stream.peek(&mut [0]).unwrap();
    }
}

fn frames(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect()
}

/// A frame of Phoenix V1.
fn push(topic: &str, event: &str, payload: &str) -> String {
    format!(r#"{{"topic":"{topic}","event":"{event}","payload":{payload},"ref":"{event}"}}"#)
}

fn join(role: &str, id: u64, topic: &str) -> String {
    push(topic, "phx_join", &format!(r#"{{"userId":{id},"role":"{role}"}}"#))
}

fn heartbeat() -> Vec<u8> {
    frames(&[&push("phoenix", "heartbeat", "{}")])
}

/// A student who waits in the queue.
fn student(door: &Door, id: u64) -> Visitor {
    let topic = format!("presence:student:{id}");
    let ready = push(&topic, "student:ready", &format!(r#"{{"userId":{id}}}"#));
    let beat = push("phoenix", "heartbeat", "{}");
    let mut student = door.open(id, "/ws", &[&join("student", id, &topic), &ready, &beat]);
    student.hear(r#""ref":"heartbeat""#);
    student
}

fn connect_only(door: &Door, id: u64) -> u64 {
    door.enter(id, b"");
    1
}

fn half_a_head(door: &Door, id: u64) -> u64 {
    door.enter(id, b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgr");
    1
}

fn half_a_body(door: &Door, id: u64) -> u64 {
    door.enter(id, request("POST", "/faye", "", "[{}]").trim_end_matches(']').as_bytes());
    1
}

fn unread_upgrade(door: &Door, id: u64) -> u64 {
    door.open(id, "/ws/websocket?vsn=2.0.0", &[]).reset();
    1
}

fn half_a_frame(door: &Door, id: u64) -> u64 {
    let mut visitor = door.open(id, "/ws", &[]);
    visitor.hear("\r\n\r\n");
    visitor.say(&heartbeat()[..20]);
    1
}

fn student_resets(door: &Door, id: u64) -> u64 {
    let mut student = student(door, id);
    student.say(&heartbeat());
    student.reset();
    1
}

fn student_closes(door: &Door, id: u64) -> u64 {
    let mut student = student(door, id);
    student.say(&frame(0x88, &1000u16.to_be_bytes()));
    student.stream.read_to_end(&mut student.got).unwrap();
    assert!(student.got.ends_with(&[0x88, 2, 0x03, 0xe8]), "the server answers a close");
    1
}

fn socket_io_student(door: &Door, id: u64) -> u64 {
    let come = format!(r#"421["presence:student:connect",{{"userId":{id},"role":"student"}}]"#);
    let mut student = door.open(id, "/socket.io/?EIO=4&transport=websocket", &["40", &come]);
    student.hear(r#"431[{"status":"ok"}]"#);
    student.say(&heartbeat()[..10]);
    1
}

/// Leaves while a poll is held.
fn polling_student(door: &Door, id: u64) -> u64 {
    let path = "/socket.io/?EIO=4&transport=polling";
    let mut student = door.enter(id, request("GET", path, "", "").as_bytes());
    let opened = student.hear("maxPayload");
    let sid = opened.split(r#""sid":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("a sid");
    let path = format!("{path}&sid={sid}");
    let come = format!("40\x1e421[\"presence:student:connect\",{{\"userId\":{id},\"role\":\"student\"}}]");
    let poll = request("GET", &path, "", "");
    student.say((request("POST", &path, "", &come) + &poll).as_bytes());
    student.hear(r#"431[{"status":"ok"}]"#);
    student.say(poll.as_bytes());
    1
}

/// Says good-bye, which a Bayeux client has to, or it lives on for a minute and a half. Few do not.
fn bayeux_student(door: &Door, id: u64) -> u64 {
    let hello = r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"]}]"#;
    let mut student = door.open(id, "/faye", &[hello]);
    let reply = student.hear("}}]");
    let client =
        reply.split(r#""clientId":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("a client");
    let message =
        |channel: &str, rest: &str| format!(r#"[{{"channel":"{channel}","clientId":"{client}",{rest}}}]"#);
    let connect = message("/meta/connect", r#""connectionType":"websocket""#);
    let come = message("/presence/student/connect", &format!(r#""data":{{"userId":{id},"role":"student"}}"#));
    student.say(&frames(&[&connect, &come]));
    student.hear(r#""successful":true"#);
    if !forgets_to_say_goodbye(id) {
        student.say(&frames(&[&message("/meta/disconnect", r#""id":"bye""#)]));
        student.hear("bye");
    }
    1
}

fn forgets_to_say_goodbye(id: u64) -> bool {
    id.is_multiple_of(100)
}

/// A teacher claims whoever is first in the queue, enters the chat, speaks, and both are gone.
fn chat(door: &Door, id: u64) -> u64 {
    let student = student(door, id);
    let claim = push("presence:teachers", "claim:student", &format!(r#"{{"teacherId":{id}}}"#));
    let mut teacher = door.open(id + 1, "/ws", &[&join("teacher", id, "presence:teachers"), &claim]);
    // Somebody else's teacher may have claimed the last one who waited.
    teacher.say(&heartbeat());
    let heard = teacher.hear(r#""ref":"heartbeat""#);
    let chat = heard.split(r#""id":""#).nth(1).and_then(|rest| rest.split('"').next());
    if let Some(chat) = chat {
        let topic = format!("chats:{chat}");
        let words = [join("teacher", id, &topic), push(&topic, "teacher:send", r#"{"number":1}"#)];
        teacher.say(&frames(&[&words[0], &words[1]]));
        teacher.reset();
    }
    drop(student);
    2
}
