//! Batches: each message is answered, in every combination and over every transport, and long ones delay no
//! other client.

use crate::support;

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};
use support::bayeux::{self, Socket, connect, connect_now, handshake, ok, post, publish, subscribe};
use support::metrics::Metrics;
use support::raw::{self, read_response};
use support::{Server, wait_until};

/// What a message of a batch may be.
const KINDS: [&str; 4] = ["connect at once", "connect", "subscribe", "disconnect"];

fn message(kind: &str, client: &str, id: usize) -> Value {
    match kind {
        "connect at once" => {
            json!({"channel": "/meta/connect", "clientId": client, "connectionType": "websocket", "id": id,
                "advice": {"timeout": 0}})
        }
        "connect" => {
            json!({"channel": "/meta/connect", "clientId": client, "connectionType": "websocket", "id": id,
                "advice": {"timeout": 50}})
        }
        "subscribe" => {
            json!({"channel": "/meta/subscribe", "clientId": client, "subscription": "/presence/status", "id": id})
        }
        _ => json!({"channel": "/meta/disconnect", "clientId": client, "id": id}),
    }
}

/// A batch on its way, by transport.
enum Sent {
    Socket(Box<Socket>),
    Post(TcpStream),
    Script(TcpStream),
}

impl Sent {
    fn over(transport: usize, server: &Server, batch: &Value) -> Sent {
        match transport {
            0 => {
                let mut socket = Socket::open(server);
                socket.send(batch.clone());
                Sent::Socket(Box::new(socket))
            }
            1 => Sent::Post(bayeux::send(server, batch)),
            _ => {
                let query: String = batch.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
                let mut stream = server.connect();
                let head = format!("GET /faye?jsonp=f&message={query} HTTP/1.1\r\nHost: x\r\n\r\n");
                stream.write_all(head.as_bytes()).unwrap();
                Sent::Script(stream)
            }
        }
    }

    /// The ids of the replies, as many as are expected.
    fn ids(&mut self, count: usize) -> Vec<Value> {
        let replies = match self {
            Sent::Socket(socket) => {
                let mut replies = Vec::new();
                while replies.len() < count {
                    replies.extend(socket.next().as_array().unwrap().clone());
                }
                replies
            }
            Sent::Post(stream) => bayeux::answer(stream).as_array().unwrap().clone(),
            Sent::Script(stream) => {
                let body = read_response(stream).body;
                let json = body.strip_prefix("/**/f(").and_then(|body| body.strip_suffix(");"));
                serde_json::from_str::<Vec<Value>>(json.expect("a call")).unwrap()
            }
        };
        let mut ids: Vec<_> = replies.into_iter().map(|reply| reply["id"].clone()).collect();
        ids.sort_by_key(Value::as_u64);
        ids
    }
}

#[test]
fn each_message_is_answered() {
    let server = Server::start(&[]);
    let all: Vec<_> = KINDS.into_iter().flat_map(|kind| [(kind, 0), (kind, 1)]).collect();
    let pairs = all.iter().flat_map(|first| all.iter().map(|second| vec![*first, *second]));
    let triples = pairs.clone().flat_map(|pair| all.iter().map(move |third| [&pair[..], &[*third]].concat()));
    let batches: Vec<_> = pairs.chain(triples).collect();
    for transport in 0..3 {
        for batches in batches.chunks(200) {
            let send = |batch: &Vec<(&'static str, usize)>| {
                let clients = [handshake(&server), handshake(&server)];
                let messages = batch.iter().zip(0..);
                let messages: Vec<_> =
                    messages.map(|((kind, client), id)| message(kind, &clients[*client], id)).collect();
                (batch.clone(), Sent::over(transport, &server, &messages.into()))
            };
            for (batch, mut sent) in batches.iter().map(send).collect::<Vec<_>>() {
                let expected: Vec<_> = (0..batch.len()).map(Value::from).collect();
                assert_eq!(sent.ids(batch.len()), expected, "transport {transport}: {batch:?}");
            }
        }
    }
}

/// Whether a connect that is held for client 0 is given up for a newer one, which leaves it without an answer: it is
/// not if its socket goes to client 1, or client 0 disconnects, before.
fn is_superseded(batch: &[(&str, usize)]) -> bool {
    let decisive = batch.iter().find(|message| match message {
        ("subscribe", _) | ("disconnect", 1) => false,
        (_, _) => true,
    });
    decisive.is_some_and(|(kind, client)| kind.starts_with("connect") && *client == 0)
}

#[test]
fn each_message_is_answered_behind_a_batch_that_is_held() {
    let server = Server::start(&[]);
    let all: Vec<_> = KINDS.into_iter().flat_map(|kind| [(kind, 0), (kind, 1)]).collect();
    for batch in all.iter().flat_map(|first| all.iter().map(|second| [*first, *second])) {
        let clients = [handshake(&server), handshake(&server)];
        let mut held = json!([message("subscribe", &clients[0], 0), connect(&clients[0], "websocket")]);
        held[1]["id"] = json!(1);
        let mut socket = Socket::open(&server);
        socket.send(held);
        let messages = batch.iter().zip(2..);
        let messages: Vec<_> =
            messages.map(|((kind, client), id)| message(kind, &clients[*client], id)).collect();
        socket.send(messages.into());
        // Whatever is held then is answered when its client disconnects.
        socket.send_text("[]");
        let mut ids = Vec::new();
        let mut is_open = true;
        let expected: Vec<u64> = (0..4).filter(|id| *id != 1 || !is_superseded(&batch)).collect();
        while is_open && ids.len() < expected.len() {
            match socket.try_next() {
                None => is_open = false,
                Some(replies) if replies == json!([]) => {
                    for client in &clients {
                        post(&server, json!([message("disconnect", client, 4)]));
                    }
                }
                Some(replies) => {
                    ids.extend(replies.as_array().unwrap().iter().filter_map(|reply| reply["id"].as_u64()));
                }
            }
        }
        ids.sort_unstable();
        assert_eq!(ids, expected, "{batch:?}");
    }
}

fn long(client: &str, count: usize) -> Value {
    (0..count).map(|id| message("subscribe", client, id)).collect()
}

#[test]
fn a_batch_of_a_thousand_is_carried_out_in_many_turns() {
    let server = Server::start(&["--max-message-size", "1MiB"]);
    let turns = || Metrics::of(&server).get("mio_chat_loop_turns_total", &[]);
    for transport in 0..2 {
        let client = handshake(&server);
        let before = turns();
        let mut sent = Sent::over(transport, &server, &long(&client, 1000));
        assert_eq!(sent.ids(1000), (0..1000).map(Value::from).collect::<Vec<_>>());
        let took = turns() - before;
        assert!(took >= 60.0, "{took} turns: 16 messages a turn are enough");
    }
}

#[test]
fn a_batch_has_a_thousand_messages_at_the_most() {
    let server = Server::start(&["--max-message-size", "1MiB"]);
    let client = handshake(&server);
    let mut stream = bayeux::send(&server, &long(&client, 1001));
    assert_eq!(read_response(&mut stream).status, 400);
    let mut socket = Socket::open(&server);
    socket.send(long(&client, 1001));
    socket.expect_close(tungstenite::protocol::frame::coding::CloseCode::Size);
    // None of it was carried out, so such a batch in the name of another client has no effect on it.
    let bad =
        Metrics::of(&server).get("mio_chat_bad_input_total", &[("kind", "too many messages in a batch")]);
    assert_eq!(bad, 2.0);
    bayeux::ok(&server, subscribe(&client, "/presence/status"));
}

#[test]
fn what_comes_behind_a_long_batch_is_answered_behind_it() {
    let server = Server::start(&["--max-message-size", "1MiB"]);
    let client = handshake(&server);
    let mut stream = server.connect();
    let batch = bayeux::batch(&long(&client, 100).to_string());
    stream.write_all(format!("{batch}GET /health HTTP/1.1\r\nHost: x\r\n\r\n{batch}").as_bytes()).unwrap();
    for expected in [100, 0, 100] {
        let response = raw::read_response(&mut stream);
        let replies: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(replies.as_array().map_or(0, Vec::len), expected);
    }
}

#[test]
fn replies_that_are_held_count_as_backlog() {
    let server = Server::start(&["--max-message-size", "1MiB"]);
    let backlog = || Metrics::of(&server).get("mio_chat_backlog_bytes", &[]);
    for transport in 0..2 {
        let client = handshake(&server);
        let mut batch = long(&client, 500);
        batch.as_array_mut().unwrap().push(json!({
            "channel": "/meta/connect", "clientId": client, "connectionType": "websocket", "id": 500,
        }));
        let mut sent = Sent::over(transport, &server, &batch);
        wait_until("the replies are held", || backlog() > 500.0 * 100.0);
        post(&server, json!([message("disconnect", &client, 0)]));
        assert_eq!(sent.ids(501).len(), 501);
        wait_until("nothing is held", || backlog() == 0.0);
    }
}

#[test]
fn what_is_held_for_a_client_is_answered_when_its_socket_goes_to_another() {
    let server = Server::start(&[]);
    let (first, second) = (handshake(&server), handshake(&server));
    let mut socket = Socket::open(&server);
    socket.send(json!([subscribe(&first, "/presence/status"), connect(&first, "websocket")]));
    socket.settle();
    socket.send(json!([connect(&second, "websocket")]));
    let replies = socket.next();
    let answered: Vec<_> = replies.as_array().unwrap().iter().map(|reply| &reply["channel"]).collect();
    assert_eq!(answered, ["/meta/subscribe", "/meta/connect"], "{replies}");
    assert!(replies.as_array().unwrap().iter().all(|reply| reply["clientId"] == *first), "{replies}");
    socket.settle();
}

#[test]
fn a_message_that_comes_in_the_middle_of_a_long_batch_answers_its_connect() {
    let server = Server::start(&[]);
    // Over a WebSocket messages are frames of their own, which wait for no connect.
    for transport in 1..3 {
        let client = handshake(&server);
        let new_chat = subscribe(&client, &format!("/presence/new_chat/teacher/{transport}"));
        ok(&server, new_chat.clone());
        for role in ["teacher", "student"] {
            let connect =
                publish(&client, &format!("/presence/{role}/connect"), json!({"userId": transport}));
            ok(&server, connect);
        }
        // The claim is carried out in the first turn, and the connect is held in a later one.
        let mut batch = vec![new_chat; 40];
        batch[0] = connect(&client, "websocket");
        batch[1] = publish(&client, "/presence/claim_student", json!({"teacherId": transport}));
        (0..40).for_each(|id| batch[id]["id"] = json!(id));
        let ids = Sent::over(transport, &server, &batch.into()).ids(41);
        assert_eq!((ids.len(), ids.contains(&Value::Null)), (41, true), "the new chat comes along");
    }
}

#[test]
fn the_last_of_a_clients_connects_says_how_long_a_batch_is_held() {
    let server = Server::start(&[]);
    for transport in 0..3 {
        let client = handshake(&server);
        let mut batch = json!([connect(&client, "websocket"), connect_now(&client)]);
        (0..2).for_each(|id| batch[id]["id"] = json!(id));
        assert_eq!(Sent::over(transport, &server, &batch).ids(2), [0, 1], "transport {transport}");
    }
}

#[test]
fn replies_beyond_the_backlog_are_not_held() {
    let server = Server::start(&["--max-backlog", "40KiB"]);
    for transport in 0..2 {
        let client = handshake(&server);
        let mut batch = long(&client, 500);
        batch[499] = connect(&client, "websocket");
        batch[499]["id"] = json!(499);
        assert_eq!(Sent::over(transport, &server, &batch).ids(500).len(), 500, "transport {transport}");
    }
}

#[test]
fn a_message_that_a_connect_brings_is_not_held_with_the_connect_behind_it() {
    let server = Server::start(&[]);
    let (teacher, student, chat) = bayeux::chat(&server, 1, 2);
    for first in [&student, &teacher] {
        ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"n": 1})));
        let connects = json!([connect(&student, "long-polling"), connect(first, "long-polling")]);
        let answer = post(&server, connects);
        let messages: Vec<_> =
            answer.as_array().unwrap().iter().filter_map(|part| part.get("data")).collect();
        assert_eq!(messages, [&json!({"n": 1})], "{answer}");
    }
}

#[test]
fn a_message_whose_channel_is_no_text_is_refused_alone() {
    let server = Server::start(&[]);
    let client = handshake(&server);
    let batch =
        json!([subscribe(&client, "/presence/status"), {"channel": 5, "clientId": client, "id": "x"}]);
    let mut socket = Socket::open(&server);
    socket.send(batch.clone());
    for answer in [post(&server, batch), socket.next()] {
        let results: Vec<_> =
            answer.as_array().unwrap().iter().map(|reply| (&reply["id"], &reply["successful"])).collect();
        assert_eq!(results, [(&json!("s"), &json!(true)), (&json!("x"), &json!(false))], "{answer}");
    }
}
