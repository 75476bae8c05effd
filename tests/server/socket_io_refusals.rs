//! What the server refuses over Socket.IO, with which reason, and that other users are not affected.

use crate::support;

use std::io::Write;

use serde_json::{Value, json};
use support::socket_io::{REVISIONS, Socket, SocketIo, Transport, WAYS, chat, exchange, open_socket};
use support::{Server, raw, wait_until};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

const UNKNOWN_CHAT: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// What is wrong about an event, by its name and payload as text.
fn cases(chat: &str) -> Vec<(&'static str, String, &'static str)> {
    let mut cases = vec![
        ("nonsense", "{}".to_owned(), "unknown event"),
        ("", "{}".into(), "unknown event"),
        ("presence:teacher:connect", r#"{"userId":1,"role":"teacher"}"#.into(), "id is in use"),
        ("presence:teacher:connect", r#"{"userId":"1"}"#.into(), "id is in use"),
        ("presence:student:connect", r#"{"userId":2,"role":"student"}"#.into(), "id is in use"),
        ("presence:teacher:connect", r#"{"userId":8,"role":"student"}"#.into(), "wrong role"),
        ("presence:student:connect", r#"{"userId":8,"role":"teacher"}"#.into(), "wrong role"),
        ("presence:student:connect", r#"{"role":"student"}"#.into(), "missing or invalid userId"),
        ("presence:student:connect", r#"{"userId":{}}"#.into(), "missing or invalid userId"),
        ("presence:student:disconnect", r#"{"userId":2}"#.into(), "user is on another connection"),
        ("presence:student:disconnect", r#"{"userId":99}"#.into(), "unknown student"),
        ("presence:claim_student", r#"{"teacherId":99}"#.into(), "unknown teacher"),
        ("presence:claim_student", r#"{"teacherId":1}"#.into(), "user is on another connection"),
        ("presence:claim_student", "{}".into(), "missing or invalid teacherId"),
        ("chat:teacher:send", "{}".into(), "missing or invalid chatId"),
    ];
    for event in [
        "presence:teacher:connect",
        "presence:student:connect",
        "presence:student:disconnect",
        "presence:claim_student",
        "chat:teacher:joined",
        "chat:student:joined",
        "chat:teacher:send",
        "chat:student:send",
        "chat:teacher:terminate",
        "chat:student:terminate",
    ] {
        for payload in ["null", "1", "\"x\"", "[]", "true"] {
            cases.push((event, payload.into(), "payload must be an object"));
        }
        if event.starts_with("chat:") {
            let payload = |chat: &str| format!(r#"{{"chatId":"{chat}","userId":2,"message":"psst"}}"#);
            cases.push((event, payload(UNKNOWN_CHAT), "unknown chat"));
            cases.push((event, payload("1"), "unknown chat"));
            if !event.ends_with("joined") {
                cases.push((event, payload(chat), "not your chat"));
            }
        }
    }
    cases
}

#[test]
fn refusals_come_as_acknowledgements_or_as_an_event() {
    for way in WAYS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, id) = chat(&server, (way, (7 - way.0, Socket)), 1, 2);
        let mut stranger = SocketIo::connect(&server, way);
        for (event, payload, reason) in cases(&id) {
            stranger.send(format!("4212[\"{event}\",{payload}]"));
            let expected = format!(r#"4312[{{"status":"error","reason":"{reason}"}}]"#);
            assert_eq!(stranger.next(), expected, "{event} {payload}");
            stranger.send(format!("42[\"{event}\",{payload}]"));
            let expected = format!(r#"42["chat:error",{{"event":"{event}","reason":"{reason}"}}]"#);
            assert_eq!(stranger.next(), expected, "{event} {payload}");
        }
        // Without a payload at all.
        stranger.send("42[\"presence:claim_student\"]");
        assert_eq!(stranger.expect("chat:error")["reason"], "payload must be an object");
        exchange(&mut teacher, &mut student, &id);
        let snapshot = server.snapshot();
        assert_eq!(
            (&snapshot["teachers"]["total"], &snapshot["students"]["chatting"]),
            (&json!(1), &json!(1))
        );
        wait_until("the error is logged", || server.log().contains("unknown teacher"));
    }
}

#[test]
fn a_chat_of_other_users_is_refused() {
    for way in WAYS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, id) = chat(&server, (way, way), 1, 2);
        let mut stranger = SocketIo::teacher(&server, way, 3);
        stranger.call_ok("presence:student:connect", json!({"userId": 4}));
        for (role, user) in [("teacher", 3), ("student", 4), ("teacher", 1), ("student", 2)] {
            let entry = json!({"chatId": id, "userId": user});
            assert_eq!(stranger.refused(&format!("chat:{role}:joined"), entry), "not your chat");
        }
        // Nor can one side act for the other.
        let message = json!({"chatId": id, "message": "x"});
        for event in ["send", "terminate"] {
            let reason = teacher.refused(&format!("chat:student:{event}"), message.clone());
            assert_eq!(reason, "not your chat");
            let reason = student.refused(&format!("chat:teacher:{event}"), message.clone());
            assert_eq!(reason, "not your chat");
        }
        exchange(&mut teacher, &mut student, &id);
        stranger.settle();
    }
}

#[test]
fn a_chat_that_is_over_takes_nothing_more() {
    for way in WAYS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, id) = chat(&server, (way, way), 1, 2);
        student.emit("presence:student:disconnect", json!({"userId": 2, "role": "student"}));
        teacher.expect(&format!("chat:{id}:teacher:terminated"));
        let message = json!({"chatId": id, "userId": 1, "message": "bye"});
        for event in ["terminate", "send", "joined"] {
            assert_eq!(teacher.refused(&format!("chat:teacher:{event}"), message.clone()), "unknown chat");
        }
        assert_eq!(teacher.refused("presence:student:disconnect", json!({"userId": 2})), "unknown student");
        teacher.settle();
        assert_eq!(server.snapshot()["chats"]["finished"], 1);
    }
}

#[test]
fn binary_events_are_refused_and_their_attachments_ignored() {
    for (revision, transport) in WAYS {
        let server = Server::start(&[]);
        let mut client = SocketIo::connect(&server, (revision, transport));
        let placeholder = r#"{"_placeholder":true,"num":0}"#;
        for (packet, answer) in [
            (format!(r#"451-["nonsense",{placeholder}]"#), None),
            (format!(r#"451-7["nonsense",{placeholder}]"#), Some("437")),
            (format!(r#"452-8["nonsense",{placeholder},{placeholder}]"#), Some("438")),
        ] {
            client.send(packet.clone());
            let got = client.next();
            match answer {
                Some(ack) => assert_eq!(
                    got,
                    format!(r#"{ack}[{{"status":"error","reason":"binary data is not supported"}}]"#)
                ),
                None => {
                    let error: Value = serde_json::from_str(got.strip_prefix("42").unwrap()).unwrap();
                    assert_eq!(error[0], "chat:error");
                    assert_eq!(error[1]["reason"], "binary data is not supported");
                }
            }
            for _ in 0..packet.matches("_placeholder").count() {
                send_attachment(&mut client, (revision, transport));
            }
            client.settle();
        }
    }
}

#[test]
fn binary_data_that_belongs_to_nothing_closes() {
    let server = Server::start(&[]);
    for revision in REVISIONS {
        let mut client = SocketIo::student(&server, (revision, Socket), 1);
        client.socket().send(Message::binary(vec![4, 1])).unwrap();
        let Ok(Message::Close(Some(frame))) = client.socket().read() else { panic!("no close frame") };
        assert_eq!(frame.code, CloseCode::Unsupported);
        server.wait_until_empty();
    }
}

#[test]
fn other_namespaces_get_the_protocol_s_connect_error() {
    let server = Server::start(&[]);
    for way in WAYS {
        let mut client = SocketIo::connect(&server, way);
        for (connect, namespace) in [("40/admin", "/admin"), ("40/admin,", "/admin"), ("40/a?x=1", "/a")] {
            client.send(connect);
            let error = match way.0 {
                3 => "\"Invalid namespace\"",
                _ => r#"{"message":"Invalid namespace"}"#,
            };
            assert_eq!(client.next(), format!("44{namespace},{error}"));
        }
        // A query after the namespace is the default one's too.
        client.settle();
        client.send(r#"42/admin,5["ping"]"#);
        let answer = client.next();
        assert!(answer.contains("not connected to this namespace"), "{answer}");
        client.send("41/admin");
        client.settle();
    }
}

#[test]
fn an_acknowledgement_goes_to_the_namespace_that_asked() {
    let server = Server::start(&[]);
    for way in WAYS {
        let mut client = SocketIo::connect(&server, way);
        client.send(r#"42/admin,5["ping"]"#);
        let error = r#"[{"status":"error","reason":"not connected to this namespace"}]"#;
        // For the default namespace it would answer another packet than the one that asked.
        assert_eq!(client.next(), format!("43/admin,5{error}"));
    }
}

/// socket.io-protocol: "If the server does not receive a CONNECT packet first, then it MUST close the connection".
#[test]
fn the_first_packet_of_revision_5_is_connect() {
    let server = Server::start(&[]);
    for packet in [
        r#"421["ping"]"#,
        r#"421["presence:student:connect",{"userId":1}]"#,
        r#"42/admin,1["ping"]"#,
        "41",
        "431[]",
        "44{}",
        r#"451-["ping",{"_placeholder":true,"num":0}]"#,
        r#"461-1[{"_placeholder":true,"num":0}]"#,
    ] {
        let mut socket = open_socket(&server, "/socket.io/?EIO=4&transport=websocket");
        assert!(socket.read().unwrap().into_text().unwrap().starts_with("0{"));
        // Neither a namespace that does not exist nor a packet of Engine.IO's own makes a difference.
        socket.send(Message::text("40/admin")).unwrap();
        assert!(socket.read().unwrap().into_text().unwrap().starts_with("44/admin,"));
        socket.send(Message::text("3")).unwrap();
        socket.send(Message::text(packet)).unwrap();
        let closed = socket.read();
        let Ok(Message::Close(Some(frame))) = closed else { panic!("{packet} gives {closed:?}") };
        assert_eq!((frame.code, &*frame.reason), (CloseCode::Protocol, "first packet is not CONNECT"));
        server.wait_until_empty();
    }
    // A client that has disconnected gets an error, and may connect again.
    let mut client = SocketIo::connect(&server, (4, Socket));
    client.send("41");
    client.send(r#"421["ping"]"#);
    let error = r#"431[{"status":"error","reason":"not connected to this namespace"}]"#;
    assert_eq!(client.next(), error);
    client.send("40");
    assert!(client.next().starts_with("40{"));
    client.settle();
}

#[test]
fn a_binary_acknowledgement_is_not_answered() {
    let server = Server::start(&[]);
    for (revision, transport) in WAYS {
        let mut client = SocketIo::connect(&server, (revision, transport));
        client.send(r#"461-7[{"_placeholder":true,"num":0}]"#);
        send_attachment(&mut client, (revision, transport));
        client.settle();
    }
}

#[test]
fn an_attachment_that_does_not_follow_its_packet_closes() {
    let server = Server::start(&[]);
    for revision in REVISIONS {
        let mut client = SocketIo::connect(&server, (revision, Socket));
        client.send(r#"461-7[{"_placeholder":true,"num":0}]"#);
        client.send(r#"42["ping"]"#);
        let Ok(Message::Close(Some(frame))) = client.socket().read() else { panic!("no close frame") };
        assert_eq!((frame.code, &*frame.reason), (CloseCode::Invalid, "binary attachment missing"));
    }
}

/// Sends binary data that belongs to the packet before it.
fn send_attachment(client: &mut SocketIo, way: (u8, Transport)) {
    match way {
        (3, Socket) => client.socket().send(Message::binary(vec![4, 1, 2])).unwrap(),
        (_, Socket) => client.socket().send(Message::binary(vec![1, 2])).unwrap(),
        (3, _) => client.send("b4AQI="),
        _ => client.send("bAQI="),
    }
}

#[test]
fn text_that_is_not_a_packet_closes() {
    let server = Server::start(&[]);
    for text in [
        "",
        "x",
        "9",
        "4",
        "4x",
        "42",
        "42{}",
        "42[]",
        "42[1]",
        "42[\"a\"",
        "42null",
        "45[]",
        "é",
        "{}",
        "42[\"a\"]x",
        "40[]",
        "40x",
        "41x",
        "43",
        "431{}",
        "44",
        "42abc[\"a\"]",
        "451-{}",
        "461-7{}",
        "46[]",
    ] {
        for revision in REVISIONS {
            let mut client = SocketIo::student(&server, (revision, Socket), 1);
            client.send(text);
            let closed = client.socket().read();
            let Ok(Message::Close(Some(frame))) = closed else { panic!("{text:?} gives {closed:?}") };
            assert_eq!(frame.code, CloseCode::Invalid, "{text}");
            server.wait_until_empty();
            let mut client = SocketIo::student(&server, (revision, support::socket_io::Polling), 1);
            let response = client.session().post(&["42[\"ping\"]", text, "42[\"ping\"]"]);
            assert_eq!((response.status, &*response.body), (400, r#"{"code":3,"message":"Bad request"}"#));
            server.wait_until_empty();
            let path = client.session().path();
            let poll = raw::request(&server, support::socket_io::request("GET", &path, "", ""));
            assert_eq!(poll.body, r#"{"code":1,"message":"Session ID unknown"}"#);
        }
    }
}

#[test]
fn packets_without_effect_are_ignored() {
    let server = Server::start(&[]);
    for way in WAYS {
        let mut client = SocketIo::connect(&server, way);
        // A pong, an upgrade, a noop, an acknowledgement, an error.
        for packet in ["3", "3probe", "5", "6", "431[]", "43[]", "44{}", "44\"x\""] {
            client.send(packet);
            client.settle();
        }
        for (ping, pong) in [("2", "3"), ("2probe", "3probe")] {
            client.send(ping);
            assert_eq!(client.next(), pong);
        }
    }
}

#[test]
fn a_packet_in_pieces_is_put_together() {
    let server = Server::start(&[]);
    let mut stream = raw::open(&server, "/socket.io/?EIO=3&transport=websocket");
    for _ in 0..2 {
        raw::read_frame(&mut stream).unwrap();
    }
    stream.write_all(&[raw::frame(0x01, b"42[\"pi"), raw::frame(0x80, b"ng\"]")].concat()).unwrap();
    assert_eq!(raw::read_frame(&mut stream), Some((0x81, b"42[\"pong\"]".to_vec())));
}
