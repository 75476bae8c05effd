//! A teacher or a student with the same methods over every protocol.

use std::fmt;

use serde_json::{Value, json};

use super::Server;
use super::bayeux::{self, Bayeux, connect, publish, subscribe};
use super::phoenix::{Phoenix, Version};
use super::socket_io::{self, SocketIo, Transport};

/// A protocol, its version and its transport.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClientKind {
    Phoenix(Version),
    SocketIo(u8, Transport),
    BayeuxSocket,
    BayeuxPolling,
}

pub const CLIENT_KINDS: [ClientKind; 8] = [
    ClientKind::Phoenix(Version::V1),
    ClientKind::Phoenix(Version::V2),
    ClientKind::SocketIo(3, Transport::WebSocket),
    ClientKind::SocketIo(4, Transport::WebSocket),
    ClientKind::SocketIo(3, Transport::Polling),
    ClientKind::SocketIo(4, Transport::Polling),
    ClientKind::BayeuxSocket,
    ClientKind::BayeuxPolling,
];

pub enum Client {
    Phoenix(Phoenix),
    SocketIo(SocketIo),
    Bayeux(Bayeux),
}

pub struct User {
    pub role: &'static str,
    pub id: Value,
    pub client: Client,
    /// The id of the chat that this user is in.
    pub chat: String,
}

/// What a client receives.
#[derive(Debug, PartialEq)]
pub enum Event {
    NewChat(Value),
    Ready,
    /// The payload as text: for Phoenix and Socket.IO the bytes that came.
    Message(String),
    Terminated,
    /// The answer to an event that the server does not carry out.
    Refused(String),
    Status(Value),
    /// An acknowledgement, or what the tests of users need not know.
    Other,
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientKind::Phoenix(version) => write!(f, "Phoenix {version:?}"),
            ClientKind::SocketIo(revision, transport) => write!(f, "Engine.IO {revision} {transport:?}"),
            ClientKind::BayeuxSocket => write!(f, "Bayeux WebSocket"),
            ClientKind::BayeuxPolling => write!(f, "Bayeux long-polling"),
        }
    }
}

impl ClientKind {
    /// Whether the server can send only in the response to a request.
    pub fn is_polling(self) -> bool {
        matches!(self, ClientKind::SocketIo(_, Transport::Polling) | ClientKind::BayeuxPolling)
    }
}

impl User {
    pub fn teacher(server: &Server, kind: ClientKind, id: impl Into<Value>) -> User {
        User::connect(server, kind, "teacher", id.into())
    }

    /// A student who is in the queue.
    pub fn student(server: &Server, kind: ClientKind, id: impl Into<Value>) -> User {
        User::connect(server, kind, "student", id.into())
    }

    pub fn connect(server: &Server, kind: ClientKind, role: &'static str, id: Value) -> User {
        let is_teacher = role == "teacher";
        let client = match kind {
            ClientKind::Phoenix(version) => {
                let connect = if is_teacher { Phoenix::teacher } else { Phoenix::student };
                let mut phoenix = connect(server, version, id.clone());
                phoenix.settle();
                Client::Phoenix(phoenix)
            }
            ClientKind::SocketIo(revision, transport) => {
                let connect = if is_teacher { SocketIo::teacher } else { SocketIo::student };
                Client::SocketIo(connect(server, (revision, transport), id.clone()))
            }
            ClientKind::BayeuxSocket | ClientKind::BayeuxPolling => {
                Client::Bayeux(Bayeux::user(server, kind == ClientKind::BayeuxSocket, role, &id))
            }
        };
        User { role, id, client, chat: String::new() }
    }

    fn topic(&self) -> String {
        format!("chats:{}", self.chat)
    }

    fn channel(&self, event: &str) -> String {
        format!("/chat/{}/{event}", self.chat)
    }

    /// A teacher claims the next student.
    pub fn claim(&mut self) {
        let (id, claim) = (self.id.clone(), json!({"teacherId": self.id}));
        match &mut self.client {
            Client::Phoenix(phoenix) => phoenix.claim(id),
            Client::SocketIo(client) => client.emit("presence:claim_student", claim),
            Client::Bayeux(client) => client.ok(publish(&client.id, "/presence/claim_student", claim)),
        }
    }

    /// Waits for a new chat and returns its announcement.
    pub fn expect_chat(&mut self) -> Value {
        let event = self.next_event();
        let Event::NewChat(chat) = event else { panic!("no new chat but {event:?}") };
        // A Bayeux client gets the chat's id in the names of its channels only.
        let id = chat["id"].as_str().or_else(|| chat["sendChannel"].as_str()?.split('/').nth(2));
        self.chat = id.expect("a chat has an id").to_owned();
        chat
    }

    /// Joins the chat's topic, or subscribes to its channels. Socket.IO needs neither.
    pub fn join(&mut self) {
        let (topic, role) = (self.topic(), self.role);
        let channels = [format!("{role}/receive"), format!("{role}/terminated"), "ready".to_owned()]
            .map(|event| self.channel(&event));
        match &mut self.client {
            Client::Phoenix(phoenix) => phoenix.join_ok(&topic, json!({"userId": self.id, "role": role})),
            Client::SocketIo(_) => {}
            Client::Bayeux(client) => {
                let count = if role == "teacher" { 3 } else { 2 };
                channels[..count].iter().for_each(|channel| client.ok(subscribe(&client.id, channel)));
            }
        }
    }

    /// Waits for a new chat, joins it and says so.
    pub fn enter(&mut self) -> Value {
        let announcement = self.expect_chat();
        self.join();
        let (topic, role, id) = (self.topic(), self.role, self.id.clone());
        let channel = self.channel(&format!("{role}/joined"));
        match &mut self.client {
            Client::Phoenix(phoenix) => drop(phoenix.push(&topic, &format!("{role}:joined"), json!({}))),
            Client::SocketIo(client) => client.enter(&self.chat, role, id),
            Client::Bayeux(client) => client.ok(publish(&client.id, &channel, json!({"userId": id}))),
        }
        announcement
    }

    /// Sends a message whose payload is this JSON text, and waits for no acknowledgement.
    pub fn send(&mut self, payload: &str) {
        let (topic, role) = (self.topic(), self.role);
        let channel = self.channel(&format!("{role}/send"));
        match &mut self.client {
            Client::Phoenix(phoenix) => drop(phoenix.push_raw(&topic, &format!("{role}:send"), payload)),
            Client::SocketIo(client) => client.say(role, payload),
            Client::Bayeux(client) => client.publish_raw(&channel, payload),
        }
    }

    /// Sends a message with this number and this many bytes of padding.
    pub fn send_number(&mut self, number: u64, padding: usize) {
        let padding = "x".repeat(padding);
        self.send(&json!({"chatId": self.chat, "number": number, "padding": padding}).to_string());
    }

    /// Sends a message and waits for the server's answer. The error is the reason for which it is refused.
    pub fn try_send(&mut self, payload: &Value) -> Result<(), String> {
        let (topic, role, payload) = (self.topic(), self.role, payload.clone());
        let channel = self.channel(&format!("{role}/send"));
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        match &mut self.client {
            Client::Phoenix(phoenix) => {
                let reference = phoenix.push(&topic, &format!("{role}:send"), payload);
                // A message that is accepted has no reply: the heartbeat's is the next then.
                let heartbeat = phoenix.push("phoenix", "heartbeat", json!({}));
                let answer = phoenix.next_but_status();
                if answer.reference == heartbeat {
                    return Ok(());
                }
                assert_eq!((&answer.reference, &answer.payload["status"]), (&reference, &json!("error")));
                assert_eq!(phoenix.next_but_status().reference, heartbeat);
                Err(text(&answer.payload["response"]["reason"]))
            }
            Client::SocketIo(client) => {
                let answer = client.call(&format!("chat:{role}:send"), payload);
                if answer["status"] == "ok" { Ok(()) } else { Err(text(&answer["reason"])) }
            }
            Client::Bayeux(client) => {
                let answer = client.call(publish(&client.id, &channel, payload));
                if answer["successful"] == true {
                    return Ok(());
                }
                // `CODE:CHANNEL:REASON`
                let error = text(&answer["error"]);
                Err(error.split_once(&format!(":{channel}:")).expect("an error of the channel").1.to_owned())
            }
        }
    }

    /// Ends the chat. The end is still to be read, by both sides.
    pub fn terminate(&mut self) {
        let (topic, role) = (self.topic(), self.role);
        let channel = self.channel(&format!("{role}/terminate"));
        match &mut self.client {
            Client::Phoenix(phoenix) => drop(phoenix.push(&topic, "chat:terminate", json!({}))),
            Client::SocketIo(client) => {
                client.emit(&format!("chat:{role}:terminate"), json!({"chatId": self.chat}));
            }
            Client::Bayeux(client) => client.ok(publish(&client.id, &channel, json!({}))),
        }
    }

    /// The next event but statuses and acknowledgements.
    pub fn next_event(&mut self) -> Event {
        loop {
            match self.next() {
                Event::Other | Event::Status(_) => {}
                event => return event,
            }
        }
    }

    #[track_caller]
    pub fn expect(&mut self, expected: Event) {
        assert_eq!(self.next_event(), expected, "{} {}", self.role, self.id);
    }

    /// The next message has this payload: byte for byte where the client sees the bytes. The Bayeux client here parses
    /// batches, and in a body of Engine.IO 3 the server escapes what is not ASCII.
    #[track_caller]
    pub fn expect_message(&mut self, payload: &str) {
        let is_exact = match &self.client {
            Client::Phoenix(_) => true,
            Client::SocketIo(client) => client.revision == 4 || payload.is_ascii(),
            Client::Bayeux(_) => false,
        };
        let event = self.next_event();
        let Event::Message(text) = &event else { panic!("no message but {event:?}") };
        let value = |text| serde_json::from_str::<Value>(text).expect("a payload is JSON");
        assert!(if is_exact { text == payload } else { value(text) == value(payload) }, "{text}");
    }

    /// The next message has this number: none is lost, repeated or out of order.
    #[track_caller]
    pub fn expect_number(&mut self, number: u64) {
        let event = self.next_event();
        let Event::Message(text) = &event else { panic!("{} {}: {event:?}", self.role, self.id) };
        let payload: Value = serde_json::from_str(text).expect("a payload is JSON");
        assert_eq!(payload["number"], number, "{} {}", self.role, self.id);
    }

    /// A teacher on Bayeux has to subscribe to the status; over the other protocols all teachers get it.
    pub fn subscribe_to_status(&mut self) {
        if let Client::Bayeux(client) = &mut self.client {
            client.ok(subscribe(&client.id, "/presence/status"));
        }
    }

    /// Whether the end of the chat has come by the time that the server has handled all that this Phoenix client sent.
    pub fn has_ended(&mut self) -> bool {
        let Client::Phoenix(phoenix) = &mut self.client else {
            panic!("not a Phoenix client");
        };
        let heartbeat = phoenix.push("phoenix", "heartbeat", json!({}));
        let mut has_ended = false;
        loop {
            let frame = phoenix.next_but_status();
            if frame.reference == heartbeat {
                return has_ended;
            }
            has_ended |= frame.event == "chat:terminated";
        }
    }

    /// A client that polls sends a poll whose response is never read.
    pub fn begin_poll(&mut self) {
        match &mut self.client {
            Client::SocketIo(SocketIo { link: socket_io::Link::Polling(session), .. }) => {
                session.begin_poll()
            }
            Client::Bayeux(Bayeux { link: bayeux::Link::Polling { get, .. }, id, .. }) => {
                bayeux::request(get, &json!([connect(id, "long-polling")]));
            }
            _ => {}
        }
    }

    /// The next event.
    pub fn next(&mut self) -> Event {
        match &mut self.client {
            Client::Phoenix(phoenix) => {
                let frame = phoenix.next();
                match frame.payload["status"] == "error" {
                    true => Event::Refused(frame.text),
                    false => event(&frame.event, &frame.payload, || frame.payload_text().to_owned()),
                }
            }
            Client::SocketIo(client) => next_of_socket_io(client),
            Client::Bayeux(client) => {
                let message = client.next();
                if message["successful"] == false {
                    return Event::Refused(message.to_string());
                }
                let channel = message["channel"].as_str().expect("a channel").replace('/', ":");
                event(&channel, &message["data"], || message["data"].to_string())
            }
        }
    }

    /// Goes offline as its protocol has it, and closes the connection.
    pub fn leave(mut self) {
        match &mut self.client {
            Client::Bayeux(client) => {
                client.ok(json!({"channel": "/meta/disconnect", "clientId": client.id}));
            }
            Client::SocketIo(SocketIo { link: socket_io::Link::Polling(session), .. }) => {
                session.post_ok(&["1"])
            }
            _ => {}
        }
    }
}

/// The teacher claims, which gives it this student if no other is in the queue, and both enter the chat. Returns what
/// announced the chat to each.
pub fn begin(teacher: &mut User, student: &mut User) -> [Value; 2] {
    teacher.claim();
    let announcements = [teacher.enter(), student.enter()];
    assert_eq!(teacher.chat, student.chat);
    teacher.expect(Event::Ready);
    // As in the original servers, `ready` goes to both sides over Phoenix and to the teacher over the others.
    if matches!(student.client, Client::Phoenix(_)) {
        student.expect(Event::Ready);
    }
    announcements
}

/// The names differ little: `new:chat`, `presence:new_chat:teacher:1`, `student:receive`, `chat:ID:terminated`.
fn event(name: &str, payload: &Value, text: impl Fn() -> String) -> Event {
    match () {
        // The acknowledgement of a subscription, a publication or a push.
        () if payload.is_null() || name == "phx_reply" => Event::Other,
        () if name.contains("new:chat") || name.contains("new_chat") => Event::NewChat(payload.clone()),
        () if name.ends_with(":status") => Event::Status(payload.clone()),
        () if name.ends_with(":receive") => Event::Message(text()),
        () if name.ends_with(":ready") && *payload == json!({}) => Event::Ready,
        () if name.ends_with(":terminated") && *payload == json!({}) => Event::Terminated,
        () => Event::Other,
    }
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
    let name = arguments[0].as_str().expect("a name");
    let payload = text.strip_prefix(&format!("[\"{name}\",")).and_then(|text| text.strip_suffix(']'));
    event(name, &arguments[1], || payload.expect("an event and its payload").to_owned())
}
