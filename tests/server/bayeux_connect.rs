//! The connect: when it is answered, with what else, and by which socket.

use crate::support;

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};
use support::bayeux::{
    Socket, answer, chat, connect, connect_now, handshake, ok, post, publish, retry, send, subscribe,
};
use support::metrics::Metrics;
use support::phoenix::Phoenix;
use support::phoenix::Version::V2;
use support::raw::read_response;
use support::socket_io::{SocketIo, Transport};
use support::{Server, wait_until};

fn briefly(client: &str, kind: &str) -> Value {
    let mut message = connect(client, kind);
    message["advice"] = json!({"timeout": 20});
    message
}

fn connected(client: &str) -> Value {
    json!({"id": "c", "clientId": client, "channel": "/meta/connect", "successful": true, "advice": retry()})
}

#[test]
fn a_connect_is_answered_at_the_latest_when_the_client_wants() {
    let server = Server::start(&[]);
    let client = handshake(&server);
    assert_eq!(post(&server, json!([briefly(&client, "long-polling")])), json!([connected(&client)]));
    let mut socket = Socket::open(&server);
    socket.send(json!([briefly(&client, "websocket")]));
    assert_eq!(socket.next(), json!([connected(&client)]));
    socket.send(json!([connect_now(&client)]));
    assert_eq!(socket.next(), json!([connected(&client)]));
}

#[test]
fn a_batch_is_answered_when_all_of_it_is() {
    let server = Server::start(&[]);
    let client = handshake(&server);
    for over_http in [true, false] {
        let batch = json!([
            subscribe(&client, "/presence/status"),
            briefly(&client, "long-polling"),
            subscribe(&client, "/**")
        ]);
        let replies = if over_http {
            post(&server, batch)
        } else {
            let mut socket = Socket::open(&server);
            socket.send(batch);
            socket.next()
        };
        let mut channels: Vec<_> =
            replies.as_array().unwrap().iter().map(|reply| reply["channel"].as_str().unwrap()).collect();
        channels.sort();
        assert_eq!(channels, ["/meta/connect", "/meta/subscribe", "/meta/subscribe"], "{replies}");
    }
}

#[test]
fn a_connect_that_is_given_up_takes_no_other_reply_with_it() {
    let server = Server::start(&[]);
    let client = handshake(&server);
    let mut older =
        send(&server, &json!([subscribe(&client, "/presence/status"), connect(&client, "long-polling")]));
    post(&server, json!([]));
    assert_eq!(post(&server, json!([connect_now(&client)])), json!([connected(&client)]));
    let replies = answer(&mut older);
    assert_eq!(replies.as_array().map(Vec::len), Some(1), "{replies}");
    assert_eq!(
        (&replies[0]["channel"], &replies[0]["successful"]),
        (&json!("/meta/subscribe"), &json!(true))
    );
}

/// The order in the batch is the client's business: the connect may come first.
#[test]
fn a_connect_that_is_given_up_takes_no_later_reply_with_it() {
    let server = Server::start(&[]);
    let client = handshake(&server);
    let mut older =
        send(&server, &json!([connect(&client, "long-polling"), subscribe(&client, "/presence/status")]));
    post(&server, json!([]));
    assert_eq!(post(&server, json!([connect_now(&client)])), json!([connected(&client)]));
    let replies = answer(&mut older);
    assert_eq!(replies.as_array().map(Vec::len), Some(1), "{replies}");
    assert_eq!(replies[0]["channel"], "/meta/subscribe", "{replies}");
}

#[test]
fn deliveries_go_where_the_last_connect_came_from() {
    let server = Server::start(&[]);
    let (teacher, student, chat) = chat(&server, 1, 2);
    let send_number =
        |n: u32| ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"n": n})));
    let delivery = |n: u32| json!({"channel": format!("{chat}/student/receive"), "data": {"n": n}});
    let mut first = Socket::bound(&server, &student);
    first.settle();
    send_number(1);
    assert_eq!(first.next(), json!([delivery(1)]));
    let mut second = Socket::bound(&server, &student);
    second.settle();
    send_number(2);
    assert_eq!(second.next(), json!([delivery(2)]));
    let mut poll = send(&server, &json!([connect(&student, "long-polling")]));
    post(&server, json!([]));
    send_number(3);
    assert_eq!(answer(&mut poll), json!([connected(&student), delivery(3)]));
    first.settle();
    second.settle();
}

#[test]
fn a_held_request_that_goes_away_loses_nothing() {
    let server = Server::start(&[]);
    let (teacher, student, chat) = chat(&server, 1, 2);
    let held = send(&server, &json!([connect(&student, "long-polling")]));
    post(&server, json!([]));
    drop(held);
    let polling = [("protocol", "bayeux"), ("transport", "polling")];
    wait_until("the end is noticed", || Metrics::of(&server).get("mio_chat_connections", &polling) == 0.0);
    ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"n": 1})));
    let replies = post(&server, json!([connect_now(&student)]));
    assert_eq!(replies[1]["data"], json!({"n": 1}), "{replies}");
}

/// The end of the request comes in the same batch of events as the message, behind more than a turn has time for.
#[test]
fn a_held_request_that_goes_away_beside_a_message_loses_nothing() {
    let server = Server::start(&[]);
    let (teacher, student, chat) = chat(&server, 1, 2);
    let held = send(&server, &json!([connect(&student, "long-polling")]));
    let mut busy: Vec<_> = (0..200).map(|_| server.connect()).collect();
    post(&server, json!([]));
    server.signal("STOP");
    let message =
        send(&server, &json!([publish(&teacher, &format!("{chat}/teacher/send"), json!({"n": 1}))]));
    let requests = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(16);
    busy.iter_mut().for_each(|stream| stream.write_all(requests.as_bytes()).unwrap());
    drop(held);
    server.signal("CONT");
    drop(message);
    post(&server, json!([]));
    let replies = post(&server, json!([connect_now(&student)]));
    assert_eq!(replies[1]["data"], json!({"n": 1}), "{replies}");
}

/// Connections of each protocol, which take the slots that others have left.
struct NewConnections(Phoenix, SocketIo, Socket, TcpStream);

impl NewConnections {
    fn open(server: &Server) -> NewConnections {
        let mut socket = Socket::bound(server, &handshake(server));
        socket.settle();
        let phoenix = Phoenix::connect(server, V2);
        NewConnections(
            phoenix,
            SocketIo::connect(server, (4, Transport::WebSocket)),
            socket,
            server.connect(),
        )
    }

    /// Nothing has come to any of them that it has not asked for.
    fn settle(&mut self) {
        let NewConnections(phoenix, socket_io, bayeux, http) = self;
        phoenix.settle();
        socket_io.settle();
        bayeux.settle();
        http.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_response(http).status, 200);
    }
}

/// Sends a message to a Bayeux student in a chat, which waits for the student's next connect if `socket` is
/// closed.
fn tell(server: &Server, (teacher, _, chat): &(String, String, String), text: &str) {
    ok(server, publish(teacher, &format!("{chat}/teacher/send"), json!({"message": text})));
}

#[test]
fn what_one_socket_has_carried_never_goes_to_the_next_in_its_slot() {
    let server = Server::start(&[]);
    let users = chat(&server, 1, 2);
    let (_, student, _) = &users;
    let sockets = [("transport", "websocket")];
    let closed = |what| {
        wait_until(what, || Metrics::of(&server).get("mio_chat_connections", &sockets) == 0.0);
    };

    // Two clients have connected over one socket, which then ends.
    let other = handshake(&server);
    let mut shared = Socket::bound(&server, &other);
    shared.send(json!([connect(student, "websocket")]));
    assert_eq!(shared.next(), json!([connected(&other)]));
    shared.settle();
    drop(shared);
    closed("the shared socket's end");
    let mut new_connections = NewConnections::open(&server);
    tell(&server, &users, "one");
    new_connections.settle();
    // The student's next connect by another way takes nothing from the connection in that slot now.
    assert_eq!(post(&server, json!([connect_now(student)]))[1]["data"]["message"], "one");
    new_connections.settle();
    drop(new_connections);
    closed("the end of the new connections");
    let mut next = NewConnections::open(&server);
    tell(&server, &users, "two");
    next.settle();
    assert_eq!(post(&server, json!([connect_now(student)]))[1]["data"]["message"], "two");
}
