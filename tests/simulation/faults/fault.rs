//! What goes wrong, one thing at a time for one user at a time.

use mio_chat_server::Millis;

use super::nonsense;
use super::user::Stage;
use super::world::{Condition, World};

/// How long a client is left in peace after a fault.
const PEACE: Millis = 180_000;
/// Silence that every protocol here bears.
const SHORT: std::ops::Range<Millis> = 500..15_000;
/// Silence that some bear, and some do not.
const LONG: std::ops::Range<Millis> = 20_000..300_000;

/// Lets something go wrong.
pub fn strike(world: &mut World) {
    if world.random.u32(0..40) == 0 {
        return stop(world);
    }
    let index = world.random.usize(0..world.users.len());
    let is_spared = world.spared_until[index] > world.now || world.asleep_until[index] > world.now;
    if is_spared || !matches!(world.users[index].stage, Stage::Connecting | Stage::OnLine) {
        return;
    }
    world.spared_until[index] = world.now + PEACE;
    match world.random.u32(0..100) {
        0..=24 => stall(world, index, false),
        25..=39 => freeze(world, index, false),
        40..=48 => stall(world, index, true),
        49..=57 => freeze(world, index, true),
        58..=66 => cut(world, index, true),
        67..=76 => cut(world, index, false),
        77..=84 => talk_nonsense(world, index),
        85..=92 => make_noise(world, index),
        _ => meddle(world, index),
    }
}

fn count(world: &mut World, kind: &'static str) {
    *world.figures.faults.entry(kind).or_default() += 1;
}

/// The server's process is stopped, for a second or for hours; for it the clock jumps forward.
fn stop(world: &mut World) {
    if world.stopped_until > world.now {
        return;
    }
    let magnitude = 3.0 + world.random.f64() * 3.85;
    let length = 10f64.powf(magnitude) as Millis;
    world.stopped_until = world.now + length;
    world.stopped += length;
    count(world, "clock jumps");
}

/// How long it takes; if that is too long for some protocol, the server may lose patience.
fn duration(world: &mut World, index: usize, is_long: bool) -> Millis {
    if is_long {
        world.worsen(index, Condition::Doubtful);
    }
    let length = world.random.u64(if is_long { LONG } else { SHORT });
    world.spared_until[index] += length;
    world.now + length
}

/// Nothing gets through in one direction or in both.
fn stall(world: &mut World, index: usize, is_long: bool) {
    let until = duration(world, index, is_long);
    let link = world.users[index].link;
    let directions = world.random.u32(1..4);
    if directions & 1 > 0 {
        world.links[link].up.stall(world.now, until);
    }
    if directions & 2 > 0 {
        world.links[link].down.stall(world.now, until);
    }
    world.look_again(link, until);
    count(world, if is_long { "long stalls" } else { "stalls" });
}

/// The client neither reads nor sends.
fn freeze(world: &mut World, index: usize, is_long: bool) {
    world.asleep_until[index] = duration(world, index, is_long);
    count(world, if is_long { "long freezes" } else { "freezes" });
}

/// The connection is cut in the middle of whatever is under way. The server is told, or has to find out.
fn cut(world: &mut World, index: usize, is_told: bool) {
    let link = world.users[index].link;
    if is_told {
        world.reset(index);
    } else {
        world.cut(link);
        world.lose(index);
    }
    count(world, if is_told { "resets" } else { "vanished clients" });
}

/// The client says what breaks its protocol: the server has to close.
fn talk_nonsense(world: &mut World, index: usize) {
    world.worsen(index, Condition::Faulty);
    world.with_user(index, |user, scene| {
        nonsense::breach(user, scene.random);
        user.stage = Stage::Doomed(scene.awake);
    });
    world.send_up(index);
    count(world, "breaches");
}

/// The client says something that has been garbled: nobody knows what the server is to make of it.
fn make_noise(world: &mut World, index: usize) {
    world.worsen(index, Condition::Faulty);
    world.with_user(index, |user, scene| nonsense::garble(user, scene.random));
    send_and_go(world, index);
    count(world, "garbled clients");
}

/// The client says what is not for it to say: about chats and users of others.
fn meddle(world: &mut World, index: usize) {
    world.worsen(index, Condition::Faulty);
    let other =
        world.users.iter().find(|user| user.stage == Stage::OnLine && user.link != world.users[index].link);
    let other = other.map(|user| (user.speech.role, user.speech.id.clone()));
    let link = world.users[index].link;
    let chat = world.ledger.others(link);
    world.with_user(index, |user, scene| {
        nonsense::meddle(user, other, chat, scene);
    });
    send_and_go(world, index);
    count(world, "meddlers");
}

/// The client sends that off, says nothing more, and is gone some time.
fn send_and_go(world: &mut World, index: usize) {
    world.send_up(index);
    (world.users[index].stage, world.users[index].since) = (Stage::Leaving, 0);
    world.asleep_until[index] = world.now + world.random.u64(1_000..100_000);
}
