//! Short connections: in every protocol, and with every way to close.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::PATIENCE;
use crate::support::raw::{frame, handshake};
use crate::support::socket_io::request;

/// Opens and ends connections under this user id; returns how many.
pub const SHORT_CONNECTIONS: [fn(&Addresses, u64) -> u64; 11] = [
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

/// Several addresses of the server: each has a limited number of ports for connections in TIME_WAIT.
pub struct Addresses(pub Vec<SocketAddr>);

/// A connection, and what was received over it since the last [`Connection::expect`].
struct Connection {
    stream: TcpStream,
    got: Vec<u8>,
}

impl Addresses {
    fn connect(&self, id: u64, first_bytes: &[u8]) -> Connection {
        let address = self.0[id as usize % self.0.len()];
        let mut stream =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("connection {id}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(first_bytes).unwrap();
        Connection { stream, got: Vec::new() }
    }

    /// A WebSocket and the frames that are sent at once.
    fn open(&self, id: u64, path: &str, texts: &[&str]) -> Connection {
        self.connect(id, &[handshake(path).into_bytes(), frames(texts)].concat())
    }
}

impl Connection {
    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads until this has come, and returns all up to then.
    fn expect(&mut self, what: &str) -> String {
        let mut buffer = [0; 4096];
        while !self.got.windows(what.len()).any(|bytes| bytes == what.as_bytes()) {
            let length = self.stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the end instead of {what}: {}", String::from_utf8_lossy(&self.got));
            self.got.extend(&buffer[..length]);
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.got)).into_owned()
    }

    /// Closes with something unread, which resets the connection.
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

/// A student in the queue.
fn student(addresses: &Addresses, id: u64) -> Connection {
    let topic = format!("presence:student:{id}");
    let ready = push(&topic, "student:ready", &format!(r#"{{"userId":{id}}}"#));
    let beat = push("phoenix", "heartbeat", "{}");
    let mut student = addresses.open(id, "/ws", &[&join("student", id, &topic), &ready, &beat]);
    student.expect(r#""ref":"heartbeat""#);
    student
}

fn connect_only(addresses: &Addresses, id: u64) -> u64 {
    addresses.connect(id, b"");
    1
}

fn half_a_head(addresses: &Addresses, id: u64) -> u64 {
    addresses.connect(id, b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgr");
    1
}

fn half_a_body(addresses: &Addresses, id: u64) -> u64 {
    addresses.connect(id, request("POST", "/faye", "", "[{}]").trim_end_matches(']').as_bytes());
    1
}

fn unread_upgrade(addresses: &Addresses, id: u64) -> u64 {
    addresses.open(id, "/ws/websocket?vsn=2.0.0", &[]).reset();
    1
}

fn half_a_frame(addresses: &Addresses, id: u64) -> u64 {
    let mut connection = addresses.open(id, "/ws", &[]);
    connection.expect("\r\n\r\n");
    connection.send(&heartbeat()[..20]);
    1
}

fn student_resets(addresses: &Addresses, id: u64) -> u64 {
    let mut student = student(addresses, id);
    student.send(&heartbeat());
    student.reset();
    1
}

fn student_closes(addresses: &Addresses, id: u64) -> u64 {
    let mut student = student(addresses, id);
    student.send(&frame(0x88, &1000u16.to_be_bytes()));
    student.stream.read_to_end(&mut student.got).unwrap();
    assert!(student.got.ends_with(&[0x88, 2, 0x03, 0xe8]), "the server answers a close");
    1
}

fn socket_io_student(addresses: &Addresses, id: u64) -> u64 {
    let come = format!(r#"421["presence:student:connect",{{"userId":{id},"role":"student"}}]"#);
    let mut student = addresses.open(id, "/socket.io/?EIO=4&transport=websocket", &["40", &come]);
    student.expect(r#"431[{"status":"ok"}]"#);
    student.send(&heartbeat()[..10]);
    1
}

/// Leaves while a poll is held.
fn polling_student(addresses: &Addresses, id: u64) -> u64 {
    let path = "/socket.io/?EIO=4&transport=polling";
    let mut student = addresses.connect(id, request("GET", path, "", "").as_bytes());
    let opened = student.expect("maxPayload");
    let sid = opened.split(r#""sid":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("a sid");
    let path = format!("{path}&sid={sid}");
    let come = format!("40\x1e421[\"presence:student:connect\",{{\"userId\":{id},\"role\":\"student\"}}]");
    let poll = request("GET", &path, "", "");
    student.send((request("POST", &path, "", &come) + &poll).as_bytes());
    student.expect(r#"431[{"status":"ok"}]"#);
    student.send(poll.as_bytes());
    1
}

/// Disconnects, as otherwise a Bayeux client lives on for a minute and a half. A few do not.
fn bayeux_student(addresses: &Addresses, id: u64) -> u64 {
    let hello = r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"]}]"#;
    let mut student = addresses.open(id, "/faye", &[hello]);
    let reply = student.expect("}}]");
    let client =
        reply.split(r#""clientId":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("a client");
    let message =
        |channel: &str, rest: &str| format!(r#"[{{"channel":"{channel}","clientId":"{client}",{rest}}}]"#);
    let connect = message("/meta/connect", r#""connectionType":"websocket""#);
    let come = message("/presence/student/connect", &format!(r#""data":{{"userId":{id},"role":"student"}}"#));
    student.send(&frames(&[&connect, &come]));
    student.expect(r#""successful":true"#);
    if !leaves_without_disconnect(id) {
        student.send(&frames(&[&message("/meta/disconnect", r#""id":"bye""#)]));
        student.expect("bye");
    }
    1
}

fn leaves_without_disconnect(id: u64) -> bool {
    id.is_multiple_of(100)
}

/// A teacher claims the first student in the queue, enters the chat and sends a message; then both connections close.
fn chat(addresses: &Addresses, id: u64) -> u64 {
    let student = student(addresses, id);
    let claim = push("presence:teachers", "claim:student", &format!(r#"{{"teacherId":{id}}}"#));
    let mut teacher = addresses.open(id + 1, "/ws", &[&join("teacher", id, "presence:teachers"), &claim]);
    // Another thread's teacher may have claimed the last student in the queue.
    teacher.send(&heartbeat());
    let received = teacher.expect(r#""ref":"heartbeat""#);
    let chat = received.split(r#""id":""#).nth(1).and_then(|rest| rest.split('"').next());
    if let Some(chat) = chat {
        let topic = format!("chats:{chat}");
        let frames_of_chat = [join("teacher", id, &topic), push(&topic, "teacher:send", r#"{"number":1}"#)];
        teacher.send(&frames(&[&frames_of_chat[0], &frames_of_chat[1]]));
        teacher.reset();
    }
    drop(student);
    2
}
