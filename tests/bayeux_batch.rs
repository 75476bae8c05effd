//! Batches: each message is answered, in every combination and over every transport, and long ones keep nobody
//! waiting.

mod common;

use std::io::Write;
use std::net::TcpStream;

use common::bayeux::{self, Socket, handshake, post, subscribe};
use common::metrics::Metrics;
use common::raw::{self, read_response};
use common::{Server, wait_until};
use serde_json::{Value, json};

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
    // Nothing of it was carried out, and whoever sends such a batch for another harms nobody.
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
