//! Hours of faults in seconds: users of every protocol over a network that stalls, cuts and garbles, and a
//! server whose clock jumps. In all of it, who is healthy is served as if nothing had happened.
//!
//! Time is a number here, and all chance comes from the seed, so a run that fails can be had again. What is
//! the server's own - the loop, its sockets, HTTP, and with that polling and Bayeux's batches - is for the
//! tests over sockets; [`house`] stands in for it.

mod fault;
mod figures;
mod frames;
mod house;
mod ledger;
mod lives;
mod network;
mod nonsense;
mod phoenix;
mod socket_io;
mod speech;
mod talk;
mod user;
mod world;

pub use figures::Figures;
use world::World;

const MINUTE: u64 = 60_000;

/// Lives through so many minutes in which the server runs, then lets everybody go.
pub fn run(seed: u64, minutes: u64) -> Figures {
    println!("seed {seed}");
    let mut world = World::new(seed);
    world.run(minutes * MINUTE);
    world.finish();
    let figures = world.figures();
    println!("{figures}");
    figures
}
