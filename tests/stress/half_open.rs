//! Peers that vanish without a word: their sockets stay open, and nothing comes any more.

use std::thread;
use std::time::{Duration, Instant};

use crate::healthy_pairs::{Pairs, meet};
use crate::support::phoenix::Version::{V1, V2};
use crate::support::user::{CLIENT_KINDS, ClientKind, User};

/// Longer than any protocol waits for a peer.
const LONGEST: Duration = Duration::from_secs(120);

/// A student of each kind vanishes; each chat ends once the protocol's timeout is over.
fn vanish(kinds: &[ClientKind]) {
    let server = crate::start(&["--idle-timeout", "2s"]);
    let pairs = Pairs::start(&server);
    let begin = Instant::now();
    let chats = kinds.iter().zip(1..).map(|(&kind, id)| {
        let (teacher, mut student) = meet(&server, (ClientKind::Phoenix(V2), kind), id);
        student.begin_poll();
        let waiting = thread::spawn(move || wait_for_the_end(teacher, begin));
        (kind, student, waiting)
    });
    // All of them at once: the longest wait is a minute and a half.
    let chats = chats.collect::<Vec<_>>();
    let mut vanished = Vec::new();
    let mut waits = Vec::new();
    for (kind, student, waiting) in chats {
        waits.push(format!("{kind} {:.0?}", waiting.join().unwrap()));
        vanished.push(student);
    }
    server.wait_until_students_are(6);
    crate::report(
        "peers that vanish",
        format!("{} peers, idle timeout 2 s", kinds.len()),
        format!("all found, each partner told after: {}; {}", waits.join(", "), pairs.finish()),
    );
}

/// How long it took until the teacher was told that the chat is over.
fn wait_for_the_end(mut teacher: User, begin: Instant) -> Duration {
    while !teacher.has_ended() {
        assert!(begin.elapsed() < LONGEST, "a peer that is gone is waited for");
        thread::sleep(Duration::from_millis(100));
    }
    begin.elapsed()
}

#[test]
fn a_phoenix_peer_that_vanishes_is_detected_and_its_chat_ends() {
    vanish(&[ClientKind::Phoenix(V1), ClientKind::Phoenix(V2)]);
}

#[test]
#[ignore = "takes a minute and a half"]
fn a_peer_that_vanishes_is_detected_in_every_protocol_and_its_chat_ends() {
    vanish(&CLIENT_KINDS);
}
