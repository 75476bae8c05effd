//! The topic `server:stats`: figures that any client may subscribe to.

use crate::support;

use serde_json::{Value, json};
use support::Server;
use support::phoenix::Version::{V1, V2};
use support::phoenix::{Phoenix, chat};

const TOPIC: &str = "server:stats";

fn watcher(server: &Server, version: support::phoenix::Version) -> Phoenix {
    let mut phoenix = Phoenix::connect(server, version);
    phoenix.join_ok(TOPIC, json!({}));
    phoenix
}

#[test]
fn the_figures_come_at_once_and_again() {
    let server = Server::start(&[]);
    let (mut teacher, mut student, topic) = chat(&server, (V1, V2), 1, 2);
    student.push(&topic, "student:send", json!({"message": "1"}));
    teacher.expect(&topic, "teacher:receive");
    for version in [V1, V2] {
        let mut watcher = watcher(&server, version);
        let first = watcher.expect(TOPIC, "stats");
        assert_eq!(first["teachers"], json!({"total": 1}));
        assert_eq!(first["students"], json!({"total": 1, "waiting": 0, "chatting": 1, "finished": 0}));
        assert_eq!(first["chats"], json!({"total": 1, "active": 1, "finished": 0}));
        assert_eq!((&first["messages"], &first["oldest_wait_ms"]), (&json!(1), &json!(0)));
        assert_eq!(first["connections"]["phoenix"], 3);
        let second = watcher.expect(TOPIC, "stats");
        let grows = |key: &str| assert!(second[key].as_u64() > first[key].as_u64(), "{key}: {second}");
        grows("uptime_ms");
        grows("busy_us");
    }
}

#[test]
fn the_longest_wait_grows() {
    let server = Server::start(&[]);
    let mut student = Phoenix::student(&server, V2, 1);
    student.settle();
    let mut watcher = watcher(&server, V2);
    let wait = |stats: Value| stats["oldest_wait_ms"].as_u64().unwrap();
    let first = wait(watcher.expect(TOPIC, "stats"));
    assert!(wait(watcher.expect(TOPIC, "stats")) > first);
}

#[test]
fn nothing_can_be_said_there() {
    let server = Server::start(&[]);
    let mut watcher = Phoenix::connect(&server, V2);
    for payload in [json!(null), json!(1), json!([])] {
        assert_eq!(watcher.refused(TOPIC, "phx_join", payload), "payload must be an object");
    }
    assert_eq!(watcher.refused(TOPIC, "stats", json!({})), "unmatched topic");
    watcher.join_ok(TOPIC, json!({}));
    watcher.expect(TOPIC, "stats");
    assert_eq!(watcher.refused(TOPIC, "stats", json!({})), "unknown event");
}

#[test]
fn who_leaves_or_goes_is_told_no_more() {
    let server = Server::start(&[]);
    let mut leaver = watcher(&server, V2);
    let gone = watcher(&server, V2);
    let mut stays = watcher(&server, V2);
    leaver.expect(TOPIC, "stats");
    leaver.push(TOPIC, "phx_leave", json!({}));
    drop(gone);
    while leaver.next().event != "phx_close" {}
    // Two more for a client that stays; one that left gets none.
    for _ in 0..3 {
        stays.expect(TOPIC, "stats");
    }
    leaver.settle();
}

#[test]
fn somebody_who_joins_again_and_again_has_nobody_flooded() {
    let server = Server::start(&[]);
    let mut watcher = watcher(&server, V2);
    let mut restless = Phoenix::connect(&server, V2);
    for _ in 0..200 {
        restless.push(TOPIC, "phx_join", json!({}));
        while restless.next().event != "phx_reply" {}
    }
    let times = std::iter::repeat_with(|| watcher.expect(TOPIC, "stats")["uptime_ms"].as_u64().unwrap());
    let times: Vec<_> = times.take(4).collect();
    // By the server's own clock.
    assert!(times.is_sorted_by(|before, after| before + 100 <= *after), "{times:?}");
}
