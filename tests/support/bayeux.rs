//! A Bayeux client that sends exactly what a test asks for, over HTTP and WebSocket.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket, client};

use super::Server;
use super::raw::{Response, read_response};

/// What a successful handshake or connect advises.
pub fn retry() -> Value {
    json!({"reconnect": "retry", "interval": 0, "timeout": 45000})
}

/// Sends a batch on a fresh connection, whose answer is still to be read.
pub fn send(server: &Server, batch: &Value) -> TcpStream {
    let mut stream = server.connect();
    request(&mut stream, batch);
    stream
}

/// Sends a batch on a connection, whose answer is still to be read.
pub fn request(stream: &mut TcpStream, batch: &Value) {
    stream.write_all(self::batch(&batch.to_string()).as_bytes()).unwrap();
}

/// The request that carries a batch.
pub fn batch(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /faye HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The answer to a batch: its replies, and the messages that came along.
pub fn answer(stream: &mut TcpStream) -> Value {
    let response: Response = read_response(stream);
    assert_eq!(response.status, 200, "{response:?}");
    serde_json::from_str(&response.body).expect("an answer is JSON")
}

/// Sends a batch and reads its answer.
pub fn post(server: &Server, batch: Value) -> Value {
    answer(&mut send(server, &batch))
}

pub fn handshake_message() -> Value {
    json!({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]})
}

/// Shakes hands, and returns the clientId.
pub fn handshake(server: &Server) -> String {
    post(server, json!([handshake_message()]))[0]["clientId"].as_str().expect("a clientId").to_owned()
}

pub fn connect(client: &str, kind: &str) -> Value {
    json!({"channel": "/meta/connect", "clientId": client, "connectionType": kind, "id": "c"})
}

/// A connect that is answered at once.
pub fn connect_now(client: &str) -> Value {
    let mut message = connect(client, "long-polling");
    message["advice"] = json!({"timeout": 0});
    message
}

pub fn subscribe(client: &str, channel: &str) -> Value {
    json!({"channel": "/meta/subscribe", "clientId": client, "subscription": channel, "id": "s"})
}

pub fn publish(client: &str, channel: &str, data: Value) -> Value {
    json!({"channel": channel, "clientId": client, "data": data, "id": "p"})
}

/// Sends one message of a client's over HTTP that has to succeed.
pub fn ok(server: &Server, message: Value) {
    let replies = post(server, json!([message]));
    assert_eq!(replies[0]["successful"], true, "{replies}");
}

/// Sends one message that has to fail, and returns the error.
pub fn error(server: &Server, message: Value) -> String {
    let replies = post(server, json!([message]));
    assert_eq!(replies[0]["successful"], false, "{replies}");
    replies[0]["error"].as_str().expect("an error").to_owned()
}

/// A client with a user who is online and subscribed to new chats.
pub fn user(server: &Server, role: &str, id: u64) -> String {
    let client = handshake(server);
    ok(server, subscribe(&client, &format!("/presence/new_chat/{role}/{id}")));
    ok(server, publish(&client, &format!("/presence/{role}/connect"), json!({"userId": id, "role": role})));
    client
}

/// A teacher and a student on clients of their own, in a chat that both have entered and listen to; returns
/// the clients and the beginning of the chat's channels. No message waits for either.
pub fn chat(server: &Server, teacher_id: u64, student_id: u64) -> (String, String, String) {
    let teacher = user(server, "teacher", teacher_id);
    let student = user(server, "student", student_id);
    ok(server, publish(&teacher, "/presence/claim_student", json!({"teacherId": teacher_id})));
    let ready = post(server, connect_now(&teacher))[1]["data"]["readyChannel"].clone();
    let chat = ready.as_str().expect("a new chat").trim_end_matches("/ready").to_owned();
    assert_eq!(post(server, connect_now(&student))[1]["data"]["sendChannel"], format!("{chat}/student/send"));
    for (client, role, id) in [(&teacher, "teacher", teacher_id), (&student, "student", student_id)] {
        ok(server, subscribe(client, &format!("{chat}/{role}/receive")));
        ok(server, subscribe(client, &format!("{chat}/{role}/terminated")));
        ok(server, publish(client, &format!("{chat}/{role}/joined"), json!({"userId": id})));
    }
    (teacher, student, chat)
}

/// A WebSocket to `/faye`.
pub struct Socket(pub WebSocket<TcpStream>);

impl Socket {
    pub fn open(server: &Server) -> Socket {
        let url = format!("ws://{}/faye", server.address);
        Socket(client(url, server.connect()).expect("the upgrade is accepted").0)
    }

    /// A socket that a client is bound to: what waited for the client is still to be read.
    pub fn bound(server: &Server, client: &str) -> Socket {
        let mut socket = Socket::open(server);
        socket.send(json!([connect(client, "websocket")]));
        socket
    }

    pub fn send(&mut self, batch: Value) {
        self.send_text(&batch.to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).expect("the socket takes a frame");
    }

    /// The next frame.
    pub fn next(&mut self) -> Value {
        self.try_next().expect("a text frame, and not a close")
    }

    /// The next frame, `None` if it closes the socket.
    pub fn try_next(&mut self) -> Option<Value> {
        match self.0.read().expect("a frame comes") {
            Message::Text(text) => Some(serde_json::from_str(&text).expect("a frame is JSON")),
            Message::Close(_) => None,
            other => panic!("neither text nor a close: {other:?}"),
        }
    }

    /// Everything that was sent has been dealt with, and nothing comes but the heartbeat's echo.
    pub fn settle(&mut self) {
        self.send_text("[]");
        assert_eq!(self.next(), json!([]));
    }

    pub fn expect_close(&mut self, code: CloseCode) {
        match self.0.read() {
            Ok(Message::Close(frame)) => assert_eq!(frame.map(|frame| frame.code), Some(code)),
            other => panic!("no close frame: {other:?}"),
        }
    }
}

/// A client that keeps its connections, where the functions above open one for each request.
pub struct Bayeux {
    pub id: String,
    pub link: Link,
    inbox: VecDeque<Value>,
    sent: u64,
}

pub enum Link {
    Socket(Box<Socket>),
    /// A connection for the connects, which are held, and one for the other messages.
    Polling {
        get: TcpStream,
        post: TcpStream,
    },
}

impl Bayeux {
    /// A client with a user who is online and subscribed to new chats.
    pub fn user(server: &Server, is_socket: bool, role: &str, id: &Value) -> Bayeux {
        let handshake = json!([handshake_message()]);
        let (reply, link) = if is_socket {
            let mut socket = Socket::open(server);
            socket.send(handshake);
            (socket.next(), Link::Socket(Box::new(socket)))
        } else {
            let (get, mut post) = (server.connect(), server.connect());
            request(&mut post, &handshake);
            (answer(&mut post), Link::Polling { get, post })
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
        let answer = self.call(message);
        assert_eq!(answer["successful"], true, "{answer}");
    }

    /// Sends a message and returns its acknowledgement.
    pub fn call(&mut self, message: Value) -> Value {
        let id = self.send(message);
        loop {
            if let Some(index) = self.inbox.iter().position(|message| message["id"] == id) {
                return self.inbox.remove(index).expect("it is there");
            }
            self.receive();
        }
    }

    /// Sends a message under an id of its own.
    pub fn send(&mut self, mut message: Value) -> Value {
        self.sent += 1;
        message["id"] = json!(self.sent);
        self.send_text(&json!([message]).to_string());
        message["id"].take()
    }

    /// Publishes this JSON text.
    pub fn publish_raw(&mut self, channel: &str, data: &str) {
        let id = &self.id;
        self.send_text(&format!(r#"[{{"channel":"{channel}","clientId":"{id}","data":{data},"id":"p"}}]"#));
    }

    fn send_text(&mut self, text: &str) {
        match &mut self.link {
            Link::Socket(socket) => socket.send_text(text),
            Link::Polling { post, .. } => {
                post.write_all(batch(text).as_bytes()).unwrap();
                let answer = answer(post);
                self.take(answer);
            }
        }
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
                request(get, &json!([connect(&self.id, "long-polling")]));
                answer(get)
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
