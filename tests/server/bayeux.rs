//! Bayeux, reply by reply: what each message is answered with, over HTTP and WebSocket.

use crate::support;

use serde_json::{Value, json};
use support::Server;
use support::bayeux::{
    Socket, answer, chat, connect, connect_now, error, handshake, ok, post, publish, retry, send, subscribe,
    user,
};
use tungstenite::protocol::frame::coding::CloseCode;

const TYPES: [&str; 4] = ["long-polling", "cross-origin-long-polling", "callback-polling", "websocket"];

fn shake() -> Value {
    json!({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]})
}

#[test]
fn replies_field_by_field() {
    let server = Server::start(&[]);
    let mut socket = Socket::open(&server);
    for over_http in [true, false] {
        let mut ask = |message: Value| {
            if over_http {
                return post(&server, json!([message]));
            }
            socket.send(json!([message]));
            socket.next()
        };
        let mut greeting = ask(shake());
        let id = greeting[0]["clientId"].take().as_str().expect("a clientId").to_owned();
        assert!(id.len() >= 20 && id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()));
        let expected = json!([{"clientId": null, "channel": "/meta/handshake", "successful": true,
            "version": "1.0", "supportedConnectionTypes": TYPES, "advice": retry()}]);
        assert_eq!(greeting, expected);
        let reply = |channel: &str, reference: Value| {
            json!({"id": reference, "clientId": id,
                "channel": channel, "successful": true})
        };
        let with = |mut reply: Value, key: &str, value: Value| {
            reply[key] = value;
            json!([reply])
        };
        let connected = with(reply("/meta/connect", json!("c")), "advice", retry());
        assert_eq!(ask(connect_now(&id)), connected);
        let status = json!("/presence/status");
        let subscribed = with(reply("/meta/subscribe", json!("s")), "subscription", status.clone());
        assert_eq!(ask(subscribe(&id, "/presence/status")), subscribed);
        let mut message = subscribe(&id, "/presence/status");
        message["channel"] = json!("/meta/unsubscribe");
        let unsubscribed = with(reply("/meta/unsubscribe", json!("s")), "subscription", status);
        assert_eq!(ask(message), unsubscribed);
        let teacher = json!({"userId": 1, "role": "teacher"});
        let published = json!([reply("/presence/teacher/connect", json!("p"))]);
        assert_eq!(ask(publish(&id, "/presence/teacher/connect", teacher)), published);
        let farewell = json!({"channel": "/meta/disconnect", "clientId": id, "id": 7});
        assert_eq!(ask(farewell), json!([reply("/meta/disconnect", json!(7))]));
    }
    socket.expect_close(CloseCode::Normal);
}

#[test]
fn an_id_comes_back_with_its_type() {
    let server = Server::start(&[]);
    for id in [json!("1"), json!(1), json!(1.5), json!("ü\u{2028}")] {
        let mut message = shake();
        message["id"] = id.clone();
        assert_eq!(post(&server, json!([message]))[0]["id"], id);
    }
    assert_eq!(post(&server, json!([shake()]))[0].get("id"), None);
}

#[test]
fn one_message_needs_no_array_and_none_is_a_heartbeat() {
    let server = Server::start(&[]);
    assert_eq!(post(&server, shake())[0]["successful"], true);
    assert_eq!(post(&server, json!([])), json!([]));
    let mut socket = Socket::open(&server);
    socket.settle();
    socket.send(shake());
    assert_eq!(socket.next()[0]["successful"], true);
}

#[test]
fn errors_word_by_word() {
    let server = Server::start(&[]);
    let id = handshake(&server);
    let cases = [
        (
            json!({"version": "1.0", "supportedConnectionTypes": ["foo", "bar"]}),
            "301:foo,bar:Connection types not supported",
        ),
        (json!({"supportedConnectionTypes": ["websocket"]}), "402:version:Missing required parameter"),
        (json!({"version": "1.0"}), "402:supportedConnectionTypes:Missing required parameter"),
    ];
    for (mut message, reason) in cases {
        message["channel"] = json!("/meta/handshake");
        let reply = json!([{"channel": "/meta/handshake", "successful": false, "version": "1.0",
            "supportedConnectionTypes": TYPES, "error": reason, "advice": {"reconnect": "handshake"}}]);
        assert_eq!(post(&server, json!([message])), reply);
    }
    let cases = [
        (json!({"clientId": "nobody", "connectionType": "websocket"}), "401:nobody:Unknown client"),
        (json!({"connectionType": "websocket"}), "402:clientId:Missing required parameter"),
        (json!({"clientId": id}), "402:connectionType:Missing required parameter"),
        (json!({"clientId": id, "connectionType": "pigeon"}), "301:pigeon:Connection types not supported"),
    ];
    for (mut message, reason) in cases {
        message["channel"] = json!("/meta/connect");
        let reply = json!([{"channel": "/meta/connect", "successful": false, "error": reason,
            "advice": {"reconnect": "handshake"}}]);
        assert_eq!(post(&server, json!([message])), reply);
    }
    let missing = "402:subscription:Missing required parameter";
    assert_eq!(error(&server, json!({"channel": "/meta/subscribe", "clientId": id})), missing);
    assert_eq!(
        error(&server, json!({"channel": "/presence/status", "clientId": id})),
        "402:data:Missing required parameter"
    );
    assert_eq!(
        error(&server, json!({"channel": "/presence/status", "data": {}})),
        "402:clientId:Missing required parameter"
    );
    for channel in ["/*", "/**", "/chat/*", "/presence/**", "/rooms/1", "/meta/connect", "/chat/1/ready"] {
        assert_eq!(error(&server, subscribe(&id, channel)), format!("403:{channel}:Forbidden channel"));
    }
    for channel in ["rooms", "/", "/a//b", "/a b", "/a/", "/*/b", "/ü"] {
        assert_eq!(error(&server, subscribe(&id, channel)), format!("405:{channel}:Invalid channel"));
        assert_eq!(
            error(&server, publish(&id, channel, json!({}))),
            format!("405:{channel}:Invalid channel")
        );
    }
    for channel in ["/rooms/1", "/meta/other", "/presence/status"] {
        assert_eq!(
            error(&server, publish(&id, channel, json!({}))),
            format!("403:{channel}:Forbidden channel")
        );
    }
    assert_eq!(error(&server, subscribe("nobody", "/presence/status")), "401:nobody:Unknown client");
}

#[test]
fn other_peoples_chats_and_ids() {
    let server = Server::start(&[]);
    let (teacher, student, chat) = chat(&server, 1, 2);
    let stranger = user(&server, "teacher", 7);
    for channel in ["ready", "teacher/receive", "student/receive", "student/terminated"] {
        let channel = format!("{chat}/{channel}");
        assert_eq!(
            error(&server, subscribe(&stranger, &channel)),
            format!("403:{channel}:Forbidden channel")
        );
    }
    // Nor can the teacher act as the student.
    for (client, role) in
        [(&stranger, "teacher"), (&stranger, "student"), (&teacher, "student"), (&student, "teacher")]
    {
        for (action, data) in
            [("send", json!({"message": "psst"})), ("terminate", json!({})), ("joined", json!({"userId": 1}))]
        {
            let channel = format!("{chat}/{role}/{action}");
            let reason = error(&server, publish(client, &channel, data));
            assert_eq!(reason, format!("403:{channel}:Forbidden channel"));
        }
    }
    let connect = "/presence/teacher/connect";
    let taken = error(&server, publish(&stranger, connect, json!({"userId": "1"})));
    assert_eq!(taken, format!("400:{connect}:id is in use"));
    ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"message": "still there?"})));
    let delivered = post(&server, connect_now(&student));
    assert_eq!(delivered[1]["data"], json!({"message": "still there?"}));
    assert_eq!(delivered.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_held_connect_is_answered_with_what_comes() {
    let server = Server::start(&[]);
    let (teacher, student, chat) = chat(&server, 1, 2);
    let mut held =
        send(&server, &json!([connect(&student, "long-polling"), subscribe(&student, "/presence/status")]));
    // One thread serves all: when this is answered, the request before it is held.
    post(&server, json!([]));
    ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"message": "hi", "extra": [1]})));
    let replies = answer(&mut held);
    let channels: Vec<_> =
        replies.as_array().unwrap().iter().map(|message| message["channel"].clone()).collect();
    assert!(
        channels.contains(&json!("/meta/connect")) && channels.contains(&json!("/meta/subscribe")),
        "{replies}"
    );
    assert!(channels.contains(&json!(format!("{chat}/student/receive"))), "{replies}");
}

#[test]
fn of_two_connects_the_older_gets_no_answer() {
    let server = Server::start(&[]);
    let (teacher, student, chat) = chat(&server, 1, 2);
    let mut older = send(&server, &json!([connect(&student, "long-polling")]));
    post(&server, json!([]));
    let mut newer = send(&server, &json!([connect(&student, "long-polling")]));
    assert_eq!(answer(&mut older), json!([]));
    ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"message": "hi"})));
    let replies = answer(&mut newer);
    assert_eq!(replies[0]["channel"], "/meta/connect");
    assert_eq!(replies[1], json!({"channel": format!("{chat}/student/receive"), "data": {"message": "hi"}}));
}

#[test]
fn a_session_outlives_its_socket() {
    let server = Server::start(&[]);
    let (teacher, student, chat) = chat(&server, 1, 2);
    let send = |n: usize| ok(&server, publish(&teacher, &format!("{chat}/teacher/send"), json!({"n": n})));
    let delivery = |n: usize| json!({"channel": format!("{chat}/student/receive"), "data": {"n": n}});
    send(0);
    send(1);
    // What waited is flushed when the socket is the client's, a frame for each message.
    let mut socket = Socket::bound(&server, &student);
    assert_eq!(socket.next(), json!([delivery(0)]));
    assert_eq!(socket.next(), json!([delivery(1)]));
    send(2);
    assert_eq!(socket.next(), json!([delivery(2)]));
    socket.settle();
    socket.0.close(None).unwrap();
    assert!(socket.0.read().is_ok_and(|message| message.is_close()));
    send(3);
    send(4);
    let replies = post(&server, connect_now(&student));
    assert_eq!(replies.as_array().unwrap()[1..], [delivery(3), delivery(4)]);
    assert_eq!(post(&server, connect_now(&student)).as_array().map(Vec::len), Some(1));
}

#[test]
fn frames_that_do_not_parse_are_passed_over() {
    let server = Server::start(&[]);
    let mut socket = Socket::open(&server);
    for text in ["", "{", "nonsense", "1", "null", "[1]", "[[]]", "\"x\""] {
        socket.send_text(text);
    }
    socket.0.send(tungstenite::Message::binary(vec![0, 255])).unwrap();
    socket.settle();
}

#[test]
fn a_disconnect_ends_the_chat() {
    let server = Server::start(&[]);
    let (teacher, student, chat) = chat(&server, 1, 2);
    let mut socket = Socket::bound(&server, &student);
    socket.settle();
    socket.send(json!([{"channel": "/meta/disconnect", "clientId": student}]));
    // The connect that was held is answered too.
    for channel in ["/meta/connect", "/meta/disconnect"] {
        let reply = socket.next();
        assert_eq!((&reply[0]["channel"], &reply[0]["successful"]), (&json!(channel), &json!(true)));
    }
    socket.expect_close(CloseCode::Normal);
    let mut message = subscribe(&student, &format!("{chat}/student/receive"));
    message["channel"] = json!("/meta/unsubscribe");
    assert_eq!(error(&server, message), format!("401:{student}:Unknown client"));
    let replies = post(&server, connect_now(&teacher));
    assert_eq!(replies[1], json!({"channel": format!("{chat}/teacher/terminated"), "data": {}}));
    server.wait_until_students_are(0);
}

#[test]
fn a_mailbox_that_overflows_ends_its_client() {
    let server = Server::start(&["--max-backlog", "4KiB"]);
    let (teacher, student, chat) = chat(&server, 1, 2);
    let channel = format!("{chat}/teacher/send");
    let message = json!({"message": "x".repeat(1000)});
    let mut sent = 0;
    while post(&server, publish(&teacher, &channel, message.clone()))[0]["successful"] == true {
        sent += 1;
        assert!(sent < 10, "the mailbox takes everything");
    }
    assert!(sent >= 3, "the mailbox is full after {sent} messages");
    assert_eq!(error(&server, connect_now(&student)), format!("401:{student}:Unknown client"));
    let replies = post(&server, connect_now(&teacher));
    assert_eq!(replies[1], json!({"channel": format!("{chat}/teacher/terminated"), "data": {}}));
}

/// A client that has connected, and is between two requests.
fn connected(server: &Server) -> String {
    let client = handshake(server);
    assert_eq!(post(server, json!([connect_now(&client)]))[0]["successful"], true);
    client
}

#[test]
fn an_absent_client_yields_its_user_to_one_that_connects_with_it_and_to_nobody_else() {
    let server = Server::start(&[]);
    let in_use = "400:/presence/teacher/connect:id is in use";
    let connect = |client: &str, id: u32| publish(client, "/presence/teacher/connect", json!({"userId": id}));
    // One owner's socket is lost, the other has never connected.
    let lost = user(&server, "teacher", 1);
    let mut socket = Socket::bound(&server, &lost);
    socket.settle();
    let stranger = connected(&server);
    assert_eq!(error(&server, connect(&stranger, 1)), in_use, "the owner is connected");
    socket.0.close(None).unwrap();
    assert!(socket.0.read().is_ok_and(|message| message.is_close()));
    let fresh = user(&server, "teacher", 2);
    for (id, owner) in [(1, &lost), (2, &fresh)] {
        // Neither to a subscription, nor to a client that has not connected itself.
        ok(&server, subscribe(&stranger, &format!("/presence/new_chat/teacher/{id}")));
        error(&server, subscribe(&stranger, &format!("/presence/new_chat/teacher/{id}/x")));
        let unconnected = handshake(&server);
        ok(&server, subscribe(&unconnected, &format!("/presence/new_chat/teacher/{id}")));
        assert_eq!(error(&server, connect(&unconnected, id)), in_use);
        ok(&server, subscribe(owner, "/presence/status"));
        ok(&server, connect(&stranger, id));
        assert_eq!(error(&server, connect_now(owner)), format!("401:{owner}:Unknown client"));
    }
    assert_eq!(server.snapshot()["teachers"]["total"], 2);
}

#[test]
fn a_client_that_comes_back_takes_its_user_over_in_the_batch_of_its_first_connect() {
    let server = Server::start(&[]);
    user(&server, "student", 1);
    let back = handshake(&server);
    let replies = post(
        &server,
        json!([publish(&back, "/presence/student/connect", json!({"userId": 1})), connect_now(&back)]),
    );
    assert!(replies.as_array().unwrap().iter().all(|reply| reply["successful"] == true), "{replies}");
}

#[test]
fn a_connect_that_is_refused_does_not_make_a_client_connected() {
    let server = Server::start(&[]);
    let stranger = connected(&server);
    let fresh = user(&server, "teacher", 1);
    let bad = json!({"channel": "/meta/connect", "clientId": fresh, "connectionType": "foo"});
    assert_eq!(error(&server, bad), "301:foo:Connection types not supported");
    ok(&server, publish(&stranger, "/presence/teacher/connect", json!({"userId": 1})));
}

#[test]
fn nobody_hears_of_the_chats_of_a_user_that_another_client_has() {
    let server = Server::start(&[]);
    let stranger = connected(&server);
    let teacher = user(&server, "teacher", 1);
    ok(&server, subscribe(&stranger, "/presence/new_chat/teacher/1"));
    user(&server, "student", 2);
    ok(&server, publish(&teacher, "/presence/claim_student", json!({"teacherId": 1})));
    assert_eq!(post(&server, json!([connect_now(&stranger)])).as_array().map(Vec::len), Some(1));
    assert_eq!(post(&server, json!([connect_now(&teacher)])).as_array().map(Vec::len), Some(2));
}
