//! `/metrics`, as a scraper sees it, after things whose number is known.

use crate::support;

use std::collections::BTreeSet;
use std::io::{Read, Write};

use serde_json::json;
use support::metrics::Metrics;
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, chat};
use support::{Server, bayeux, raw, wait_until};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn the_text_is_prometheus_text() {
    let server = Server::start(&[]);
    let (_teacher, _student, _) = chat(&server, (V1, V2), 1, 2);
    let response = raw::request(&server, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let samples = response.body.lines().filter(|line| !line.starts_with('#'));
    let metrics = Metrics::read(&response.body);
    assert_eq!(metrics.0.samples.len(), samples.count(), "every sample is understood: {}", response.body);
    for sample in &metrics.0.samples {
        assert!(metrics.0.docs.contains_key(&sample.metric), "{} has a help text", sample.metric);
        let is_counter = matches!(sample.value, prometheus_parse::Value::Counter(_));
        assert_eq!(is_counter, sample.metric.ends_with("_total"), "{}", sample.metric);
    }
    let post = raw::request(&server, "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
}

#[test]
fn the_documentation_lists_the_metrics() {
    let server = Server::start(&[]);
    let text = include_str!("../../src/endpoint/metrics.rs");
    let rows = text.lines().filter(|line| line.starts_with("//! | `"));
    let documented: BTreeSet<_> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter(|name| name.starts_with("mio_chat_") || name.starts_with("process_"))
        .collect();
    let metrics = Metrics::of(&server);
    let served: BTreeSet<_> = metrics.0.docs.keys().map(String::as_str).collect();
    assert_eq!(documented, served);
}

#[test]
fn a_chat_is_counted() {
    let server = Server::start(&[]);
    let (mut teacher, mut student, topic) = chat(&server, (V1, V2), 1, 2);
    for number in 0..10 {
        teacher.push(&topic, "teacher:send", json!({ "number": number }));
        student.expect(&topic, "student:receive");
    }
    let mut waiting = Phoenix::student(&server, V2, 3);
    waiting.settle();
    let metrics = Metrics::of(&server);
    let is = |name: &str, labels: &[(&str, &str)], value: f64| {
        assert_eq!(metrics.get(name, labels), value, "{name} {labels:?}");
    };
    is("mio_chat_connections", &[("protocol", "phoenix"), ("transport", "websocket")], 3.0);
    is("mio_chat_clients", &[("protocol", "phoenix"), ("transport", "websocket")], 3.0);
    is("mio_chat_clients", &[("protocol", "bayeux")], 0.0);
    is("mio_chat_teachers", &[], 1.0);
    is("mio_chat_students", &[("state", "waiting")], 1.0);
    is("mio_chat_students", &[("state", "chatting")], 1.0);
    is("mio_chat_chats", &[], 1.0);
    is("mio_chat_messages_total", &[], 10.0);
    is("mio_chat_claims_total", &[("result", "answered")], 1.0);
    is("mio_chat_http_responses_total", &[("code", "101")], 3.0);
    assert!(metrics.get("mio_chat_received_frames_total", &[]) >= 10.0);
    assert!(metrics.get("mio_chat_sent_bytes_total", &[]) > metrics.get("mio_chat_sent_frames_total", &[]));
    assert!(metrics.get("mio_chat_writes_total", &[]) > 10.0);
    assert!(metrics.get("mio_chat_loop_busy_seconds_total", &[]) > 0.0);
    assert!(
        metrics.get("mio_chat_loop_longest_turn_seconds", &[])
            <= metrics.get("mio_chat_loop_busy_seconds_total", &[])
    );
    #[cfg(target_os = "linux")]
    assert!(metrics.get("process_resident_memory_bytes", &[]) > 1e6);
}

#[test]
fn claims_are_told_apart() {
    let server = Server::start(&["--students-per-teacher", "1"]);
    let (mut teacher, _student, _) = chat(&server, (V2, V2), 1, 2);
    teacher.claim(1);
    let mut other = Phoenix::teacher(&server, V2, 9);
    other.claim(9);
    other.claim(9);
    teacher.settle();
    other.settle();
    let metrics = Metrics::of(&server);
    let claims = |result| metrics.get("mio_chat_claims_total", &[("result", result)]);
    assert_eq!((claims("answered"), claims("full"), claims("empty")), (1.0, 1.0, 2.0));
}

#[test]
fn every_connection_is_open_or_closed_for_a_reason() {
    let server = Server::start(&["--max-message-size", "1KiB"]);
    let (teacher, mut student, topic) = chat(&server, (V2, V2), 1, 2);
    student.push_raw(&topic, "student:send", &format!(r#"{{"message":"{}"}}"#, "x".repeat(2000)));
    drop(teacher);
    let mut bad = raw::open(&server, "/ws");
    bad.write_all(&raw::frame(0xc1, b"{}")).unwrap();
    assert_eq!(raw::read_close(&mut bad), Some(1002));
    let mut polite = raw::open(&server, "/ws");
    polite.write_all(&raw::frame(0x88, &1000u16.to_be_bytes())).unwrap();
    assert_eq!(raw::read_close(&mut polite), Some(1000));
    let wrong = raw::request(&server, "nonsense\r\n\r\n");
    assert_eq!(wrong.status, 400);
    let open = raw::open(&server, "/ws");
    drop((student, bad, polite));
    let closed = |metrics: &Metrics, reason| metrics.get("mio_chat_closed_total", &[("reason", reason)]);
    wait_until("all are closed", || {
        let metrics = Metrics::of(&server);
        let open = metrics.get("mio_chat_connections", &[]);
        let accounted = open + metrics.get("mio_chat_closed_total", &[]);
        assert_eq!(metrics.get("mio_chat_accepted_total", &[]), accounted);
        // The one that is open, and the one that asks.
        open == 2.0 && closed(&metrics, "peer gone") == 1.0
    });
    let metrics = Metrics::of(&server);
    for reason in ["message too big", "reserved bits are set", "closed by the peer", "Bad Request"] {
        assert_eq!(closed(&metrics, reason), 1.0, "{reason}");
    }
    for reason in ["peer gone", "message too big", "reserved bits are set", "closed by the peer"] {
        assert_eq!(metrics.get("mio_chat_ended_sessions_total", &[("reason", reason)]), 1.0, "{reason}");
    }
    for kind in ["message too big", "reserved bits are set"] {
        assert_eq!(metrics.get("mio_chat_bad_input_total", &[("kind", kind)]), 1.0, "{kind}");
    }
    assert_eq!(metrics.get("mio_chat_http_responses_total", &[("code", "400")]), 1.0);
    drop(open);
}

#[test]
fn refusals_are_counted_by_reason_and_name_nobody() {
    let server = Server::start(&[]);
    let mut teacher = Phoenix::teacher(&server, V2, "secret-teacher");
    for _ in 0..3 {
        let chat = "chats:67e55044-10b1-426f-9247-bb680e5fe0c8";
        teacher.refused(chat, "phx_join", json!({"userId": "secret-teacher", "role": "teacher"}));
    }
    teacher.refused("presence:teachers", "no:such", json!({}));
    let metrics = Metrics::of(&server);
    let refusals = |reason| metrics.get("mio_chat_refusals_total", &[("reason", reason)]);
    assert_eq!((refusals("unknown chat"), refusals("unknown event")), (3.0, 1.0));
    let text = raw::request(&server, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").body;
    assert!(!text.contains("secret") && !text.contains("67e55044"), "{text}");
}

#[test]
fn who_is_turned_away_is_counted() {
    let server = Server::start(&["--max-connections", "1"]);
    let mut kept = raw::open(&server, "/ws");
    assert_eq!(raw::request(&server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").status, 503);
    drop(kept.write_all(&raw::frame(0x88, b"")));
    assert_eq!(raw::read_close(&mut kept), None);
    drop(kept);
    wait_until("there is room again", || {
        raw::request(&server, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status == 200
    });
    let metrics = Metrics::of(&server);
    assert!(metrics.get("mio_chat_turned_away_total", &[("full", "connections")]) >= 1.0);
    assert_eq!(metrics.get("mio_chat_max_connections", &[]), 1.0);
}

/// A log line for each would take most of the time of the loop, and fill the disk.
#[test]
fn many_refused_connections_do_not_fill_the_log() {
    const CONNECTIONS: usize = 200;
    let server = Server::start(&["--max-connections", "1"]);
    let kept = raw::open(&server, "/ws");
    for _ in 0..CONNECTIONS {
        let mut stream = server.connect();
        let _ = stream.read(&mut [0; 64]);
    }
    drop(kept);
    wait_until("a slot is free again, and all refusals before are logged", || {
        raw::request(&server, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").status == 404
            && server.log().contains("is answered with 404")
    });
    let lines = server.log().lines().filter(|line| line.contains("WARN")).count();
    assert!((1..CONNECTIONS / 2).contains(&lines), "{lines} lines");
}

/// A close and a request are handled in the same iteration, at whose end the slot is freed.
#[test]
#[cfg(target_os = "linux")]
fn a_connection_is_not_open_and_closed_at_once() {
    let server = Server::start(&[]);
    let mut asking = server.connect();
    asking.write_all(SCRAPE).unwrap();
    raw::read_response(&mut asking);
    let leaving = raw::open(&server, "/ws");
    server.signal("STOP");
    wait_until("the server is stopped", || server.is_stopped());
    let peer = leaving.local_addr().unwrap();
    drop(leaving);
    wait_until("the server has the end of the closed connection", || server.has_the_end_of(peer));
    asking.write_all(SCRAPE).unwrap();
    server.signal("CONT");
    let metrics = Metrics::read(&raw::read_response(&mut asking).body);
    assert_eq!(metrics.get("mio_chat_closed_total", &[]), 1.0);
    assert_eq!(metrics.get("mio_chat_connections", &[]), 1.0);
}

/// Counting all connections for each of many scrapers would delay all clients.
#[test]
fn scrapes_in_the_same_turn_get_the_same_text() {
    let server = Server::start(&[]);
    let mut streams = [server.connect(), server.connect()];
    // Both connections are known when the server goes on, and both have asked.
    streams.iter_mut().for_each(|stream| {
        stream.write_all(HEALTH).unwrap();
        assert_eq!(raw::read_response(stream).status, 200);
    });
    server.signal("STOP");
    streams.iter_mut().for_each(|stream| stream.write_all(SCRAPE).unwrap());
    server.signal("CONT");
    let [first, second] = streams.each_mut().map(|stream| raw::read_response(stream).body);
    assert_eq!(first, second);
    streams[0].write_all(SCRAPE).unwrap();
    let metrics = Metrics::read(&raw::read_response(&mut streams[0]).body);
    assert_eq!(metrics.get("mio_chat_http_responses_total", &[("code", "200")]), 4.0);
}

/// What costs much is done once a turn for a connection, however many requests it has sent.
#[test]
fn a_connection_gets_one_costly_response_in_a_turn() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    stream.write_all(&[SCRAPE, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", SCRAPE, SCRAPE].concat()).unwrap();
    let turns = [(); 4].map(|()| raw::read_response(&mut stream).body).map(|body| {
        let is_metrics = body.starts_with('#');
        is_metrics.then(|| Metrics::read(&body).get("mio_chat_loop_turns_total", &[]))
    });
    let [Some(first), None, Some(third), Some(fourth)] = turns else {
        panic!("{turns:?}");
    };
    assert!(third - first >= 2.0 && fourth > third, "{turns:?}");
}

#[test]
fn what_a_turn_is_about_to_write_is_no_backlog() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    stream.write_all(&[HEALTH, SCRAPE].concat()).unwrap();
    raw::read_response(&mut stream);
    let metrics = Metrics::read(&raw::read_response(&mut stream).body);
    assert_eq!(metrics.get("mio_chat_backlog_bytes", &[]), 0.0);

    let mut slow = server.connect();
    slow.set_nonblocking(true).unwrap();
    while slow.write(SCRAPE).is_ok() {}
    wait_until("what the kernel did not take is one", || {
        Metrics::of(&server).get("mio_chat_backlog_bytes", &[]) > 0.0
    });
}

#[test]
fn a_bad_request_is_logged_and_counted() {
    let server = Server::start(&[]);
    for (request, code) in [
        ("nonsense", 400),
        ("GET /nothing HTTP/1.1\r\nHost: x", 404),
        ("PUT /ws HTTP/1.1\r\nHost: x", 405),
        ("GET /ws HTTP/1.1\r\nHost: x", 426),
    ] {
        assert_eq!(raw::request(&server, format!("{request}\r\n\r\n")).status, code);
        wait_until("it is logged", || server.log().contains(&format!("is answered with {code}")));
        let count = Metrics::of(&server).get("mio_chat_http_responses_total", &[("code", &code.to_string())]);
        assert_eq!(count, 1.0, "{request}");
    }
    assert!(!server.log().contains("is answered with 200"), "what is in order is not logged");
}

#[test]
fn bayeux_messages_are_refused_for_reasons_of_their_own() {
    let server = Server::start(&[]);
    let client = bayeux::handshake(&server);
    let mut unsubscribe = bayeux::subscribe(&client, "/no/such");
    unsubscribe["channel"] = json!("/meta/unsubscribe");
    bayeux::error(&server, unsubscribe);
    bayeux::error(&server, bayeux::publish(&client, "/presence/student/connect", json!({})));
    let metrics = Metrics::of(&server);
    for reason in ["unmatched topic", "missing or invalid userId"] {
        assert_eq!(metrics.get("mio_chat_refusals_total", &[("reason", reason)]), 1.0, "{reason}");
    }
}
