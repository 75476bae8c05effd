//! Messages to a Phoenix user who has not joined the chat's topic yet: kept until the join and delivered right
//! behind its answer, refused when the history is full, and gone with the chat.

use crate::support;

use serde_json::{Value, json};
use support::Server;
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, Version, student_topic};
use support::user::{CLIENT_KINDS, ClientKind, Event, User};

const HISTORY: usize = 300;
/// What the history takes beside a message.
const HEADER: usize = 13;
const FULL: &str = "the other side has not joined yet, and no more is kept for it";

/// A chat that the sender has joined, and the Phoenix user on the other side has not.
struct LateJoin {
    server: Server,
    sender: User,
    recipient: Phoenix,
    /// The recipient's role, and the sender's.
    roles: [&'static str; 2],
    chat: String,
}

const RECIPIENT: u64 = 1;
const SENDER: u64 = 2;

impl LateJoin {
    fn begin(version: Version, kind: ClientKind, roles: [&'static str; 2]) -> LateJoin {
        let server = Server::start(&["--chat-history", &HISTORY.to_string()]);
        let (sender, recipient) = if roles[0] == "student" {
            let mut recipient = Phoenix::student(&server, version, RECIPIENT);
            recipient.settle();
            (User::teacher(&server, kind, SENDER), recipient)
        } else {
            let sender = User::student(&server, kind, SENDER);
            (sender, Phoenix::teacher(&server, version, RECIPIENT))
        };
        let mut it = LateJoin { server, sender, recipient, roles, chat: String::new() };
        it.claim();
        it
    }

    fn claim(&mut self) {
        let (topic, event) = if self.roles[0] == "student" {
            self.sender.claim();
            (student_topic(&json!(RECIPIENT)), "new:chat".to_owned())
        } else {
            self.recipient.claim(RECIPIENT);
            ("presence:teachers".to_owned(), format!("new:chat:{RECIPIENT}"))
        };
        self.chat = self.recipient.expect(&topic, &event)["id"].as_str().unwrap().to_owned();
        self.sender.expect_chat();
        self.sender.join();
    }

    fn topic(&self) -> String {
        format!("chats:{}", self.chat)
    }

    fn as_recipient(&self) -> Value {
        json!({"userId": RECIPIENT, "role": self.roles[0]})
    }

    /// A message of this many bytes that Socket.IO accepts too.
    fn message(&self, name: &str, length: usize) -> Value {
        let bare = json!({"chatId": self.chat, "name": name, "padding": ""}).to_string().len();
        json!({"chatId": self.chat, "name": name, "padding": "x".repeat(length - bare)})
    }

    fn send(&mut self, message: &Value) -> Result<(), String> {
        self.sender.try_send(message)
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
fn all(check: impl Fn(LateJoin)) {
    for kind in CLIENT_KINDS {
        for version in [V1, V2] {
            for roles in [["student", "teacher"], ["teacher", "student"]] {
                check(LateJoin::begin(version, kind, roles));
            }
        }
    }
}

#[test]
fn messages_before_the_join_come_with_it_once_and_in_order() {
    all(|mut it| {
        let messages = ["1", "2", "3"].map(|name| it.message(name, 80));
        for message in &messages {
            assert_eq!(it.send(message), Ok(()));
        }
        it.recipient.settle();
        assert_eq!(it.server.snapshot()["chats"]["active"][0]["message_count"], 3);
        it.join(&messages.each_ref());
        let fourth = it.message("4", 80);
        assert_eq!(it.send(&fourth), Ok(()));
        it.receive(&fourth);
        it.join(&[]);
        assert_eq!(it.server.snapshot()["chats"]["active"][0]["message_count"], 4);
    });
}

#[test]
fn a_message_that_does_not_fit_is_refused_and_no_other_is_lost() {
    all(|mut it| {
        let first = it.message("first", 100);
        assert_eq!(it.send(&first), Ok(()));
        let free = HISTORY - (HEADER + 100) - HEADER;
        let too_long = it.message("too long", free + 1);
        assert_eq!(it.send(&too_long), Err(FULL.into()));
        let last = it.message("last", free);
        assert_eq!(it.send(&last), Ok(()));
        let short = it.message("short", 80);
        assert_eq!(it.send(&short), Err(FULL.into()));
        it.recipient.settle();
        assert_eq!(it.server.snapshot()["chats"]["active"][0]["message_count"], 2);
        it.join(&[&first, &last]);
        for message in [&short, &too_long, &it.message("longer than the history", HISTORY + 1)] {
            assert_eq!(it.send(message), Ok(()));
            it.receive(message);
        }
    });
}

#[test]
fn kept_messages_are_discarded_with_the_chat() {
    all(|mut it| {
        let message = it.message("lost", 80);
        assert_eq!(it.send(&message), Ok(()));
        it.sender.terminate();
        it.sender.expect(Event::Terminated);
        let (topic, payload) = (it.topic(), it.as_recipient());
        assert_eq!(it.recipient.refused(&topic, "phx_join", payload), "unknown chat");
        it.recipient.settle();
    });
}

#[test]
fn a_client_that_is_both_sides_gets_the_messages_of_each_with_its_join() {
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
