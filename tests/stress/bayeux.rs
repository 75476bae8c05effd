//! A Bayeux client that keeps its connections, where those of other tests open one for each request.

use std::collections::VecDeque;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::bayeux::{self, connect, publish, subscribe};

/// A client, and what has come for it.
pub struct Bayeux {
    pub id: String,
    pub link: Link,
    inbox: VecDeque<Value>,
    sent: u64,
}

pub enum Link {
    Socket(Box<bayeux::Socket>),
    /// For the connects, which are held, and for what is said meanwhile.
    Polling {
        get: TcpStream,
        post: TcpStream,
    },
}

impl Bayeux {
    /// A client with a user who is on line, and hears of new chats.
    pub fn user(server: &Server, is_socket: bool, role: &str, id: u64) -> Bayeux {
        let handshake = json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]}]);
        let (reply, link) = if is_socket {
            let mut socket = bayeux::Socket::open(server);
            socket.send(handshake);
            (socket.next(), Link::Socket(Box::new(socket)))
        } else {
            let (get, mut post) = (server.connect(), server.connect());
            bayeux::request(&mut post, &handshake);
            (bayeux::answer(&mut post), Link::Polling { get, post })
        };
        let client = reply[0]["clientId"].as_str().expect("a clientId").to_owned();
        let mut bayeux = Bayeux { id: client, link, inbox: VecDeque::new(), sent: 0 };
        if let Link::Socket(socket) = &mut bayeux.link {
            socket.send(json!([connect(&bayeux.id, "websocket")]));
        }
        bayeux.ok(subscribe(&bayeux.id, &format!("/presence/new_chat/{role}/{id}")));
        bayeux.ok(publish(
            &bayeux.id,
            &format!("/presence/{role}/connect"),
            json!({"userId": id, "role": role}),
        ));
        bayeux
    }

    /// Sends a message and waits until it is acknowledged.
    pub fn ok(&mut self, message: Value) {
        let id = self.send(message);
        loop {
            if let Some(answer) = self.inbox.iter().find(|message| message["id"] == id) {
                return assert_eq!(answer["successful"], true, "{answer}");
            }
            self.receive();
        }
    }

    /// Sends a message under an id of its own.
    pub fn send(&mut self, mut message: Value) -> Value {
        self.sent += 1;
        message["id"] = json!(self.sent);
        match &mut self.link {
            Link::Socket(socket) => socket.send(json!([message])),
            Link::Polling { post, .. } => {
                bayeux::request(post, &json!([message]));
                let answer = bayeux::answer(post);
                self.take(answer);
            }
        }
        message["id"].take()
    }

    pub fn next(&mut self) -> Value {
        loop {
            if let Some(message) = self.inbox.pop_front() {
                return message;
            }
            self.receive();
        }
    }

    /// Waits for what comes next.
    fn receive(&mut self) {
        let messages = match &mut self.link {
            Link::Socket(socket) => socket.next(),
            Link::Polling { get, .. } => {
                bayeux::request(get, &json!([connect(&self.id, "long-polling")]));
                bayeux::answer(get)
            }
        };
        self.take(messages);
    }

    fn take(&mut self, messages: Value) {
        let Value::Array(messages) = messages else { panic!("not a batch: {messages}") };
        for message in messages {
            if let Link::Socket(socket) = &mut self.link
                && message["channel"] == "/meta/connect"
            {
                socket.send(json!([connect(&self.id, "websocket")]));
            }
            self.inbox.push_back(message);
        }
    }
}
