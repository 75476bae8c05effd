//! Healthy users, who chat all the while and check that no message is lost.

use std::fmt;
use std::io::Write;
use std::net::TcpStream;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::Server;
use crate::support::phoenix::Version::{V1, V2};
use crate::support::raw::frame;
use crate::support::socket_io::{Polling, Socket};
use crate::support::user::{Client, ClientKind, User, begin};

/// Teachers and students of the pairs: every kind of client, with its own or with another.
pub const PAIRS: [(ClientKind, ClientKind); 10] = [
    (ClientKind::Phoenix(V1), ClientKind::Phoenix(V2)),
    (ClientKind::SocketIo(4, Socket), ClientKind::SocketIo(3, Socket)),
    (ClientKind::BayeuxSocket, ClientKind::BayeuxSocket),
    (ClientKind::Phoenix(V2), ClientKind::SocketIo(4, Polling)),
    (ClientKind::SocketIo(3, Polling), ClientKind::BayeuxPolling),
    (ClientKind::BayeuxSocket, ClientKind::Phoenix(V1)),
    (ClientKind::BayeuxPolling, ClientKind::BayeuxPolling),
    (ClientKind::SocketIo(3, Socket), ClientKind::SocketIo(4, Polling)),
    (ClientKind::Phoenix(V2), ClientKind::BayeuxPolling),
    (ClientKind::SocketIo(4, Socket), ClientKind::BayeuxSocket),
];

/// How many of them most scenarios have.
const COUNT: usize = 6;

/// The user ids of the pairs: no other users may have them.
pub const FIRST_ID: u64 = 1_000_000_000;
/// Messages that are in flight at once in each direction.
const BURST: u64 = 4;
/// Between two bursts, so that the pairs are not the load.
const PAUSE: Duration = Duration::from_millis(5);
/// Far more bursts than any scenario has time for.
const MOST: u64 = 200_000;

/// How often a Phoenix client sends a heartbeat, as phoenix.js does by a timer: a user who waits for an answer does not
/// time out.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// Chats that go on until `finish`.
pub struct Pairs {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<(u64, Duration)>>,
}

/// What the pairs exchanged: each message came once and in order.
pub struct Talk {
    pub pairs: usize,
    pub messages: u64,
    /// The longest that a burst in both directions took.
    pub slowest: Duration,
}

impl Pairs {
    /// All pairs, each on a thread of its own. No other student may be in the queue.
    pub fn start(server: &Server) -> Pairs {
        Pairs::start_with_pause(server, PAUSE)
    }

    /// The same, with this much time between two bursts.
    pub fn start_with_pause(server: &Server, pause: Duration) -> Pairs {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = PAIRS[..COUNT].iter().zip(FIRST_ID..).map(|(&kinds, id)| {
            let (teacher, student) = meet(server, kinds, id);
            let stop = stop.clone();
            thread::spawn(move || {
                let beats = [&teacher, &student].into_iter().filter_map(heartbeat).collect();
                thread::scope(|scope| {
                    scope.spawn(|| beat(beats, &stop));
                    talk(teacher, student, pause, &stop)
                })
            })
        });
        Pairs { threads: threads.collect(), stop }
    }

    /// Ends the chats. Fails if a message was lost, came twice or out of order.
    pub fn finish(self) -> Talk {
        self.stop.store(true, Ordering::Relaxed);
        let mut talk = Talk { pairs: self.threads.len(), messages: 0, slowest: Duration::ZERO };
        for thread in self.threads {
            let (messages, slowest) = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            talk.messages += messages;
            talk.slowest = talk.slowest.max(slowest);
        }
        talk
    }
}

impl fmt::Display for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Talk { pairs, messages, slowest } = self;
        write!(f, "{pairs} pairs: {messages} messages, each once and in order, {slowest:.1?} at the slowest")
    }
}

/// A teacher and a student in a chat.
pub fn meet(server: &Server, kinds: (ClientKind, ClientKind), id: u64) -> (User, User) {
    let mut teacher = User::teacher(server, kinds.0, id);
    let mut student = User::student(server, kinds.1, id);
    begin(&mut teacher, &mut student);
    (teacher, student)
}

fn talk(mut teacher: User, mut student: User, pause: Duration, stop: &AtomicBool) -> (u64, Duration) {
    let mut slowest = Duration::ZERO;
    for number in 0..MOST {
        let begin = Instant::now();
        let burst = number * BURST..(number + 1) * BURST;
        burst.clone().for_each(|number| teacher.send_number(number, 0));
        burst.clone().for_each(|number| student.send_number(number, 0));
        burst.clone().for_each(|number| student.expect_number(number));
        burst.clone().for_each(|number| teacher.expect_number(number));
        slowest = slowest.max(begin.elapsed());
        if stop.load(Ordering::Relaxed) {
            teacher.leave();
            student.leave();
            return (2 * burst.end, slowest);
        }
        thread::sleep(pause);
    }
    panic!("the scenario does not end");
}

/// The socket of a Phoenix client, and its heartbeat's frame.
fn heartbeat(user: &User) -> Option<(TcpStream, Vec<u8>)> {
    let Client::Phoenix(phoenix) = &user.client else {
        return None;
    };
    let stream = phoenix.socket.get_ref().try_clone().unwrap();
    Some((stream, frame(0x81, phoenix.version.heartbeat().as_bytes())))
}

fn beat(mut beats: Vec<(TcpStream, Vec<u8>)>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for (stream, frame) in &mut beats {
            // If the connection is closed, its pair fails.
            let _ = stream.write_all(frame);
        }
        thread::sleep(HEARTBEAT);
    }
}
