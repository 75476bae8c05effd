//! The pure core without a socket and without a clock, by seeded chance, held against a slow, obvious
//! model all the way.
//!
//! `SIMULATION_SEED=7 cargo test --test simulation` repeats a run; `SIMULATION_STEPS` makes the walk longer,
//! `SIMULATION_HOURS` the hours of faults, and `SIMULATION_SEEDS` runs so many of them.

mod checked;
mod faults;
mod model;
mod walk;

use std::ops::RangeInclusive;

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
fn random_users_never_break_the_house() {
    let steps = number("SIMULATION_STEPS").unwrap_or(20_000);
    for seed in seeds(5) {
        walk::run(seed, steps);
    }
}

#[test]
fn faults_of_some_are_not_the_trouble_of_others() {
    let hours = number("SIMULATION_HOURS").unwrap_or(1);
    let mut total = faults::Figures::default();
    for seed in seeds(2) {
        total += faults::run(seed, 60 * hours);
    }
    println!("in all\n{total}");
    let has_seen_it_all = total.healthy_chats > 0 && total.timeouts > 0 && total.nonsense_closed > 0;
    assert!(has_seen_it_all, "the run went nowhere");
}

#[test]
fn a_seed_repeats_its_run() {
    assert_eq!(faults::run(7, 10), faults::run(7, 10));
}
