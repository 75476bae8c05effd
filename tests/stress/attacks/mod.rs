//! Attacks on the server while users are online: what each of them costs the others.
//!
//! 1,000 teachers and 5,000 students are online, ten pairs exchange a message every 25 ms over all protocols, and new users
//! arrive. Each load comes from 400 connections of 100 addresses, one of them the users' own; the server runs on one core
//! with `--max-memory 128MiB`, all else on another, the attackers with the lowest priority. Latency counts from the time
//! at which a message was to be sent. The bounds are 20 ms for a turn, 25 ms for the pairs' p99, 256 MiB, no message
//! lost, and all new users served.
//!
//! The quick part runs with every `cargo test`, without the bounds for time. `scripts/attacks.sh` runs all of it in
//! release. On two cores of a virtual machine with nothing else to do:
//!
//! | load | longest turn so far | pairs' p50 / p99 | memory | lost | new users, slowest |
//! |---|--:|--:|--:|--:|--:|
//! | none | 10.2 ms | 0.4 / 9.3 ms | 10 MiB | 0 | 400 of 400, 6 ms |
//! | two Bayeux clients on one socket | 10.2 ms | 0.4 / 8.6 ms | 25 MiB | 0 | 400 of 400, 17 ms |
//! | long lists | 10.2 ms | 1.4 / 12.2 ms | 115 MiB | 0 | 392 of 392, 22 ms |
//! | handshakes | 16.1 ms | 3.8 / 17.0 ms | 57 MiB | 0 | 360 of 360, 34 ms |
//! | handshakes from the users' own address | 16.1 ms | 3.7 / 15.8 ms | 57 MiB | 0 | 360 of 360, 34 ms |
//! | mailboxes that are filled | 16.1 ms | 0.6 / 16.9 ms | 53 MiB | 0 | 392 of 392, 23 ms |
//! | large Bayeux batches | 17.5 ms | 5.3 / 22.9 ms | 113 MiB | 0 | 352 of 352, 55 ms |
//! | chunks that drip | 17.5 ms | 0.4 / 12.0 ms | 85 MiB | 0 | 400 of 400, 10 ms |
//! | strangers who subscribe | 17.5 ms | 0.4 / 10.6 ms | 85 MiB | 0 | 400 of 400, 10 ms |
//! | hostile pages | 17.5 ms | 4.2 / 15.7 ms | 81 MiB | 0 | 360 of 360, 32 ms |
//! | connect and disconnect in a batch | 17.5 ms | 0.4 / 10.2 ms | 69 MiB | 0 | 400 of 400, 10 ms |
//! | held polls with requests behind | 17.5 ms | 0.4 / 9.1 ms | 69 MiB | 0 | 392 of 392, 36 ms |
//!
//! Without a load most of the p99 is the status that 1,000 teachers are sent. Attackers from the users' own address share
//! its sessions, and may keep new users of that address out.

mod health;
mod loads;
mod measure;
mod online_users;
mod script;
mod scripted_clients;

use std::process::Command;
use std::time::Duration;
use std::{env, panic, thread};

use crate::support::Server;
use measure::{HEADING, Size, Stage};

/// So many seconds for each load, unless ATTACKS_SECONDS says otherwise.
const SECONDS: u64 = 10;
/// The attackers of a load.
const ATTACKERS: usize = 400;
const TEACHERS: usize = 1000;

const QUICK: Size = Size {
    teachers: 10,
    attackers: 24,
    addresses: 10,
    time: Duration::from_millis(200),
    period: Duration::from_millis(50),
};

/// A server with the defaults but that it serves the pages of one origin only, and logs no arrivals. It has the
/// processor core that ATTACKS_SERVER_CORE names, so that the attackers take none of its time.
fn start() -> Server {
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit can be raised");
    let server = Server::command();
    let mut command = Command::new(server.get_program());
    if let Ok(core) = env::var("ATTACKS_SERVER_CORE") {
        command = Command::new("taskset");
        command.args(["-c", &core]).arg(server.get_program());
    }
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let origin = ["--allow-origin", "http://chat.example", "--allow-host", "x", "--max-memory", "128MiB"];
    Server::spawn(command.env("RUST_LOG", "error").args(["--host", "127.0.0.1", "--port", "0"]).args(origin))
}

/// The failure of a healthy user is reported in the table, and its panic not printed.
fn keep_quiet() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().name() != Some(health::QUIET) {
            usual(info);
        }
    }));
}

/// All loads in turn. Returns what went wrong; a server that is beyond a bound is replaced, so that each load is
/// judged by itself.
fn run(size: Size, has_bounds: bool) -> Vec<String> {
    keep_quiet();
    let mut wrong = Vec::new();
    println!("{HEADING}");
    let mut stage = Stage::set(start(), size);
    let mut judge = |stage: &mut Stage, load: Option<&loads::Load>| {
        let name = load.map_or("none", |load| load.name);
        let mut outcome = match load {
            Some(load) => stage.run(load),
            None => stage.rest(),
        };
        println!("{}", outcome.row(name));
        let mut failures = outcome.failures(load);
        failures.extend(has_bounds.then(|| outcome.excesses()).into_iter().flatten());
        failures.iter().for_each(|why| println!("{name}: {why}"));
        println!(
            "{name}: {:?}, the server waited {:.1?} for a processor",
            outcome.totals, outcome.processor_wait
        );
        let is_well = failures.is_empty();
        wrong.extend(failures.into_iter().map(|why| format!("{name}: {why}")));
        is_well
    };
    judge(&mut stage, None);
    for load in loads::all().iter().filter(|load| is_chosen(load.name)) {
        if !judge(&mut stage, Some(load)) {
            stage.leave();
            stage = Stage::set(start(), size);
        }
    }
    wrong.extend(stage.leave().lost.into_iter().map(|why| format!("at the end: lost: {why}")));
    wrong
}

/// Whether a load is to run: ATTACKS_LOADS is a part of the names of those that are.
fn is_chosen(name: &str) -> bool {
    env::var("ATTACKS_LOADS").map_or(true, |part| name.contains(&part))
}

#[test]
fn quick_attacks_lose_no_message_and_refuse_no_user() {
    let wrong = run(QUICK, false);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "400 attackers and 6,000 users, for two minutes"]
fn attacks_stay_within_the_bounds() {
    let seconds = env::var("ATTACKS_SECONDS").map_or(SECONDS, |seconds| seconds.parse().expect("a number"));
    let size = Size {
        teachers: TEACHERS,
        attackers: ATTACKERS,
        addresses: 100,
        time: Duration::from_secs(seconds),
        period: Duration::from_millis(25),
    };
    let wrong = run(size, true);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
