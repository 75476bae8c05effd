//! A Phoenix client that sends exactly what a test asks for, in either version.

use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket, client};

use super::Server;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    /// A heartbeat whose reply is not waited for.
    pub fn heartbeat(self) -> &'static str {
        match self {
            Version::V1 => r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":null}"#,
            Version::V2 => r#"[null,null,"phoenix","heartbeat",{}]"#,
        }
    }
}

/// A frame from the server; V1 frames have no join_ref.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub join_ref: Value,
    pub reference: Value,
    pub topic: String,
    pub event: String,
    pub payload: Value,
    /// The text that it came as.
    pub text: String,
}

impl Frame {
    /// The payload as the text that came: what stands between the event and the end of the frame.
    pub fn payload_text(&self) -> &str {
        let (before, after) = match self.text.starts_with('{') {
            true => (format!("\"event\":\"{}\",\"payload\":", self.event), ",\"ref\":null}"),
            false => (format!("\"{}\",", self.event), "]"),
        };
        let payload = self.text.split_once(&before).and_then(|(_, rest)| rest.strip_suffix(after));
        payload.unwrap_or_else(|| panic!("no push from the server: {}", self.text))
    }
}

pub struct Phoenix {
    pub socket: WebSocket<TcpStream>,
    pub version: Version,
    refs: u32,
}

impl Phoenix {
    pub fn connect(server: &Server, version: Version) -> Phoenix {
        let path = match version {
            Version::V1 => "/ws",
            Version::V2 => "/ws/websocket?vsn=2.0.0",
        };
        let url = format!("ws://{}{path}", server.address);
        let (socket, _) = client(url, server.connect()).expect("the upgrade is accepted");
        Phoenix { socket, version, refs: 0 }
    }

    /// A client whose teacher has joined.
    pub fn teacher(server: &Server, version: Version, id: impl Into<Value>) -> Phoenix {
        let mut phoenix = Phoenix::connect(server, version);
        phoenix.join_ok("presence:teachers", json!({"userId": id.into(), "role": "teacher"}));
        phoenix
    }

    /// A client whose student has joined and is ready.
    pub fn student(server: &Server, version: Version, id: impl Into<Value>) -> Phoenix {
        let mut phoenix = Phoenix::connect(server, version);
        let id = id.into();
        phoenix.join_student(id.clone());
        phoenix.push(&student_topic(&id), "student:ready", json!({"userId": id}));
        phoenix
    }

    /// One client with this many students, who have joined and are ready.
    pub fn students(server: &Server, version: Version, count: usize) -> Phoenix {
        let mut phoenix = Phoenix::connect(server, version);
        for id in 0..count {
            phoenix.join_student(json!(id));
            phoenix.push(&student_topic(&json!(id)), "student:ready", json!({"userId": id}));
        }
        phoenix.settle();
        phoenix
    }

    pub fn join_student(&mut self, id: Value) {
        self.join_ok(&student_topic(&id), json!({"userId": id, "role": "student"}));
    }

    pub fn send_text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).expect("the socket takes a frame");
    }

    /// Sends a frame and returns its reference.
    pub fn push(&mut self, topic: &str, event: &str, payload: Value) -> Value {
        self.push_raw(topic, event, &payload.to_string())
    }

    /// Sends a frame whose payload is this very text.
    pub fn push_raw(&mut self, topic: &str, event: &str, payload: &str) -> Value {
        self.refs += 1;
        let reference = json!(self.refs.to_string());
        let topic = json!(topic);
        self.send_text(match self.version {
            Version::V1 => {
                format!(r#"{{"topic":{topic},"event":"{event}","payload":{payload},"ref":{reference}}}"#)
            }
            Version::V2 if event == "phx_join" => {
                format!(r#"[{reference},{reference},{topic},"{event}",{payload}]"#)
            }
            Version::V2 => format!(r#"[null,{reference},{topic},"{event}",{payload}]"#),
        });
        reference
    }

    /// The next frame, whatever it is.
    pub fn next(&mut self) -> Frame {
        match self.socket.read().expect("a frame comes") {
            Message::Text(text) => parse(self.version, &text),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    /// The next frame that is no status, since these come when they come, nor an answer to
    /// [`Phoenix::keep_alive`].
    pub fn next_but_status(&mut self) -> Frame {
        loop {
            let frame = self.next();
            if frame.event != "user:status" && (frame.topic != "phoenix" || !frame.reference.is_null()) {
                return frame;
            }
        }
    }

    /// Sends a heartbeat whose reply is not waited for.
    pub fn keep_alive(&mut self) {
        self.send_text(self.version.heartbeat());
    }

    /// The next frame, which has to be this event of this topic; returns its payload.
    pub fn expect(&mut self, topic: &str, event: &str) -> Value {
        let frame = self.next_but_status();
        assert_eq!((frame.topic.as_str(), frame.event.as_str()), (topic, event), "{}", frame.text);
        frame.payload
    }

    /// The next status; answers to [`Phoenix::keep_alive`] may come before it.
    pub fn expect_status(&mut self) -> Value {
        loop {
            let frame = self.next();
            if frame.topic != "phoenix" {
                assert_eq!(frame.event, "user:status", "{}", frame.text);
                return frame.payload;
            }
        }
    }

    /// Sends a frame and returns the payload of its reply, which has to be the next frame.
    pub fn call(&mut self, topic: &str, event: &str, payload: Value) -> Value {
        let reference = self.push(topic, event, payload);
        let frame = self.next_but_status();
        assert_eq!((&frame.reference, frame.event.as_str()), (&reference, "phx_reply"), "{}", frame.text);
        assert_eq!(frame.topic, topic);
        frame.payload
    }

    pub fn join_ok(&mut self, topic: &str, payload: Value) {
        assert_eq!(self.call(topic, "phx_join", payload), json!({"status": "ok", "response": {}}));
    }

    /// Sends a frame that has to be refused, and returns the reason.
    pub fn refused(&mut self, topic: &str, event: &str, payload: Value) -> String {
        let reply = self.call(topic, event, payload);
        assert_eq!(reply["status"], "error", "{reply}");
        reply["response"]["reason"].as_str().expect("a reason").to_owned()
    }

    pub fn claim(&mut self, teacher: impl Into<Value>) {
        self.push("presence:teachers", "claim:student", json!({"teacherId": teacher.into()}));
    }

    /// Joins a chat's topic and enters it.
    pub fn enter(&mut self, chat: &str, role: &str, user: impl Into<Value>) {
        self.join_ok(chat, json!({"userId": user.into(), "role": role}));
        self.push(chat, &format!("{role}:joined"), json!({}));
    }

    /// A heartbeat and its answer: whatever was sent before has been dealt with then, and anything that
    /// came meanwhile, but a status, fails the test.
    pub fn settle(&mut self) {
        assert_eq!(self.call("phoenix", "heartbeat", json!({})), json!({"status": "ok", "response": {}}));
    }

    /// The server closes the socket, with this code; frames before that are skipped.
    pub fn expect_close(&mut self, code: CloseCode) {
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => return assert_eq!(frame.map(|frame| frame.code), Some(code)),
                Ok(_) => {}
                Err(error) => panic!("no close frame: {error}"),
            }
        }
    }
}

/// A teacher and a student on their own sockets, in a chat that both have entered; returns its topic.
pub fn chat(
    server: &Server,
    versions: (Version, Version),
    teacher: u64,
    student: u64,
) -> (Phoenix, Phoenix, String) {
    let mut at_teacher = Phoenix::teacher(server, versions.0, teacher);
    let mut at_student = Phoenix::student(server, versions.1, student);
    at_student.settle();
    let topic = begin(&mut at_teacher, &mut at_student, teacher, student);
    (at_teacher, at_student, topic)
}

/// The teacher claims, the student who is to be next answers, both enter; returns the chat's topic.
pub fn begin(teacher: &mut Phoenix, student: &mut Phoenix, teacher_id: u64, student_id: u64) -> String {
    teacher.claim(teacher_id);
    let chat = teacher.expect("presence:teachers", &format!("new:chat:{teacher_id}"));
    assert_eq!(student.expect(&format!("presence:student:{student_id}"), "new:chat"), chat);
    assert_eq!(chat["student_id"], student_id);
    let topic = format!("chats:{}", chat["id"].as_str().expect("the chat has an id"));
    teacher.enter(&topic, "teacher", teacher_id);
    student.enter(&topic, "student", student_id);
    for phoenix in [teacher, student] {
        assert_eq!(phoenix.expect(&topic, "chat:ready"), json!({}));
    }
    topic
}

pub fn student_topic(id: &Value) -> String {
    format!("presence:student:{}", id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

fn parse(version: Version, text: &str) -> Frame {
    let value: Value = serde_json::from_str(text).expect("a frame is JSON");
    let word = |value: &Value| value.as_str().expect("a string").to_owned();
    let text = text.to_owned();
    match version {
        Version::V1 => Frame {
            join_ref: Value::Null,
            reference: value["ref"].clone(),
            topic: word(&value["topic"]),
            event: word(&value["event"]),
            payload: value["payload"].clone(),
            text,
        },
        Version::V2 => Frame {
            join_ref: value[0].clone(),
            reference: value[1].clone(),
            topic: word(&value[2]),
            event: word(&value[3]),
            payload: value[4].clone(),
            text,
        },
    }
}
