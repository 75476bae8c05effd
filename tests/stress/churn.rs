//! A million connections open and close, in every way.

use std::env;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::healthy_pairs::Pairs;
use crate::short_connections::{Addresses, SHORT_CONNECTIONS};
use crate::support::{Server, wait_until};

/// Connections in all, unless STRESS_CHURN says otherwise.
const COUNT: u64 = 1_000_000;
/// After these the server has all the memory that this load needs.
const FIRST: u64 = 10_000;
/// How much more it may have at the end.
const SLACK: usize = 4 << 20;
const THREADS: u64 = 4;
/// Addresses of this machine that the server listens on.
const ADDRESSES: u8 = 8;
/// A Bayeux client that did not disconnect ends after a minute and a half.
const LONGEST: Duration = Duration::from_secs(120);

/// Opens and closes this many connections, from several threads.
fn churn(server: &Server, ids: u64, count: u64) {
    thread::scope(|scope| {
        for index in 0..THREADS {
            let addresses = Addresses((1..=ADDRESSES).map(|last| address(server, last)).collect());
            scope.spawn(move || {
                let mut kinds = SHORT_CONNECTIONS.iter().cycle();
                let mut id = ids + index * 10 * count;
                let mut so_far = 0;
                while so_far < count / THREADS {
                    so_far += kinds.next().unwrap()(&addresses, id);
                    // One kind has two users.
                    id += 3;
                }
            });
        }
    });
}

fn address(server: &Server, last: u8) -> SocketAddr {
    ([127, 0, 0, last], server.address.port()).into()
}

fn wait_for_silence(server: &Server, descriptors: usize, students: usize) {
    let begin = Instant::now();
    let is_silent =
        || server.descriptors() == descriptors && server.snapshot()["students"]["total"] == students;
    while !is_silent() {
        assert!(begin.elapsed() < LONGEST, "a user who left is still there: {}", server.snapshot());
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "a million connections"]
fn a_million_connections_leave_nothing_behind() {
    let count = env::var("STRESS_CHURN").map_or(COUNT, |count| count.parse().expect("a number"));
    let hosts: Vec<_> =
        (2..=ADDRESSES).flat_map(|last| ["--host".into(), format!("127.0.0.{last}")]).collect();
    let server = crate::start(&hosts.iter().map(String::as_str).collect::<Vec<_>>());
    let empty = server.descriptors();
    let pairs = Pairs::start(&server);
    let with_pairs = server.descriptors();
    churn(&server, 1_000_000, FIRST);
    wait_until("the first have left", || server.descriptors() == with_pairs);
    let (memory, cpu, begin) = (server.memory(), server.cpu(), Instant::now());
    churn(&server, 100_000_000, count - FIRST);
    let (used, taken) = (server.cpu() - cpu, begin.elapsed());
    wait_for_silence(&server, with_pairs, 6);
    let after = server.memory();
    let chats = server.snapshot()["chats"]["total"].clone();
    let talk = pairs.finish();
    server.wait_until_empty();
    wait_until("the pairs have left", || server.descriptors() == empty);
    assert!(after < memory + SLACK, "{memory} bytes after the first {FIRST}, {after} bytes at the end");
    crate::report(
        "churn",
        format!(
            "{count} connections of {} kinds, {} a second, {chats} chats among them",
            SHORT_CONNECTIONS.len(),
            ((count - FIRST) as f64 / taken.as_secs_f64()).round()
        ),
        format!(
            "rosters empty, {empty} descriptors as at the start, {} KiB after the first {FIRST} and {} KiB at the end; \
             server {:.0} us CPU each; {talk}",
            memory / 1024,
            after / 1024,
            used * 1e6 / (count - FIRST) as f64
        ),
    );
}
