//! A client split into a sender and a receiver, so that both go as fast as the server does.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use serde_json::json;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use crate::support::bayeux::{Bayeux, Link};
use crate::support::bayeux::{batch, connect};
use crate::support::phoenix::Version::V1;
use crate::support::raw::{Response, frame, read_response, read_to_end};
use crate::support::socket_io::{self, SocketIo, encode, request};
use crate::support::user::{Client, User};

/// Sends numbered messages.
pub struct Sender {
    stream: TcpStream,
    /// The bytes of a message: a frame, or a request.
    message: Box<dyn Fn(u64) -> Vec<u8> + Send>,
    is_answered: bool,
}

/// Receives messages.
pub enum Receiver {
    Socket(Box<WebSocket<TcpStream>>),
    /// Polls one after the other, with the same request.
    Polls {
        stream: TcpStream,
        poll: Vec<u8>,
    },
}

/// Splits the client of a user who is in a chat.
pub fn split(user: User) -> (Sender, Receiver) {
    let text = text(&user);
    match user.client {
        Client::Phoenix(phoenix) => over_socket(phoenix.socket, text),
        Client::SocketIo(SocketIo { link: socket_io::Link::Socket(socket), .. }) => {
            over_socket(*socket, text)
        }
        Client::Bayeux(Bayeux { link: Link::Socket(socket), .. }) => over_socket(socket.0, text),
        Client::SocketIo(SocketIo { link: socket_io::Link::Polling(session), revision, .. }) => {
            let path = session.path();
            let poll = request("GET", &path, "", "");
            let post = move |text: &str| request("POST", &path, "", &encode(revision, &[text]));
            over_polls(session.get, poll, session.post, move |number| post(&text(number)))
        }
        Client::Bayeux(Bayeux { link: Link::Polling { get, post }, id, .. }) => {
            let poll = batch(&json!([connect(&id, "long-polling")]).to_string());
            over_polls(get, poll, post, move |number| batch(&text(number)))
        }
    }
}

fn over_socket(
    socket: WebSocket<TcpStream>,
    text: impl Fn(u64) -> String + Send + 'static,
) -> (Sender, Receiver) {
    let stream = socket.get_ref().try_clone().unwrap();
    let message = Box::new(move |number| frame(0x81, text(number).as_bytes()));
    (Sender { stream, message, is_answered: false }, Receiver::Socket(Box::new(socket)))
}

fn over_polls(
    get: TcpStream,
    poll: String,
    post: TcpStream,
    request: impl Fn(u64) -> String + Send + 'static,
) -> (Sender, Receiver) {
    let message = Box::new(move |number| request(number).into_bytes());
    let sender = Sender { stream: post, message, is_answered: true };
    (sender, Receiver::Polls { stream: get, poll: poll.into_bytes() })
}

/// The text of a message, over any transport.
fn text(user: &User) -> impl Fn(u64) -> String + Send + use<> {
    let (chat, role) = (&user.chat, user.role);
    let (before, after) = match &user.client {
        Client::Phoenix(phoenix) if phoenix.version == V1 => {
            (format!(r#"{{"topic":"chats:{chat}","event":"{role}:send","ref":null,"payload":"#), "}")
        }
        Client::Phoenix(_) => (format!(r#"[null,null,"chats:{chat}","{role}:send","#), "]"),
        Client::SocketIo(_) => (format!(r#"42["chat:{role}:send","#), "]"),
        Client::Bayeux(client) => {
            let id = &client.id;
            (format!(r#"[{{"channel":"/chat/{chat}/{role}/send","clientId":"{id}","data":"#), "}]")
        }
    };
    let chat = chat.clone();
    move |number| format!(r#"{before}{{"chatId":"{chat}","number":{number}}}{after}"#)
}

impl Sender {
    /// Sends a message, and takes its answer if there is one. False: the server has closed.
    pub fn send(&mut self, number: u64) -> bool {
        let is_sent = self.stream.write_all(&(self.message)(number)).is_ok();
        is_sent && (!self.is_answered || response(&mut self.stream).is_some())
    }
}

impl Receiver {
    /// The numbers of the messages that come next. At the end, which has to be one that the protocol knows, there
    /// are none.
    pub fn next(&mut self) -> Option<Vec<u64>> {
        match self {
            Receiver::Socket(socket) => match socket.read() {
                Ok(Message::Text(text)) => Some(numbers(&text)),
                Ok(Message::Close(frame)) => {
                    assert_eq!(frame.map(|frame| frame.code), Some(CloseCode::Away));
                    let after = socket.read();
                    assert!(
                        matches!(after, Err(Error::ConnectionClosed)),
                        "after the close frame: {after:?}"
                    );
                    let _ = socket.get_ref().shutdown(Shutdown::Both);
                    None
                }
                other => panic!("no close frame but {other:?}"),
            },
            Receiver::Polls { stream, poll } => {
                // Whether the server still reads shows in its response.
                let _ = stream.write_all(poll);
                response(stream).map(|response| numbers(&response.body))
            }
        }
    }
}

/// The next response, which has to be whole, unless the server is gone or says that nothing follows.
fn response(stream: &mut TcpStream) -> Option<Response> {
    if !matches!(stream.peek(&mut [0]), Ok(1)) {
        return None;
    }
    let response = read_response(stream);
    if response.header("connection") == Some("close") {
        assert_eq!(read_to_end(stream), b"", "after the last response");
    }
    Some(response)
}

/// The numbers of messages, of any protocol.
fn numbers(text: &str) -> Vec<u64> {
    let number = |rest: &str| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    text.split(r#""number":"#).skip(1).filter_map(number).collect()
}
