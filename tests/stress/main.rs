//! Faults, attacks and random input over real sockets, with users who chat all the while and miss nothing.
//!
//! What is quick runs with every `cargo test`; the rest is ignored there: `scripts/stress.sh` runs the faults in release
//! and prints the figures, `scripts/attacks.sh` the attacks.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod arrivals;
mod attacks;
mod bayeux;
mod churn;
mod clock;
mod descriptors;
mod ends;
mod half_open;
mod pairs;
mod person;
mod sigterm;
mod slow_loris;
mod stalled;
mod status_storm;
mod visitor;
mod wire_fuzzer;

use std::fmt::Display;

use support::Server;

/// A server that logs no arrivals: there are too many. So many that this process needs all descriptors it may have.
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
