//! Clients of every protocol, several on a socket and over many sockets, do valid and nearly valid things by seeded
//! chance, and a byte that is meant for one of them must reach no other.
//!
//! Six healthy pairs chat all the while and miss nothing. A failure prints the seed and the last steps; all
//! of them are in the file that it names. `WIRE_FUZZER_SEED=7` runs one seed, `WIRE_FUZZER_SECONDS=600` seeds until
//! ten minutes are over.

mod faults;
mod marks;
mod sessions;
mod steps;
mod stream;
mod talk;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::healthy_pairs::Pairs;
use crate::support::Server;
use steps::Fuzzer;
use world::World;

/// Steps of a run.
const STEPS: usize = 1500;
/// How many of the last steps a failure prints.
const SHOWN: usize = 40;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

/// What a run came to.
#[derive(Default)]
struct Figures {
    sent: usize,
    seen: usize,
    healthy: u64,
    /// Messages by the sender's and the recipient's protocol.
    pairs: BTreeMap<String, usize>,
}

/// Prints the steps when a run fails, in whichever way.
struct Report<'a> {
    seed: u64,
    fuzzer: Fuzzer<'a>,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let log = &self.fuzzer.log;
        let file = format!("{}/wire_fuzzer_{}", env!("CARGO_TARGET_TMPDIR"), self.seed);
        let _ = fs::write(&file, log.join("\n"));
        let last: Vec<_> = log.iter().skip(log.len().saturating_sub(SHOWN)).map(String::as_str).collect();
        eprintln!(
            "WIRE_FUZZER_SEED={} failed after {} steps; all of them are in {file}, the last are:\n  {}",
            self.seed,
            log.len(),
            last.join("\n  ")
        );
    }
}

fn run(seed: u64) -> Figures {
    let server = Server::start(&[]);
    let healthy = Pairs::start_with_pause(&server, Duration::from_millis(50));
    let mut report = Report { seed, fuzzer: Fuzzer::new(World::new(&server), seed) };
    let fuzzer = &mut report.fuzzer;
    for _ in 0..STEPS {
        fuzzer.step().unwrap_or_else(|why| panic!("{why}"));
    }
    fuzzer.world.settle().unwrap_or_else(|why| panic!("{why}"));
    let mut figures = Figures { healthy: healthy.finish().messages, ..Figures::default() };
    (figures.sent, figures.seen) = fuzzer.world.ledger.counts();
    for (sender, recipient) in fuzzer.world.ledger.deliveries() {
        let speeches = &fuzzer.world.speeches;
        let kinds = format!("{:?} to {:?}", speeches[sender], speeches[recipient]);
        *figures.pairs.entry(kinds).or_default() += 1;
    }
    figures
}

#[test]
fn no_byte_for_one_client_reaches_another() {
    let begin = Instant::now();
    let limit = number("WIRE_FUZZER_SECONDS").map(Duration::from_secs);
    let first = number("WIRE_FUZZER_SEED");
    let count = if first.is_some() { 1 } else { 2 };
    let mut total = Figures::default();
    for seed in first.unwrap_or(1).. {
        if limit.map_or(seed >= first.unwrap_or(1) + count, |limit| begin.elapsed() >= limit) {
            break;
        }
        let figures = run(seed);
        println!("seed {seed}: {} marks, {} came; {} healthy", figures.sent, figures.seen, figures.healthy);
        total.sent += figures.sent;
        total.seen += figures.seen;
        total.healthy += figures.healthy;
        figures.pairs.into_iter().for_each(|(kinds, count)| *total.pairs.entry(kinds).or_default() += count);
    }
    println!("in all {} marks, {} came, {} healthy messages", total.sent, total.seen, total.healthy);
    total.pairs.iter().for_each(|(kinds, count)| println!("  {kinds}: {count}"));
    assert!(total.seen > 100 && total.pairs.len() > 8, "the runs went nowhere");
}
