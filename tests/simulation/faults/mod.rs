//! Hours of faults in seconds: users of every protocol and transport over a network that stalls, cuts, splits and
//! garbles, and a server whose clock jumps. Sessions that no fault touches are served as if nothing had happened.
//!
//! The server is the real [`mio_chat_server::endpoint::Endpoint`]: bytes go in and come out, as in production, and
//! [`shell`] does with the simulated network what `server/` does with sockets. Time is a number here, and all chance
//! comes from the seed, so a run that fails can be repeated.

mod bayeux;
mod conversation;
mod events;
mod fault;
mod figures;
mod frames;
mod http;
mod ledger;
mod network;
mod nonsense;
mod operator;
mod phoenix;
mod polling;
mod shell;
mod socket_io;
mod transport;
mod user;
mod wire;
mod world;

pub use figures::Figures;
use world::World;

const MINUTE: u64 = 60_000;

/// Runs until the server has been awake for this many minutes, then lets all users leave, or tells the server to stop.
pub fn run(seed: u64, minutes: u64) -> Figures {
    println!("seed {seed}");
    let mut world = World::new(seed);
    world.run(minutes * MINUTE);
    if seed.is_multiple_of(4) {
        world.stop();
    } else {
        world.finish();
    }
    let figures = world.figures();
    println!("{figures}");
    figures
}
