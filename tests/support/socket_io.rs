//! Socket.IO clients that send exactly what a test asks for: over a WebSocket, and over HTTP requests.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, client};

use super::Server;
use super::raw::{self, Response};

/// The revisions of Engine.IO, as `EIO` has them.
pub const REVISIONS: [u8; 2] = [3, 4];

/// The ways to carry packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transport {
    WebSocket,
    Polling,
}

pub use Transport::{Polling, WebSocket as Socket};

/// All four ways to connect.
pub const WAYS: [(u8, Transport); 4] = [(3, Socket), (4, Socket), (3, Polling), (4, Polling)];

/// What a client is connected by.
pub enum Link {
    Socket(Box<WebSocket<TcpStream>>),
    Polling(Session),
}

pub struct SocketIo {
    pub revision: u8,
    pub link: Link,
    inbox: VecDeque<String>,
    acks: u32,
}

impl SocketIo {
    /// A client in the default namespace.
    pub fn connect(server: &Server, (revision, transport): (u8, Transport)) -> SocketIo {
        let link = match transport {
            Transport::WebSocket => Link::Socket(Box::new(open_socket(
                server,
                &format!("/socket.io/?EIO={revision}&transport=websocket"),
            ))),
            Transport::Polling => Link::Polling(Session::new(server, revision)),
        };
        let mut client = SocketIo { revision, link, inbox: VecDeque::new(), acks: 0 };
        // What a session's opening brought was taken by the session.
        if transport == Transport::WebSocket {
            assert!(client.next().starts_with("0{\"sid\":\""));
        }
        if revision == 4 {
            client.send("40");
            assert!(client.next().starts_with("40{\"sid\":\""));
        } else if transport == Transport::WebSocket {
            assert_eq!(client.next(), "40");
        }
        client
    }

    pub fn teacher(server: &Server, way: (u8, Transport), id: impl Into<Value>) -> SocketIo {
        let mut client = SocketIo::connect(server, way);
        client.call_ok("presence:teacher:connect", json!({"userId": id.into(), "role": "teacher"}));
        client
    }

    pub fn student(server: &Server, way: (u8, Transport), id: impl Into<Value>) -> SocketIo {
        let mut client = SocketIo::connect(server, way);
        client.call_ok("presence:student:connect", json!({"userId": id.into(), "role": "student"}));
        client
    }

    /// The session of a client that polls.
    pub fn session(&mut self) -> &mut Session {
        match &mut self.link {
            Link::Polling(session) => session,
            Link::Socket(_) => panic!("not a polling client"),
        }
    }

    /// The socket of a client that has one.
    pub fn socket(&mut self) -> &mut WebSocket<TcpStream> {
        match &mut self.link {
            Link::Socket(socket) => socket,
            Link::Polling(_) => panic!("not a client with a socket"),
        }
    }

    /// Sends a packet.
    pub fn send(&mut self, packet: impl Into<String>) {
        let packet = packet.into();
        match &mut self.link {
            Link::Socket(socket) => socket.send(Message::text(packet)).expect("the socket takes a frame"),
            Link::Polling(session) => session.post_ok(&[&packet]),
        }
    }

    /// Sends packets at once: in a single post, or as frames one behind the other.
    pub fn send_all(&mut self, packets: &[String]) {
        match &mut self.link {
            Link::Socket(socket) => {
                packets.iter().for_each(|packet| socket.write(Message::text(packet)).unwrap());
                socket.flush().unwrap();
            }
            Link::Polling(session) => {
                session.post_ok(&packets.iter().map(String::as_str).collect::<Vec<_>>())
            }
        }
    }

    pub fn emit(&mut self, event: &str, data: Value) {
        self.send(format!("42{}", json!([event, data])));
    }

    /// The next packet, whatever it is.
    pub fn next(&mut self) -> String {
        loop {
            if let Some(packet) = self.inbox.pop_front() {
                return packet;
            }
            match &mut self.link {
                Link::Socket(socket) => match socket.read().expect("a frame comes") {
                    Message::Text(text) => return text.to_string(),
                    other => panic!("not a text frame: {other:?}"),
                },
                Link::Polling(session) => self.inbox.extend(session.poll()),
            }
        }
    }

    /// The next packet that is no status, since these come when they come.
    pub fn next_but_status(&mut self) -> String {
        loop {
            let packet = self.next();
            if !packet.starts_with("42[\"presence:status\"") {
                return packet;
            }
        }
    }

    /// The next packet but statuses, which has to be this event; returns its argument.
    pub fn expect(&mut self, event: &str) -> Value {
        let packet = self.next_but_status();
        let arguments: Value = packet.strip_prefix("42").map_or(Value::Null, |text| {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
        });
        assert_eq!(arguments[0], event, "{packet}");
        arguments[1].clone()
    }

    /// The next status.
    pub fn expect_status(&mut self) -> Value {
        let packet = self.next();
        let text = packet.strip_prefix("42[\"presence:status\",").and_then(|text| text.strip_suffix(']'));
        serde_json::from_str(text.unwrap_or_else(|| panic!("no status: {packet}"))).unwrap()
    }

    /// Emits with an ack id and returns the acknowledgement's argument; it has to be the next packet.
    pub fn call(&mut self, event: &str, data: Value) -> Value {
        self.acks += 1;
        let id = self.acks;
        self.send(format!("42{id}{}", json!([event, data])));
        let packet = self.next_but_status();
        let text = packet.strip_prefix(&format!("43{id}")).unwrap_or_else(|| panic!("no ack {id}: {packet}"));
        let arguments: Vec<Value> = serde_json::from_str(text).unwrap();
        assert_eq!(arguments.len(), 1, "{packet}");
        arguments[0].clone()
    }

    pub fn call_ok(&mut self, event: &str, data: Value) {
        assert_eq!(self.call(event, data), json!({"status": "ok"}), "{event}");
    }

    /// Emits what has to be refused, and returns the reason.
    pub fn refused(&mut self, event: &str, data: Value) -> String {
        let answer = self.call(event, data);
        assert_eq!(answer["status"], "error", "{answer}");
        answer["reason"].as_str().expect("a reason").to_owned()
    }

    /// `ping` and `pong`: whatever was sent before has been dealt with then, and anything that came
    /// meanwhile, but a status, fails the test.
    pub fn settle(&mut self) {
        self.send("42[\"ping\"]");
        assert_eq!(self.next_but_status(), "42[\"pong\"]");
    }

    pub fn enter(&mut self, chat: &str, role: &str, user: impl Into<Value>) {
        self.emit(&format!("chat:{role}:joined"), json!({"chatId": chat, "userId": user.into()}));
    }

    /// Sends a message of which the payload is this very text.
    pub fn say(&mut self, role: &str, payload: &str) {
        self.send(format!("42[\"chat:{role}:send\",{payload}]"));
    }

    /// The next packet but statuses has to be this message, to the byte.
    pub fn hear(&mut self, chat: &str, role: &str, payload: &str) {
        assert_eq!(self.next_but_status(), format!("42[\"chat:{chat}:{role}:receive\",{payload}]"));
    }
}

/// A teacher and a student, each connected in a way of its own, in a chat that both have entered;
/// returns its id.
pub fn chat(
    server: &Server,
    ways: ((u8, Transport), (u8, Transport)),
    teacher_id: u64,
    student_id: u64,
) -> (SocketIo, SocketIo, String) {
    let mut teacher = SocketIo::teacher(server, ways.0, teacher_id);
    let mut student = SocketIo::student(server, ways.1, student_id);
    let chat = begin(&mut teacher, &mut student, teacher_id, student_id);
    (teacher, student, chat)
}

/// The teacher claims, the student who is to be next answers, both enter; returns the chat's id.
pub fn begin(teacher: &mut SocketIo, student: &mut SocketIo, teacher_id: u64, student_id: u64) -> String {
    teacher.emit("presence:claim_student", json!({"teacherId": teacher_id}));
    let chat = teacher.expect(&format!("presence:new_chat:teacher:{teacher_id}"));
    let id = chat["id"].as_str().expect("the chat has an id").to_owned();
    assert_eq!(student.expect(&format!("presence:new_chat:student:{student_id}"))["id"], id);
    student.enter(&id, "student", student_id);
    teacher.enter(&id, "teacher", teacher_id);
    assert_eq!(teacher.expect(&format!("chat:{id}:ready")), json!({}));
    id
}

/// One message in each direction, which comes as it was sent.
pub fn exchange(teacher: &mut SocketIo, student: &mut SocketIo, chat: &str) {
    let payload = format!(r#"{{"chatId":"{chat}", "message":"still there?"}}"#);
    teacher.say("teacher", &payload);
    student.hear(chat, "student", &payload);
    student.say("student", &payload);
    teacher.hear(chat, "teacher", &payload);
}

pub fn open_socket(server: &Server, path: &str) -> WebSocket<TcpStream> {
    client(format!("ws://{}{path}", server.address), server.connect()).expect("the upgrade is accepted").0
}

/// A session of a client that polls, by requests that are written by hand.
pub struct Session {
    pub sid: String,
    revision: u8,
    /// For the polls, which are held.
    pub get: TcpStream,
    /// For what the client sends meanwhile.
    pub post: TcpStream,
}

impl Session {
    /// Opens a session; the opening packets of the revision have come then.
    pub fn new(server: &Server, revision: u8) -> Session {
        let (get, post) = (server.connect(), server.connect());
        let mut session = Session { sid: String::new(), revision, get, post };
        let path = format!("/socket.io/?EIO={revision}&transport=polling");
        session.get.write_all(request("GET", &path, "", "").as_bytes()).unwrap();
        let packets = session.read_poll();
        let open: Value = serde_json::from_str(packets[0].strip_prefix('0').unwrap()).unwrap();
        session.sid = open["sid"].as_str().unwrap().to_owned();
        let rest: &[&str] = if revision == 3 { &["40"] } else { &[] };
        assert_eq!(packets[1..], *rest);
        session
    }

    pub fn path(&self) -> String {
        format!("/socket.io/?EIO={}&transport=polling&sid={}", self.revision, self.sid)
    }

    /// The path of the WebSocket that takes over from the polls.
    pub fn upgrade_path(&self) -> String {
        self.path().replace("polling", "websocket")
    }

    /// Sends a poll and does not wait for what it brings.
    pub fn begin_poll(&mut self) {
        let request = request("GET", &self.path(), "", "");
        self.get.write_all(request.as_bytes()).unwrap();
    }

    /// The packets that a poll brings.
    pub fn poll(&mut self) -> Vec<String> {
        self.begin_poll();
        self.read_poll()
    }

    /// The packets that a poll brings which was sent before.
    pub fn read_poll(&mut self) -> Vec<String> {
        let response = raw::read_response(&mut self.get);
        assert_eq!(response.status, 200, "{}", response.body);
        decode(self.revision, &response.body)
    }

    /// Posts packets in one body.
    pub fn post(&mut self, packets: &[&str]) -> Response {
        let body = encode(self.revision, packets);
        self.post_body(&body)
    }

    /// Posts packets on a connection of its own, and does not wait for the answer.
    pub fn begin_post(&self, server: &Server, packets: &[&str]) -> TcpStream {
        let body = encode(self.revision, packets);
        let head = request("POST", &self.path(), &format!("Content-Length: {}\r\n", body.len()), "");
        let mut stream = server.connect();
        stream.write_all((head + &body).as_bytes()).unwrap();
        stream
    }

    pub fn post_body(&mut self, body: impl AsRef<[u8]>) -> Response {
        let body = body.as_ref();
        let head = request("POST", &self.path(), &format!("Content-Length: {}\r\n", body.len()), "");
        self.post.write_all(&[head.as_bytes(), body].concat()).unwrap();
        raw::read_response(&mut self.post)
    }

    pub fn post_ok(&mut self, packets: &[&str]) {
        let response = self.post(packets);
        assert_eq!((response.status, response.body.as_str()), (200, "ok"));
    }
}

/// A request with these lines in its head and this body.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}{length}\r\n{body}")
}

/// A body of packets, as the revision has it.
pub fn encode(revision: u8, packets: &[&str]) -> String {
    match revision {
        3 => packets.iter().map(|packet| format!("{}:{packet}", packet.encode_utf16().count())).collect(),
        _ => packets.join("\x1e"),
    }
}

/// The packets of a body, which has to be as the revision has it. A body of Engine.IO 3 is ASCII here:
/// the clients do not agree on how anything else would be written.
pub fn decode(revision: u8, body: &str) -> Vec<String> {
    if revision == 4 {
        return body.split('\x1e').map(str::to_owned).collect();
    }
    assert!(body.is_ascii(), "{body}");
    let mut packets = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (length, packet) = rest.split_once(':').expect("a length");
        let (packet, after) = packet.split_at(length.parse().expect("a length in digits"));
        packets.push(packet.to_owned());
        rest = after;
    }
    packets
}

/// Changes a polling client over to a WebSocket, as socket.io-client does: the poll that is held comes
/// back, and nothing is polled after it.
pub fn upgrade(server: &Server, client: &mut SocketIo) {
    let session = client.session();
    session.begin_poll();
    let mut socket = open_socket(server, &session.upgrade_path());
    socket.send(Message::text("2probe")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("3probe"));
    let packets = session.read_poll();
    client.inbox.extend(packets.into_iter().filter(|packet| packet != "6"));
    socket.send(Message::text("5")).unwrap();
    client.link = Link::Socket(Box::new(socket));
}
