//! Everything but the sockets, by seeded chance, without a clock: the chat against a slow and obvious model, and the
//! whole endpoint by bytes, over a network with faults.
//!
//! `SIMULATION_SEED=7 cargo test --test simulation` repeats a run; `SIMULATION_SEEDS` is the number of seeds,
//! `SIMULATION_STEPS` the length of a walk, and `SIMULATION_MINUTES` that of a run with faults, in virtual time.
//! `RUST_LOG=trace` logs each message.

mod checked;
mod faults;
mod model;
mod regressions;
mod walk;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}

/// The seeds to run: those that are asked for, or the first few.
fn seeds(count: u64) -> RangeInclusive<u64> {
    let first = number("SIMULATION_SEED");
    let count = number("SIMULATION_SEEDS").unwrap_or(if first.is_some() { 1 } else { count });
    let first = first.unwrap_or(1);
    first..=first + count - 1
}

#[test]
fn the_chat_does_what_its_model_does() {
    let steps = number("SIMULATION_STEPS").unwrap_or(20_000);
    for seed in seeds(5) {
        walk::run(seed, steps);
    }
}

#[test]
fn faults_of_some_sessions_do_not_touch_others() {
    let _ = env_logger::builder().format_timestamp(None).try_init();
    let minutes = number("SIMULATION_MINUTES").unwrap_or(6);
    let (seeds, taken) = (seeds(50), AtomicU64::new(0));
    let run = || {
        let mut total = faults::Figures::default();
        while let Some(seed) = seeds.clone().nth(taken.fetch_add(1, Ordering::Relaxed) as usize) {
            total += faults::run(seed, minutes);
        }
        total
    };
    let mut total = faults::Figures::default();
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let runs: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        for run in runs {
            total += run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    println!("in all\n{total}");
    // One run alone does not try everything.
    let has_seen_it_all = total.timeouts() > 0 && total.nonsense_closed > 0 && total.counts.len() == 20;
    assert!(total.healthy_chats > 0 && (seeds.count() < 20 || has_seen_it_all), "{total}");
}

#[test]
fn a_seed_repeats_its_run() {
    assert_eq!(faults::run(7, 10), faults::run(7, 10));
}
