//! Messages to a Phoenix user who has not joined the chat's topic yet: kept until the join and delivered right
//! behind its answer, refused when there is no more room, and gone with the chat.

use crate::support;

use serde_json::{Value, json};
use support::Server;
use support::bayeux;
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, Version, student_topic};
use support::socket_io::{SocketIo, WAYS};

const HISTORY: usize = 300;
/// What the history takes beside a message.
const HEADER: usize = 13;
const FULL: &str = "the other side has not joined yet, and no more is kept for it";

/// The other user of the chat, in any protocol.
enum Sender {
    Phoenix(Phoenix),
    SocketIo(SocketIo),
    /// By its clientId.
    Bayeux(String),
}

const SENDERS: usize = 7;

impl Sender {
    fn connect(server: &Server, index: usize, role: &str, id: u64) -> Sender {
        let way = index.checked_sub(2).and_then(|index| WAYS.get(index));
        match (index, way, role) {
            (0 | 1, _, "teacher") => Sender::Phoenix(Phoenix::teacher(server, [V1, V2][index], id)),
            (0 | 1, ..) => {
                let mut student = Phoenix::student(server, [V1, V2][index], id);
                student.settle();
                Sender::Phoenix(student)
            }
            (_, Some(&way), "teacher") => Sender::SocketIo(SocketIo::teacher(server, way, id)),
            (_, Some(&way), _) => Sender::SocketIo(SocketIo::student(server, way, id)),
            (_, None, _) => Sender::Bayeux(bayeux::user(server, role, id)),
        }
    }

    fn claim(&mut self, server: &Server, id: u64) {
        let claim = json!({"teacherId": id});
        match self {
            Sender::Phoenix(phoenix) => phoenix.claim(id),
            Sender::SocketIo(socket_io) => socket_io.emit("presence:claim_student", claim),
            Sender::Bayeux(client) => {
                bayeux::ok(server, bayeux::publish(client, "/presence/claim_student", claim));
            }
        }
    }

    /// Is told of the chat, and joins it if that is how its protocol has it.
    fn join(&mut self, chat: &str, role: &str, id: u64) {
        match self {
            Sender::Phoenix(phoenix) => {
                let (topic, event) = match role {
                    "teacher" => ("presence:teachers".to_owned(), format!("new:chat:{id}")),
                    _ => (student_topic(&json!(id)), "new:chat".to_owned()),
                };
                phoenix.expect(&topic, &event);
                phoenix.join_ok(&format!("chats:{chat}"), json!({"userId": id, "role": role}));
            }
            Sender::SocketIo(socket_io) => {
                socket_io.expect(&format!("presence:new_chat:{role}:{id}"));
            }
            Sender::Bayeux(_) => {}
        }
    }

    /// Sends a message; the error is the reason why it is refused.
    fn send(&mut self, server: &Server, chat: &str, role: &str, payload: &Value) -> Result<(), String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        match self {
            Sender::Phoenix(phoenix) => {
                let topic = format!("chats:{chat}");
                let reference = phoenix.push(&topic, &format!("{role}:send"), payload.clone());
                let heartbeat = phoenix.push("phoenix", "heartbeat", json!({}));
                let answer = phoenix.next_but_status();
                if answer.reference == heartbeat {
                    return Ok(());
                }
                assert_eq!((&answer.reference, &answer.payload["status"]), (&reference, &json!("error")));
                assert_eq!(phoenix.next_but_status().reference, heartbeat);
                Err(text(&answer.payload["response"]["reason"]))
            }
            Sender::SocketIo(socket_io) => {
                let answer = socket_io.call(&format!("chat:{role}:send"), payload.clone());
                if answer["status"] == "ok" { Ok(()) } else { Err(text(&answer["reason"])) }
            }
            Sender::Bayeux(client) => {
                let channel = format!("/chat/{chat}/{role}/send");
                let message = bayeux::publish(client, &channel, payload.clone());
                let replies = bayeux::post(server, json!([message]));
                if replies[0]["successful"] == true {
                    return Ok(());
                }
                let error = text(&replies[0]["error"]);
                Err(error.strip_prefix(&format!("400:{channel}:")).expect("an error of the channel").into())
            }
        }
    }

    fn terminate(&mut self, server: &Server, chat: &str, role: &str) {
        match self {
            Sender::Phoenix(phoenix) => {
                let topic = format!("chats:{chat}");
                phoenix.push(&topic, "chat:terminate", json!({}));
                phoenix.expect(&topic, "chat:terminated");
            }
            Sender::SocketIo(socket_io) => {
                socket_io.emit(&format!("chat:{role}:terminate"), json!({"chatId": chat}));
                socket_io.expect(&format!("chat:{chat}:{role}:terminated"));
            }
            Sender::Bayeux(client) => {
                let channel = format!("/chat/{chat}/{role}/terminate");
                bayeux::ok(server, bayeux::publish(client, &channel, json!({})));
            }
        }
    }
}

/// A chat that the sender has joined, and the Phoenix user on the other side has not.
struct Talk {
    server: Server,
    sender: Sender,
    recipient: Phoenix,
    /// The recipient's role, and the sender's.
    roles: [&'static str; 2],
    chat: String,
}

const RECIPIENT: u64 = 1;
const SENDER: u64 = 2;

impl Talk {
    fn begin(version: Version, index: usize, roles: [&'static str; 2]) -> Talk {
        let server = Server::start(&["--chat-history", &HISTORY.to_string()]);
        let (sender, recipient) = if roles[0] == "student" {
            let mut recipient = Phoenix::student(&server, version, RECIPIENT);
            recipient.settle();
            (Sender::connect(&server, index, "teacher", SENDER), recipient)
        } else {
            let sender = Sender::connect(&server, index, "student", SENDER);
            (sender, Phoenix::teacher(&server, version, RECIPIENT))
        };
        let mut talk = Talk { server, sender, recipient, roles, chat: String::new() };
        talk.claim();
        talk
    }

    fn claim(&mut self) {
        let (topic, event) = if self.roles[0] == "student" {
            self.sender.claim(&self.server, SENDER);
            (student_topic(&json!(RECIPIENT)), "new:chat".to_owned())
        } else {
            self.recipient.claim(RECIPIENT);
            ("presence:teachers".to_owned(), format!("new:chat:{RECIPIENT}"))
        };
        self.chat = self.recipient.expect(&topic, &event)["id"].as_str().unwrap().to_owned();
        self.sender.join(&self.chat, self.roles[1], SENDER);
    }

    fn topic(&self) -> String {
        format!("chats:{}", self.chat)
    }

    fn as_recipient(&self) -> Value {
        json!({"userId": RECIPIENT, "role": self.roles[0]})
    }

    /// A message of so many bytes, which Socket.IO takes too.
    fn message(&self, name: &str, length: usize) -> Value {
        let bare = json!({"chatId": self.chat, "name": name, "padding": ""}).to_string().len();
        json!({"chatId": self.chat, "name": name, "padding": "x".repeat(length - bare)})
    }

    fn send(&mut self, message: &Value) -> Result<(), String> {
        self.sender.send(&self.server, &self.chat, self.roles[1], message)
    }

    /// The join is answered, and then come these, and nothing else.
    fn join(&mut self, messages: &[&Value]) {
        let (topic, payload) = (self.topic(), self.as_recipient());
        if self.recipient.version == V1 {
            self.recipient.join_ok(&topic, payload);
        } else {
            self.recipient.send_text(json!(["j", "j", topic, "phx_join", payload]).to_string());
            let mut frame = self.recipient.next_but_status();
            if frame.event == "phx_close" {
                frame = self.recipient.next_but_status();
            }
            assert_eq!((&*frame.event, &frame.join_ref), ("phx_reply", &json!("j")), "{}", frame.text);
        }
        for message in messages {
            self.receive(message);
        }
        self.recipient.settle();
    }

    fn receive(&mut self, message: &Value) {
        let frame = self.recipient.next_but_status();
        let event = format!("{}:receive", self.roles[0]);
        assert_eq!((&frame.topic, &frame.event), (&self.topic(), &event), "{}", frame.text);
        assert_eq!(frame.payload, *message);
        let join_ref = if self.recipient.version == V1 { Value::Null } else { json!("j") };
        assert_eq!(frame.join_ref, join_ref);
    }
}

/// Every sender's protocol and transport, to either version of Phoenix, in either role.
fn all(check: impl Fn(Talk)) {
    for index in 0..SENDERS {
        for version in [V1, V2] {
            for roles in [["student", "teacher"], ["teacher", "student"]] {
                check(Talk::begin(version, index, roles));
            }
        }
    }
}

#[test]
fn what_is_sent_before_the_join_comes_with_it_once_and_in_order() {
    all(|mut talk| {
        let messages = ["1", "2", "3"].map(|name| talk.message(name, 80));
        for message in &messages {
            assert_eq!(talk.send(message), Ok(()));
        }
        talk.recipient.settle();
        assert_eq!(talk.server.snapshot()["chats"]["active"][0]["message_count"], 3);
        talk.join(&messages.each_ref());
        let fourth = talk.message("4", 80);
        assert_eq!(talk.send(&fourth), Ok(()));
        talk.receive(&fourth);
        talk.join(&[]);
        assert_eq!(talk.server.snapshot()["chats"]["active"][0]["message_count"], 4);
    });
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_lost_for_it() {
    all(|mut talk| {
        let first = talk.message("first", 100);
        assert_eq!(talk.send(&first), Ok(()));
        let room = HISTORY - (HEADER + 100) - HEADER;
        let too_long = talk.message("too long", room + 1);
        assert_eq!(talk.send(&too_long), Err(FULL.into()));
        let last = talk.message("last", room);
        assert_eq!(talk.send(&last), Ok(()));
        let short = talk.message("short", 80);
        assert_eq!(talk.send(&short), Err(FULL.into()));
        talk.recipient.settle();
        assert_eq!(talk.server.snapshot()["chats"]["active"][0]["message_count"], 2);
        talk.join(&[&first, &last]);
        for message in [&short, &too_long, &talk.message("longer than the history", HISTORY + 1)] {
            assert_eq!(talk.send(message), Ok(()));
            talk.receive(message);
        }
    });
}

#[test]
fn what_is_kept_goes_with_the_chat() {
    all(|mut talk| {
        let message = talk.message("lost", 80);
        assert_eq!(talk.send(&message), Ok(()));
        talk.sender.terminate(&talk.server, &talk.chat, talk.roles[1]);
        let (topic, payload) = (talk.topic(), talk.as_recipient());
        assert_eq!(talk.recipient.refused(&topic, "phx_join", payload), "unknown chat");
        talk.recipient.settle();
    });
}

#[test]
fn who_is_both_sides_gets_what_was_sent_to_each_with_its_join() {
    for version in [V1, V2] {
        let server = Server::start(&[]);
        let mut both = Phoenix::student(&server, version, 1);
        both.join_ok("presence:teachers", json!({"userId": 1, "role": "teacher"}));
        both.claim(1);
        let chat = both.expect("presence:teachers", "new:chat:1");
        both.expect("presence:student:1", "new:chat");
        let topic = format!("chats:{}", chat["id"].as_str().unwrap());
        both.join_ok(&topic, json!({"userId": 1, "role": "teacher"}));
        for (sent, role) in [("teacher", "student"), ("student", "teacher"), ("teacher", "student")] {
            both.push(&topic, &format!("{sent}:send"), json!({"from": sent}));
            both.settle();
            let reference = both.push(&topic, "phx_join", json!({"userId": 1, "role": role}));
            if version == V2 {
                both.expect(&topic, "phx_close");
            }
            assert_eq!(both.next_but_status().reference, reference);
            assert_eq!(both.expect(&topic, &format!("{role}:receive")), json!({"from": sent}));
        }
        both.settle();
    }
}
