//! A Bayeux client that says exactly what it is told, over HTTP and WebSocket.

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

/// Shakes hands, and returns the clientId.
pub fn handshake(server: &Server) -> String {
    let message =
        json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]}]);
    post(server, message)[0]["clientId"].as_str().expect("a clientId").to_owned()
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

/// A client with a user who is on line, and hears of new chats.
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
