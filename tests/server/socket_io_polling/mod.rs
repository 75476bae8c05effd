//! Engine.IO over HTTP: what requests get, how they are held, and what becomes of the session.

use crate::support;
mod posts;

use std::io::Write;
use std::net::Shutdown;

use serde_json::{Value, json};
use support::Server;
use support::raw::{self, Bystander, Response};
use support::socket_io::{Polling, REVISIONS, Session, Socket, SocketIo, chat, encode, exchange, request};

fn ask(server: &Server, method: &str, path: &str) -> Response {
    raw::request(server, request(method, path, "", ""))
}

#[track_caller]
fn assert_error(response: &Response, code: u8, message: &str) {
    let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
    assert_eq!((response.status, &response.body), (400, &body));
    assert!(response.header("content-type").unwrap().starts_with("application/json"));
}

#[test]
fn the_opening() {
    let server = Server::start(&[]);
    for (revision, timeout) in [(3, 60000), (4, 20000)] {
        let response =
            ask(&server, "GET", &format!("/socket.io/?EIO={revision}&transport=polling&t=Pq1&b64=1"));
        assert_eq!(response.status, 200);
        assert!(response.header("content-type").unwrap().starts_with("text/plain"), "{}", response.head);
        assert!(response.header("cache-control").unwrap().contains("no-store"), "{}", response.head);
        let body = response.body;
        let open = match revision {
            3 => {
                let (length, rest) = body.split_once(':').unwrap();
                let (open, rest) = rest.split_at(length.parse().unwrap());
                assert_eq!(rest, "2:40");
                open
            }
            _ => &body,
        };
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(open["upgrades"], json!(["websocket"]));
        assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&json!(25000), &json!(timeout)));
        assert_eq!(open["maxPayload"].is_u64(), revision == 4, "{open}");
    }
}

#[test]
fn a_poll_is_held_until_there_is_something_to_say() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, chat) = chat(&server, ((3, Socket), (revision, Polling)), 1, 2);
        let session = student.session();
        session.begin_poll();
        Bystander::new(&server).settle();
        // It is held: this can be answered before it.
        session.post_ok(&["2"]);
        assert_eq!(session.read_poll(), ["3"]);
        session.begin_poll();
        Bystander::new(&server).settle();
        teacher.say("teacher", &format!(r#"{{"chatId":"{chat}","message":"é"}}"#));
        let escaped = if revision == 3 { "\\u00e9" } else { "é" };
        let message =
            format!(r#"42["chat:{chat}:student:receive",{{"chatId":"{chat}","message":"{escaped}"}}]"#);
        assert_eq!(session.read_poll(), [message]);
    }
}

#[test]
fn what_comes_between_two_polls_is_brought_by_the_next_in_one_body() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, chat) = chat(&server, ((4, Socket), (revision, Polling)), 1, 2);
        let payloads: Vec<_> =
            (0..100).map(|n| format!(r#"{{"chatId":"{chat}","message":"{n}"}}"#)).collect();
        payloads.iter().for_each(|payload| teacher.say("teacher", payload));
        teacher.settle();
        let expected: Vec<_> = payloads
            .iter()
            .map(|payload| format!(r#"42["chat:{chat}:student:receive",{payload}]"#))
            .collect();
        assert_eq!(student.session().poll(), expected);
    }
}

#[test]
fn many_packets_in_one_post_are_carried_out_in_order() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, chat) = chat(&server, ((3, Socket), (revision, Polling)), 1, 2);
        let payloads: Vec<_> =
            (0..50).map(|n| format!(r#"{{"chatId":"{chat}","message":"{n} é 😀"}}"#)).collect();
        let packets: Vec<_> =
            payloads.iter().map(|payload| format!(r#"42["chat:student:send",{payload}]"#)).collect();
        student.session().post_ok(&packets.iter().map(String::as_str).collect::<Vec<_>>());
        payloads.iter().for_each(|payload| teacher.hear(&chat, "teacher", payload));
    }
}

#[test]
fn one_connection_may_carry_everything() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let mut student = SocketIo::connect(&server, (revision, Polling));
        let session = student.session();
        // A poll and behind it, on the same connection, what it is answered by: it waits for its turn.
        let post = request("POST", &session.path(), "", &encode(revision, &["1"]));
        session.begin_poll();
        session.get.write_all(post.as_bytes()).unwrap();
        Bystander::new(&server).settle();
        session.post_ok(&["42[\"ping\"]"]);
        assert_eq!(session.read_poll(), ["42[\"pong\"]"]);
        assert_eq!(raw::read_response(&mut session.get).body, "ok");
        let poll = session.path();
        assert_error(&ask(&server, "GET", &poll), 1, "Session ID unknown");
    }
}

#[test]
fn a_second_poll_at_once_ends_the_session() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let mut client = SocketIo::student(&server, (revision, Polling), 1);
        let session = client.session();
        session.begin_poll();
        Bystander::new(&server).settle();
        assert_error(&ask(&server, "GET", &session.path()), 3, "Bad request");
        assert_eq!(session.read_poll(), ["1"]);
        assert_error(&ask(&server, "GET", &session.path()), 1, "Session ID unknown");
        assert_error(&session.post(&["2"]), 1, "Session ID unknown");
        server.wait_until_students_are(0);
    }
}

#[test]
fn a_close_packet_answers_the_held_poll_with_a_noop() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        for (packets, expected) in [
            (&["1"][..], &["6"][..]),
            (&["42[\"ping\"]", "1"], &["42[\"pong\"]", "6"]),
            // What follows the close packet is not looked at.
            (&["1", "42[\"ping\"]", "nonsense"], &["6"]),
        ] {
            let mut client = SocketIo::connect(&server, (revision, Polling));
            let session = client.session();
            session.begin_poll();
            Bystander::new(&server).settle();
            session.post_ok(packets);
            assert_eq!(session.read_poll(), expected);
            assert_error(&ask(&server, "GET", &session.path()), 1, "Session ID unknown");
        }
    }
}

#[test]
fn requests_that_open_nothing() {
    let server = Server::start(&[]);
    for (method, query, code, message) in [
        ("GET", "", 0, "Transport unknown"),
        ("GET", "?EIO=4", 0, "Transport unknown"),
        ("GET", "?EIO=4&transport=", 0, "Transport unknown"),
        ("GET", "?EIO=4&transport=flashsocket", 0, "Transport unknown"),
        ("POST", "?EIO=3&transport=webtransport", 0, "Transport unknown"),
        ("GET", "?EIO=4&transport=polling&sid=x", 1, "Session ID unknown"),
        ("GET", "?EIO=4&transport=polling&sid=", 1, "Session ID unknown"),
        ("POST", "?EIO=3&transport=polling&sid=00000000000000010000000000000000", 1, "Session ID unknown"),
        ("POST", "?EIO=4&transport=polling", 2, "Bad handshake method"),
        ("PUT", "?EIO=3&transport=polling", 2, "Bad handshake method"),
        ("DELETE", "?EIO=4&transport=polling", 2, "Bad handshake method"),
        ("POST", "?EIO=4&transport=websocket", 2, "Bad handshake method"),
        ("GET", "?EIO=4&transport=websocket", 3, "Bad request"),
        ("GET", "?EIO=2&transport=polling", 5, "Unsupported protocol version"),
        ("GET", "?EIO=5&transport=polling", 5, "Unsupported protocol version"),
        ("GET", "?EIO=x&transport=polling", 5, "Unsupported protocol version"),
        ("GET", "?EIO=&transport=polling", 5, "Unsupported protocol version"),
    ] {
        let response = ask(&server, method, &format!("/socket.io/{query}"));
        let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
        assert_eq!((body["code"].as_u64(), body["message"].as_str()), (Some(code), Some(message)), "{query}");
        assert_error(&response, code as u8, message);
    }
    for revision in ["5", "2"] {
        let mut stream = server.connect();
        let path = format!("/socket.io/?EIO={revision}&transport=websocket");
        stream.write_all(raw::handshake(&path).as_bytes()).unwrap();
        assert_error(&raw::read_response(&mut stream), 5, "Unsupported protocol version");
    }
}

#[test]
fn requests_that_do_not_fit_a_session_leave_it_alone() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let (mut teacher, mut student, chat) = chat(&server, ((3, Socket), (revision, Polling)), 1, 2);
        let path = student.session().path();
        for method in ["DELETE", "PUT", "PATCH"] {
            assert_error(&ask(&server, method, &path), 3, "Bad request");
        }
        assert_error(&ask(&server, "GET", &student.session().upgrade_path()), 3, "Bad request");
        assert_error(&ask(&server, "POST", &student.session().upgrade_path()), 3, "Bad request");
        let unknown = path.replace("polling", "carrier-pigeon");
        assert_error(&ask(&server, "GET", &unknown), 0, "Transport unknown");
        exchange(&mut teacher, &mut student, &chat);
    }
}

#[test]
fn a_session_is_its_secret() {
    let server = Server::start(&[]);
    let (mut teacher, mut student, chat) = chat(&server, ((3, Socket), (4, Polling)), 1, 2);
    let path = student.session().path();
    let last = path.len() - 1;
    for guess in ["0", "1"].into_iter().filter(|digit| !path.ends_with(digit)) {
        let guess = format!("{}{guess}", &path[..last]);
        for method in ["GET", "POST"] {
            assert_error(&ask(&server, method, &guess), 1, "Session ID unknown");
        }
    }
    for wrong in [&path[..last], &format!("{path}0"), &path.replace("sid=", "sid=+")] {
        assert_error(&ask(&server, "GET", wrong), 1, "Session ID unknown");
    }
    exchange(&mut teacher, &mut student, &chat);
}

#[test]
fn a_session_of_a_websocket_takes_no_requests() {
    let server = Server::start(&[]);
    let mut socket = support::socket_io::open_socket(&server, "/socket.io/?EIO=4&transport=websocket");
    let open = socket.read().unwrap().into_text().unwrap();
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    for (method, transport) in [("GET", "polling"), ("POST", "polling"), ("GET", "websocket")] {
        let path = format!("/socket.io/?EIO=4&transport={transport}&sid={sid}");
        assert_error(&ask(&server, method, &path), 3, "Bad request");
    }
    socket.send(tungstenite::Message::text("40")).unwrap();
    assert!(socket.read().unwrap().into_text().unwrap().starts_with("40{"));
}

#[test]
fn pages_of_other_origins_are_let_in() {
    let server = Server::start(&[]);
    let origin = "Origin: http://shop.example:8080\r\n";
    let mut session = Session::new(&server, 4);
    session.begin_poll();
    let path = "/socket.io/?EIO=4&transport=polling";
    for (method, path, status) in [
        ("GET", path, 200),
        ("OPTIONS", path, 200),
        ("OPTIONS", &session.path(), 200),
        ("POST", path, 400),
        ("GET", "/socket.io/", 400),
    ] {
        let response = raw::request(&server, request(method, path, origin, ""));
        assert_eq!(response.status, status);
        assert_eq!(response.header("access-control-allow-origin"), Some("http://shop.example:8080"));
        assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(response.header("vary"), Some("Origin"));
        if method == "OPTIONS" {
            let methods = response.header("access-control-allow-methods").unwrap();
            assert!(methods.contains("GET") && methods.contains("POST"), "{methods}");
            assert_eq!(response.header("access-control-allow-headers"), Some("Content-Type"));
        }
        let response = raw::request(&server, request(method, path, "", ""));
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        assert_eq!(response.header("vary"), Some("Origin"), "the response depends on it");
        assert_eq!(response.header("access-control-allow-credentials"), None);
    }
    // A poll that was held, and what it was answered by.
    let (mut get, mut post) = (server.connect(), server.connect());
    let other = Session::new(&server, 4);
    get.write_all(request("GET", &other.path(), origin, "").as_bytes()).unwrap();
    Bystander::new(&server).settle();
    post.write_all(request("POST", &other.path(), origin, "2").as_bytes()).unwrap();
    for stream in [&mut post, &mut get] {
        let response = raw::read_response(stream);
        assert_eq!(response.header("access-control-allow-origin"), Some("http://shop.example:8080"));
        assert!(response.header("cache-control").unwrap().contains("no-store"), "{}", response.head);
    }
    other.post.shutdown(Shutdown::Both).unwrap();
}
