//! The server is told to stop while everybody talks as fast as they can.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use crate::bayeux::{Bayeux, Link};
use crate::common::phoenix::Version::{V1, V2};
use crate::common::raw::frame;
use crate::common::socket_io::{self, Socket, SocketIo};
use crate::common::wait_until;
use crate::pairs::meet;
use crate::person::{Line, Person, Way};

/// Every protocol that has frames to be cut in half.
const CHATS: [(Way, Way); 4] = [
    (Way::Phoenix(V1), Way::Phoenix(V2)),
    (Way::SocketIo(3, Socket), Way::SocketIo(4, Socket)),
    (Way::BayeuxSocket, Way::BayeuxSocket),
    (Way::BayeuxSocket, Way::Phoenix(V2)),
];
/// Chats of each kind.
const EACH: usize = 4;
/// Messages that each user has received before the signal comes.
const ENOUGH: u64 = 500;
/// Messages that are under way to a user at the most: more and more unread ones would be a reason to cut it off.
const WINDOW: u64 = 200;

/// A user reads to the end: whole frames, messages without a gap and in order, and then the close frame. Each
/// message lets the other one go on. Returns how many messages came.
fn read_to_the_end(mut socket: WebSocket<TcpStream>, heard: &Sender<()>, warm: &AtomicUsize) -> u64 {
    let mut expected = 0;
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                if let Some(number) = number(&text) {
                    assert_eq!(number, expected);
                    expected += 1;
                    warm.fetch_add(usize::from(expected == ENOUGH), Ordering::Relaxed);
                    // The other one may have noticed before that the server is gone.
                    let _ = heard.send(());
                }
            }
            Ok(Message::Close(frame)) => {
                assert_eq!(frame.map(|frame| frame.code), Some(CloseCode::Away));
                break;
            }
            other => panic!("no close frame but {other:?} after {expected} messages"),
        }
    }
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)), "nothing follows the close frame");
    let _ = socket.get_ref().shutdown(Shutdown::Both);
    expected
}

/// The number of a message, of any protocol.
fn number(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(r#""number":"#)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A user sends as fast as the other reads, until there is no other, or no server.
fn send_to_the_end(mut stream: TcpStream, message: impl Fn(u64) -> String, heard_by_other: &Receiver<()>) {
    for number in 0.. {
        if number >= WINDOW && heard_by_other.recv().is_err() {
            return;
        }
        if stream.write_all(&frame(0x81, message(number).as_bytes())).is_err() {
            return;
        }
    }
}

/// What a person's client sends, in a frame, as a message.
fn message(person: &Person) -> impl Fn(u64) -> String + use<> {
    let (chat, role) = (&person.chat, person.role);
    let (before, after) = match &person.line {
        Line::Phoenix(phoenix) if phoenix.version == V1 => {
            (format!(r#"{{"topic":"chats:{chat}","event":"{role}:send","ref":null,"payload":"#), "}")
        }
        Line::Phoenix(_) => (format!(r#"[null,null,"chats:{chat}","{role}:send","#), "]"),
        Line::SocketIo(_) => (format!(r#"42["chat:{role}:send","#), "]"),
        Line::Bayeux(client) => {
            let id = &client.id;
            (format!(r#"[{{"channel":"/chat/{chat}/{role}/send","clientId":"{id}","data":"#), "}]")
        }
    };
    let chat = chat.clone();
    move |number| format!(r#"{before}{{"chatId":"{chat}","number":{number}}}{after}"#)
}

fn socket(person: Person) -> WebSocket<TcpStream> {
    match person.line {
        Line::Phoenix(phoenix) => phoenix.socket,
        Line::SocketIo(SocketIo { link: socket_io::Link::Socket(socket), .. }) => *socket,
        Line::Bayeux(Bayeux { link: Link::Socket(socket), .. }) => socket.0,
        _ => panic!("not a WebSocket"),
    }
}

/// One user's two threads; the one that reads returns how many messages came.
fn talk(
    person: Person,
    (heard, heard_by_other): (Sender<()>, Receiver<()>),
    warm: &Arc<AtomicUsize>,
) -> JoinHandle<u64> {
    let message = message(&person);
    let socket = socket(person);
    let stream = socket.get_ref().try_clone().unwrap();
    let warm = warm.clone();
    thread::spawn(move || send_to_the_end(stream, message, &heard_by_other));
    thread::spawn(move || read_to_the_end(socket, &heard, &warm))
}

#[test]
fn a_server_that_is_told_to_stop_under_full_load_leaves_nothing_half_written() {
    let mut server = crate::start(&["--drain-timeout", "20s"]);
    let chats = CHATS.iter().cycle().zip(1..).take(CHATS.len() * EACH);
    let chats: Vec<_> = chats.map(|(&ways, id)| meet(&server, ways, id)).collect();
    let warm = Arc::new(AtomicUsize::new(0));
    let mut users = Vec::new();
    for (teacher, student) in chats {
        let ((to_teacher, by_student), (to_student, by_teacher)) = (channel(), channel());
        users.push(talk(teacher, (to_student, by_student), &warm));
        users.push(talk(student, (to_teacher, by_teacher), &warm));
    }
    wait_until("everybody talks", || warm.load(Ordering::Relaxed) == users.len());
    let begin = Instant::now();
    server.signal("TERM");
    let count = users.len();
    let messages: u64 = users.into_iter().map(|user| user.join().unwrap()).sum();
    assert_eq!(server.wait_for_exit().code(), Some(0));
    crate::report(
        "SIGTERM under full load",
        format!("{count} users in {} chats, all of whom send as fast as they are read", count / 2),
        format!(
            "{messages} messages relayed without a gap and in order, every stream whole up to its close frame 1001, \
             exit 0 after {:.0?}",
            begin.elapsed()
        ),
    );
}
