//! SIGTERM while all users send as fast as they can.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::healthy_pairs::meet;
use crate::split::{Receiver, Sender, split};
use crate::support::phoenix::Version::{V1, V2};
use crate::support::socket_io::{Polling, Socket};
use crate::support::user::{ClientKind, User};
use crate::support::wait_until;

/// Every protocol that has frames, or responses, to be cut in half.
const CHATS: [(ClientKind, ClientKind); 7] = [
    (ClientKind::Phoenix(V1), ClientKind::Phoenix(V2)),
    (ClientKind::SocketIo(3, Socket), ClientKind::SocketIo(4, Socket)),
    (ClientKind::BayeuxSocket, ClientKind::BayeuxSocket),
    (ClientKind::BayeuxSocket, ClientKind::Phoenix(V2)),
    (ClientKind::SocketIo(3, Polling), ClientKind::SocketIo(4, Polling)),
    (ClientKind::BayeuxPolling, ClientKind::BayeuxPolling),
    (ClientKind::SocketIo(4, Polling), ClientKind::Phoenix(V1)),
];
/// Chats of each kind.
const EACH: usize = 2;
/// Messages that each user has received before the signal comes.
const ENOUGH: u64 = 50;
/// Messages in flight to a user at the most: a growing backlog would close it as a slow consumer.
const WINDOW: u64 = 200;

/// A user reads to the end: messages without a gap and in order, each of which lets the other side send one more. Returns
/// how many came.
fn receive_to_the_end(mut receiver: Receiver, received: &mpsc::Sender<()>, warm: &AtomicUsize) -> u64 {
    let mut expected = 0;
    while let Some(numbers) = receiver.next() {
        for number in numbers {
            assert_eq!(number, expected);
            expected += 1;
            warm.fetch_add(usize::from(expected == ENOUGH), Ordering::Relaxed);
            // The other side may have ended first, as the server is gone.
            let _ = received.send(());
        }
    }
    expected
}

/// A user sends as fast as the other reads, until there is no other, or no server.
fn send_to_the_end(mut sender: Sender, received_by_other: &mpsc::Receiver<()>) {
    for number in 0.. {
        if number >= WINDOW && received_by_other.recv().is_err() {
            return;
        }
        if !sender.send(number) {
            return;
        }
    }
}

/// One user's two threads; the one that reads returns how many messages came.
fn start(
    user: User,
    (received, received_by_other): (mpsc::Sender<()>, mpsc::Receiver<()>),
    warm: &Arc<AtomicUsize>,
) -> (JoinHandle<()>, JoinHandle<u64>) {
    let (sender, receiver) = split(user);
    let warm = warm.clone();
    (
        thread::spawn(move || send_to_the_end(sender, &received_by_other)),
        thread::spawn(move || receive_to_the_end(receiver, &received, &warm)),
    )
}

#[test]
fn sigterm_under_full_load_leaves_nothing_half_written() {
    let mut server = crate::start(&["--drain-timeout", "20s"]);
    let chats = CHATS.iter().cycle().zip(1..).take(CHATS.len() * EACH);
    let chats: Vec<_> = chats.map(|(&kinds, id)| meet(&server, kinds, id)).collect();
    let warm = Arc::new(AtomicUsize::new(0));
    let mut users = Vec::new();
    for (teacher, student) in chats {
        let ((to_teacher, by_student), (to_student, by_teacher)) = (mpsc::channel(), mpsc::channel());
        users.push(start(teacher, (to_student, by_student), &warm));
        users.push(start(student, (to_teacher, by_teacher), &warm));
    }
    wait_until("all users have received messages", || warm.load(Ordering::Relaxed) == users.len());
    let begin = Instant::now();
    server.signal("TERM");
    let count = users.len();
    let messages: u64 = users
        .into_iter()
        .map(|(sender, receiver)| {
            sender.join().unwrap();
            receiver.join().unwrap()
        })
        .sum();
    assert_eq!(server.wait_for_exit().code(), Some(0));
    crate::report(
        "SIGTERM under full load",
        format!("{count} users in {} chats, all of whom send as fast as they are read", count / 2),
        format!(
            "{messages} messages relayed without a gap and in order, every socket whole up to its close frame 1001 \
             and every poll up to its last response, exit 0 after {:.0?}",
            begin.elapsed()
        ),
    );
}
