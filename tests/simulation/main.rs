//! The pure core without a socket and without a clock, by seeded chance, held against a slow, obvious
//! model all the way.
//!
//! `SIMULATION_SEED=7 cargo test --test simulation` repeats a run; `SIMULATION_STEPS` makes the walk longer.

mod checked;
mod model;
mod walk;

use std::ops::RangeInclusive;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}

/// The seeds to run: the one that is asked for, or the first few.
fn seeds(count: u64) -> RangeInclusive<u64> {
    number("SIMULATION_SEED").map_or(1..=count, |seed| seed..=seed)
}

#[test]
fn random_users_never_break_the_house() {
    let steps = number("SIMULATION_STEPS").unwrap_or(20_000);
    for seed in seeds(5) {
        walk::run(seed, steps);
    }
}
