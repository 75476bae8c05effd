//! A teacher or a student, who does the same over any protocol.

use std::fmt;

use serde_json::{Value, json};

use crate::bayeux::{Bayeux, Link};
use crate::support::Server;
use crate::support::bayeux::{self, connect, publish, subscribe};
use crate::support::phoenix::{Phoenix, Version};
use crate::support::socket_io::{self, SocketIo, Transport};

/// How somebody is connected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    Phoenix(Version),
    SocketIo(u8, Transport),
    BayeuxSocket,
    BayeuxPolling,
}

/// All ways there are.
pub const WAYS: [Way; 8] = [
    Way::Phoenix(Version::V1),
    Way::Phoenix(Version::V2),
    Way::SocketIo(3, Transport::WebSocket),
    Way::SocketIo(4, Transport::WebSocket),
    Way::SocketIo(3, Transport::Polling),
    Way::SocketIo(4, Transport::Polling),
    Way::BayeuxSocket,
    Way::BayeuxPolling,
];

pub enum Line {
    Phoenix(Phoenix),
    SocketIo(SocketIo),
    Bayeux(Bayeux),
}

pub struct Person {
    pub role: &'static str,
    pub id: u64,
    pub line: Line,
    /// The id of the chat that this person is in.
    pub chat: String,
}

/// What comes to a person.
#[derive(Debug, PartialEq)]
pub enum Event {
    NewChat(String),
    Message(u64),
    /// The chat is over.
    End,
    /// Something that was sent cannot be.
    Refused(String),
    Status(Value),
    /// An acknowledgement and whatever else does not matter here.
    Other,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Phoenix(version) => write!(f, "Phoenix {version:?}"),
            Way::SocketIo(revision, transport) => write!(f, "Engine.IO {revision} {transport:?}"),
            Way::BayeuxSocket => write!(f, "Bayeux WebSocket"),
            Way::BayeuxPolling => write!(f, "Bayeux long-polling"),
        }
    }
}

impl Way {
    /// Whether this way takes a request for whatever is to come.
    pub fn is_polling(self) -> bool {
        matches!(self, Way::SocketIo(_, Transport::Polling) | Way::BayeuxPolling)
    }
}

impl Person {
    pub fn teacher(server: &Server, way: Way, id: u64) -> Person {
        Person::arrive(server, way, "teacher", id)
    }

    /// A student who waits in the queue.
    pub fn student(server: &Server, way: Way, id: u64) -> Person {
        Person::arrive(server, way, "student", id)
    }

    fn arrive(server: &Server, way: Way, role: &'static str, id: u64) -> Person {
        let is_teacher = role == "teacher";
        let line = match way {
            Way::Phoenix(version) if is_teacher => Line::Phoenix(Phoenix::teacher(server, version, id)),
            Way::Phoenix(version) => Line::Phoenix(Phoenix::student(server, version, id)),
            Way::SocketIo(revision, transport) if is_teacher => {
                Line::SocketIo(SocketIo::teacher(server, (revision, transport), id))
            }
            Way::SocketIo(revision, transport) => {
                Line::SocketIo(SocketIo::student(server, (revision, transport), id))
            }
            Way::BayeuxSocket | Way::BayeuxPolling => {
                Line::Bayeux(Bayeux::user(server, way == Way::BayeuxSocket, role, id))
            }
        };
        let mut person = Person { role, id, line, chat: String::new() };
        if let Line::Phoenix(phoenix) = &mut person.line {
            phoenix.settle();
        }
        person
    }

    /// A teacher claims the next student.
    pub fn claim(&mut self) {
        let (id, event) = (self.id, "presence:claim_student");
        match &mut self.line {
            Line::Phoenix(phoenix) => phoenix.claim(id),
            Line::SocketIo(client) => client.emit(event, json!({"teacherId": id})),
            Line::Bayeux(client) => {
                client.ok(publish(&client.id, "/presence/claim_student", json!({"teacherId": id})));
            }
        }
    }

    /// Waits for a new chat and enters it.
    pub fn enter(&mut self) {
        self.chat = loop {
            if let Event::NewChat(chat) = self.next() {
                break chat;
            }
        };
        let (role, id, chat) = (self.role, self.id, self.chat.clone());
        match &mut self.line {
            Line::Phoenix(phoenix) => {
                let topic = format!("chats:{chat}");
                let join = phoenix.push(&topic, "phx_join", json!({"userId": id, "role": role}));
                while phoenix.next_but_status().reference != join {}
                phoenix.push(&topic, &format!("{role}:joined"), json!({}));
            }
            Line::SocketIo(client) => client.enter(&chat, role, id),
            Line::Bayeux(client) => {
                client.ok(subscribe(&client.id, &format!("/chat/{chat}/{role}/receive")));
                client.ok(subscribe(&client.id, &format!("/chat/{chat}/{role}/terminated")));
                client.ok(publish(&client.id, &format!("/chat/{chat}/{role}/joined"), json!({"userId": id})));
            }
        }
    }

    /// Sends a message that has this number and is filled up with so many bytes.
    pub fn say(&mut self, number: u64, padding: usize) {
        let (role, chat) = (self.role, &self.chat);
        let padding = "x".repeat(padding);
        let payload = json!({"chatId": chat, "number": number, "padding": padding});
        match &mut self.line {
            Line::Phoenix(phoenix) => {
                phoenix.push(&format!("chats:{chat}"), &format!("{role}:send"), payload);
            }
            Line::SocketIo(client) => client.say(role, &payload.to_string()),
            Line::Bayeux(client) => {
                let message = publish(&client.id, &format!("/chat/{chat}/{role}/send"), payload);
                client.send(message);
            }
        }
    }

    /// The next message has to have this number: none is lost, comes twice or overtakes another.
    pub fn hear(&mut self, number: u64) {
        loop {
            match self.next() {
                Event::Other | Event::Status(_) => {}
                event => return assert_eq!(event, Event::Message(number), "{} {}", self.role, self.id),
            }
        }
    }

    /// A teacher on Bayeux hears of statuses once this is asked for; on other protocols all teachers do.
    pub fn subscribe_to_status(&mut self) {
        if let Line::Bayeux(client) = &mut self.line {
            client.ok(subscribe(&client.id, "/presence/status"));
        }
    }

    /// Whether the chat has ended by the time that the server has dealt with what was said so far. For Phoenix
    /// clients, whose heartbeats are answered in their turn.
    pub fn has_ended(&mut self) -> bool {
        let Line::Phoenix(phoenix) = &mut self.line else {
            panic!("not a Phoenix client");
        };
        let beat = phoenix.push("phoenix", "heartbeat", json!({}));
        let mut has_ended = false;
        loop {
            let frame = phoenix.next_but_status();
            if frame.reference == beat {
                return has_ended;
            }
            has_ended |= event(&frame.event, &frame.payload) == Event::End;
        }
    }

    /// Begins to wait for what comes, if that takes a request, and never looks at the answer.
    pub fn begin_poll(&mut self) {
        match &mut self.line {
            Line::SocketIo(SocketIo { link: socket_io::Link::Polling(session), .. }) => session.begin_poll(),
            Line::Bayeux(Bayeux { link: Link::Polling { get, .. }, id, .. }) => {
                bayeux::request(get, &json!([connect(id, "long-polling")]));
            }
            _ => {}
        }
    }

    /// What comes next.
    pub fn next(&mut self) -> Event {
        match &mut self.line {
            Line::Phoenix(phoenix) => {
                let frame = phoenix.next();
                match frame.payload["status"] == "error" {
                    true => Event::Refused(frame.text),
                    false => event(&frame.event, &frame.payload),
                }
            }
            Line::SocketIo(client) => next_of_socket_io(client),
            Line::Bayeux(client) => {
                let message = client.next();
                if message["successful"] == false {
                    return Event::Refused(message.to_string());
                }
                let channel = message["channel"].as_str().expect("a channel").replace('/', ":");
                event(&channel, &message["data"])
            }
        }
    }

    /// Takes leave of the server, as far as closing the connection does not say it.
    pub fn leave(mut self) {
        match &mut self.line {
            Line::Bayeux(client) => {
                client.ok(json!({"channel": "/meta/disconnect", "clientId": client.id}));
            }
            Line::SocketIo(SocketIo { link: socket_io::Link::Polling(session), .. }) => {
                session.post_ok(&["1"])
            }
            _ => {}
        }
    }
}

/// The names differ little: `new:chat`, `presence:new_chat:teacher:1`, `student:receive`, `chat:ID:terminated`.
fn event(name: &str, payload: &Value) -> Event {
    if name.contains("new:chat") || name.contains("new_chat") {
        // Bayeux has the chat's id in the channels only.
        let id = payload["id"].as_str().or_else(|| payload["sendChannel"].as_str()?.split('/').nth(2));
        return id.map_or(Event::Other, |id| Event::NewChat(id.to_owned()));
    }
    if name.ends_with(":status") && payload.is_object() {
        return Event::Status(payload.clone());
    }
    if name.ends_with(":receive") {
        return Event::Message(payload["number"].as_u64().expect("a number"));
    }
    if name.ends_with("terminated") && !payload.is_null() { Event::End } else { Event::Other }
}

fn next_of_socket_io(client: &mut SocketIo) -> Event {
    let packet = client.next();
    if packet == "2" {
        client.send("3");
    }
    let Some(text) = packet.strip_prefix("42") else {
        return Event::Other;
    };
    let arguments: Value = serde_json::from_str(text).expect("a packet is JSON");
    if arguments[0] == "chat:error" {
        return Event::Refused(packet);
    }
    event(arguments[0].as_str().expect("a name"), &arguments[1])
}
