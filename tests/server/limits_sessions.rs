//! How many sessions there may be without a connection, and how long one that does nothing lives.

use crate::support;

use serde_json::{Value, json};
use support::bayeux::{self, Socket, connect_now, post};
use support::metrics::Metrics;
use support::phoenix::{Phoenix, Version};
use support::raw::{self, Bystander};
use support::socket_io::{self, Session, SocketIo};
use support::{Server, wait_until};

/// With 64 connections one peer has 16 detached sessions at the most.
const LIMITED: [&str; 4] = ["--max-connections", "64", "--trusted-proxy", "127.0.0.1"];
const HANDSHAKE: &str =
    r#"{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}"#;

/// A session that was opened over HTTP, by its id.
#[derive(Debug)]
enum Opened {
    Bayeux(String),
    EngineIo(String),
}

impl Opened {
    /// Opens a session for a peer that a proxy calls `address`, of either protocol in turn.
    fn new(server: &Server, number: usize, address: &str) -> Opened {
        let forwarded = format!("Host: x\r\nX-Forwarded-For: {address}\r\n");
        if number.is_multiple_of(2) {
            let request = bayeux::batch(&format!("[{HANDSHAKE}]")).replacen("Host: x\r\n", &forwarded, 1);
            let reply: Value = serde_json::from_str(&raw::request(server, request).body).unwrap();
            return Opened::Bayeux(reply[0]["clientId"].as_str().expect("a clientId").to_owned());
        }
        let request = format!("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n{forwarded}\r\n");
        let body = raw::request(server, request).body;
        let open: Value = serde_json::from_str(body.strip_prefix('0').expect("an open packet")).unwrap();
        Opened::EngineIo(open["sid"].as_str().unwrap().to_owned())
    }

    fn is_alive(&self, server: &Server) -> bool {
        match self {
            Opened::Bayeux(id) => post(server, json!([connect_now(id)]))[0]["successful"] == true,
            Opened::EngineIo(sid) => {
                let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
                let noop = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n6");
                raw::request(server, noop).status == 200
            }
        }
    }
}

fn detached(server: &Server) -> f64 {
    Metrics::of(server).get("mio_chat_detached_sessions", &[])
}

fn evicted(server: &Server, limit: &str) -> f64 {
    Metrics::of(server).get("mio_chat_evicted_total", &[("limit", limit)])
}

fn are_alive(server: &Server, sessions: &[Opened]) -> Vec<bool> {
    sessions.iter().map(|session| session.is_alive(server)).collect()
}

#[test]
fn the_handshakes_of_a_peer_end_its_own_sessions_alone() {
    let server = Server::start(&LIMITED);
    let others: Vec<_> =
        (0..2).map(|n| Opened::new(&server, n, ["192.0.2.1", "2001:db8:0:1::1"][n])).collect();
    for (round, address) in (1..).zip([|_| "192.0.2.2".to_owned(), |n| format!("2001:db8:0:2::{n:x}")]) {
        let sessions: Vec<_> = (0..16).map(|n| Opened::new(&server, n, &address(n))).collect();
        assert_eq!(evicted(&server, "peer"), f64::from(round - 1) * 24.0, "16 are not too many");
        let newer: Vec<_> = (16..40).map(|n| Opened::new(&server, n, &address(n))).collect();
        assert_eq!(evicted(&server, "peer"), f64::from(round) * 24.0);
        assert_eq!(are_alive(&server, &sessions), [false; 16]);
        assert_eq!(are_alive(&server, &newer[..8]), [false; 8]);
        assert_eq!(are_alive(&server, &newer[8..]), [true; 16]);
        assert_eq!(detached(&server), 2.0 + 16.0 * f64::from(round));
    }
    assert_eq!(are_alive(&server, &others), [true; 2]);
}

#[test]
fn the_sessions_of_all_peers_are_limited_too() {
    let server = Server::start(&LIMITED);
    let sessions: Vec<_> =
        (0..100).map(|n| Opened::new(&server, n, &format!("192.0.2.{}", n / 10))).collect();
    assert_eq!((detached(&server), evicted(&server, "total")), (64.0, 36.0));
    assert_eq!(are_alive(&server, &sessions[..36]), [false; 36]);
    assert_eq!(are_alive(&server, &sessions[36..]), [true; 64]);
}

#[test]
fn a_flood_of_handshakes_refuses_no_user_and_ends_no_session_in_use() {
    let server = Server::start(&["--max-connections", "64"]);
    let mut waiting = SocketIo::connect(&server, (4, socket_io::Polling));
    waiting.session().begin_poll();
    let teacher = bayeux::user(&server, "teacher", 1);
    Bystander::new(&server).settle();
    let flood: Vec<_> = (0..100).map(|n| Opened::new(&server, n, "-")).collect();
    assert_eq!(detached(&server), 16.0);
    assert_eq!(are_alive(&server, &flood[..85]), [false; 85]);
    // The teacher has the place of one; a session whose poll is held has none.
    assert_eq!(are_alive(&server, &flood[85..]), [true; 15]);
    assert_eq!(post(&server, json!([connect_now(&teacher)]))[0]["successful"], true);
    // New users get in on every protocol, and chat.
    for (number, way) in (10..).step_by(2).zip(socket_io::WAYS) {
        let (mut a, mut b, chat) = socket_io::chat(&server, (way, way), number, number + 1);
        socket_io::exchange(&mut a, &mut b, &chat);
    }
    for version in [Version::V1, Version::V2] {
        Phoenix::teacher(&server, version, 30).settle();
    }
    let (_, student, _) = bayeux::chat(&server, 40, 41);
    Socket::bound(&server, &student).settle();
    drop(waiting);
}

/// Connects that are answered at once never hold a request, and still show that the client is there.
#[test]
fn a_session_that_only_connects_is_not_the_longest_silent() {
    let server = Server::start(&LIMITED);
    let receiver = bayeux::user(&server, "student", 1);
    let others: Vec<_> = (10..25).map(|id| bayeux::user(&server, "student", id)).collect();
    bayeux::ok(&server, connect_now(&receiver));
    bayeux::user(&server, "student", 99);
    let is_there = |id: &String| post(&server, json!([connect_now(id)]))[0]["successful"] == true;
    assert!(is_there(&receiver));
    assert_eq!(others.iter().map(is_there).collect::<Vec<_>>(), [&[false][..], &[true; 14]].concat());
}

#[test]
fn a_batch_opens_one_session() {
    let server = Server::start(&[]);
    let batch = Value::from(vec![serde_json::from_str::<Value>(HANDSHAKE).unwrap(); 3]);
    let mut socket = Socket::open(&server);
    socket.send(batch.clone());
    for replies in [post(&server, batch), socket.next()] {
        let results: Vec<_> =
            replies.as_array().unwrap().iter().map(|reply| (&reply["successful"], &reply["error"])).collect();
        let refused = (&json!(false), &json!("400::One handshake in a batch"));
        assert_eq!(results, [(&json!(true), &Value::Null), refused, refused]);
    }
    assert_eq!(detached(&server), 2.0);
}

#[test]
fn a_session_that_never_polls_or_connects_ends_after_ten_seconds() {
    let server = Server::start(&[]);
    let sessions: Vec<_> = (0..4).map(|n| Opened::new(&server, n, "-")).collect();
    // A post does not show that the client would read.
    assert!(sessions[1].is_alive(&server));
    assert!(sessions[2].is_alive(&server), "one that connects");
    let mut polling = Session::new(&server, 4);
    polling.post_ok(&["40"]);
    assert_eq!(polling.poll().len(), 1);
    assert_eq!(detached(&server), 5.0);
    wait_until("three end", || detached(&server) == 2.0);
    assert_eq!(are_alive(&server, &sessions), [false, false, true, false]);
    assert!(Opened::EngineIo(polling.sid).is_alive(&server));
}
