//! The connect: when it is answered, with what else, and by which socket.

mod common;

use common::Server;
use common::bayeux::{
    Socket, answer, chat, connect, connect_now, handshake, ok, post, publish, retry, send, subscribe,
};
use serde_json::{Value, json};

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
    let say = |n: u32| ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"n": n})));
    let delivery = |n: u32| json!({"channel": format!("{chat}/student/receive"), "data": {"n": n}});
    let mut first = Socket::bound(&server, &student);
    first.settle();
    say(1);
    assert_eq!(first.next(), json!([delivery(1)]));
    let mut second = Socket::bound(&server, &student);
    second.settle();
    say(2);
    assert_eq!(second.next(), json!([delivery(2)]));
    let mut poll = send(&server, &json!([connect(&student, "long-polling")]));
    post(&server, json!([]));
    say(3);
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
    ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"n": 1})));
    let replies = post(&server, json!([connect_now(&student)]));
    assert_eq!(replies[1]["data"], json!({"n": 1}), "{replies}");
}
