//! Faults, attacks and random input over real sockets, with users who chat all the while and miss nothing.
//!
//! What is quick runs with every `cargo test`; the rest is ignored there: `scripts/stress.sh` runs the faults in release
//! and prints the figures, `scripts/attacks.sh` the attacks.
//!
//! In every scenario six pairs of healthy users, in all protocols, chat all the while: each of their messages has to arrive
//! once and in order. One run, on the two cores that the load shares with the server:
//!
//! | scenario | what was tried | what survived |
//! |---|---|---|
//! | arrivals | 10,000 connections begun within 0.31 s, each with an upgrade and a heartbeat | all, half within 0.4 s and the last after 1.6 s; 0.32 s of the server's CPU |
//! | churn | 1,000,000 connections of 11 kinds, 13,721 a second: some leave with a close frame, some with FIN or RST, in mid-handshake, in mid-frame, in the queue, or in one of 82,906 chats | rosters empty, 17 descriptors as at the start, 2.8 MiB of memory after the first 10,000 and 4.2 MiB at the end |
//! | slow loris | 300 peers that send, or read, a byte each 100 ms: request heads, bodies, upgrades, frames of each protocol, answers | 408 or 1001 or a plain close, after each layer's own time, 2 s to 90 s; memory grew by 6.5 MiB at the most |
//! | readers that stop | 11 readers, in every protocol and transport, whose partners go on sending 60,000 bytes at a time | each is closed after 4 MB at the most, most of which the kernels hold, and its partner is told; memory grew by 0.3 MiB at the most |
//! | peers that vanish | 8 peers without a FIN, in every protocol and transport | found after 2 s (Phoenix, `--idle-timeout 2s`), 45 s and 85 s (Engine.IO 4 and 3), 90 s (Bayeux), and their partners told |
//! | out of descriptors | 1,600 connections in 5 bursts, the limit at 128 descriptors; the same with `--max-connections` | 620 accepted, 980 refused with 503; after each burst there is room again |
//! | status storm | 200 teachers in all protocols, 40,000 students who come and go: 88,000 changes | 3,000 statuses, each consistent, each teacher's last one right; 0.37 s of CPU |
//! | SIGTERM under full load | 28 users in 14 chats, in all protocols and transports, that send as fast as they are read | 170,911 messages without a gap, every WebSocket whole up to its close frame 1001 and every poll up to its last response, exit 0 after 19 ms |
//! | stopped and continued | 3,000 clients that send while the process is stopped for longer than the idle timeout; one more that it was just reading from | all 3,000: silence counts up to the time when all input was read |
//! | system clock set | 5 jumps, by up to 50 years forward and 10 back (with faketime, where it is installed) | only silent clients are closed, two seconds later each |
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod arrivals;
mod attacks;
mod churn;
mod clock;
mod descriptors;
mod half_open;
mod healthy_pairs;
mod short_connections;
mod sigterm;
mod slow_loris;
mod split;
mod stalled;
mod status_storm;
mod wire_fuzzer;

use std::fmt::Display;

use support::Server;

/// A server that logs errors only, as there are too many connections. This process needs all descriptors it may have.
fn start(arguments: &[&str]) -> Server {
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit can be raised");
    Server::spawn(
        Server::command()
            .env("RUST_LOG", "error")
            .args(["--host", "127.0.0.1", "--port", "0"])
            .args(arguments),
    )
}

/// Prints a scenario's figures as a row of the table.
fn report(scenario: &str, tried: impl Display, survived: impl Display) {
    println!("| {scenario} | {tried} | {survived} |");
}
