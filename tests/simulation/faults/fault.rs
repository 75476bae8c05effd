//! What goes wrong, one thing at a time for one user at a time.

use mio_chat_server::Millis;

use super::network::LinkId;
use super::nonsense;
use super::user::Stage;
use super::world::{Condition, World};

/// How long a client is left in peace after a fault.
const PEACE: Millis = 180_000;
/// Silence that every WebSocket here bears.
const SHORT: std::ops::Range<Millis> = 500..15_000;
/// Silence that an HTTP request bears.
const SHORT_REQUEST: std::ops::Range<Millis> = 500..3_000;
/// Silence that some bear, and some do not.
const LONG: std::ops::Range<Millis> = 20_000..300_000;

/// Lets something go wrong.
pub fn strike(world: &mut World) {
    let now = world.network.now;
    if world.network.random.u32(0..40) == 0 {
        return stop(world);
    }
    let index = world.network.random.usize(0..world.users.len());
    let is_spared = world.spared_until[index] > now || world.asleep_until[index] > now;
    if is_spared || !matches!(world.users[index].stage, Stage::Connecting | Stage::OnLine) {
        return;
    }
    world.spared_until[index] = now + PEACE;
    log::trace!("{now} a fault at {} over {:?}", world.users[index].wire.id, links(world, index));
    match world.network.random.u32(0..100) {
        0..=24 => stall(world, index, false),
        25..=39 => freeze(world, index, false),
        40..=48 => stall(world, index, true),
        49..=57 => freeze(world, index, true),
        58..=66 => cut(world, index, true),
        67..=76 => cut(world, index, false),
        77..=80 => half_close(world, index),
        81..=86 => breach(world, index),
        87..=93 => garble(world, index),
        _ => meddle(world, index),
    }
}

fn links(world: &World, index: usize) -> Vec<LinkId> {
    world.users[index].transport.as_ref().map_or(Vec::new(), |transport| transport.links())
}

/// The server's process is stopped, for a second or for hours; for it the clock jumps forward.
fn stop(world: &mut World) {
    if world.network.stopped_until > world.network.now {
        return;
    }
    let magnitude = 3.0 + world.network.random.f64() * 3.85;
    let length = 10f64.powf(magnitude) as Millis;
    world.network.stopped_until = world.network.now + length;
    world.network.stopped += length;
    world.network.count("clock jumps");
}

/// How long it takes; if that is too long for some protocol, the server may lose patience.
fn duration(world: &mut World, index: usize, is_long: bool) -> Millis {
    let session = world.users[index].session;
    if is_long {
        world.worsen(session, Condition::Doubtful);
    }
    let has_http = links(world, index).iter().any(|link| world.network.links[*link].is_http);
    let range = match is_long {
        true => LONG,
        false if has_http => SHORT_REQUEST,
        false => SHORT,
    };
    let length = world.network.random.u64(range);
    world.spared_until[index] += length;
    world.network.now + length
}

/// Nothing gets through in one direction or in both.
fn stall(world: &mut World, index: usize, is_long: bool) {
    let until = duration(world, index, is_long);
    for link in links(world, index) {
        world.network.stall(link, until);
    }
    world.network.count(if is_long { "long stalls" } else { "stalls" });
}

/// The client neither reads nor sends.
fn freeze(world: &mut World, index: usize, is_long: bool) {
    world.asleep_until[index] = duration(world, index, is_long);
    world.network.count(if is_long { "long freezes" } else { "freezes" });
}

/// The connections are cut in the middle of whatever is in flight. The server is told, or has to find out.
fn cut(world: &mut World, index: usize, is_told: bool) {
    for link in links(world, index) {
        world.network.cut(link, is_told);
    }
    world.lose(index);
    world.network.count(if is_told { "resets" } else { "vanished clients" });
}

/// The client shuts its side of each connection, and does not close.
fn half_close(world: &mut World, index: usize) {
    let session = world.users[index].session;
    world.worsen(session, Condition::Lost);
    world.view.leave(session);
    for link in links(world, index) {
        world.network.shut(link);
    }
    (world.users[index].stage, world.users[index].since) = (Stage::Leaving, world.network.awake());
    world.network.count("half-closes");
}

/// The client sends what breaks its protocol: the server has to close.
fn breach(world: &mut World, index: usize) {
    let session = world.users[index].session;
    world.worsen(session, Condition::Faulty);
    world.with_user(index, |user, scene| {
        let link = nonsense::breach(user, scene.network);
        user.stage = Stage::Doomed(link, scene.network.awake());
    });
    world.network.count("breaches");
}

/// The client sends something garbled: whatever the server makes of it must not touch others.
fn garble(world: &mut World, index: usize) {
    let session = world.users[index].session;
    world.worsen(session, Condition::Faulty);
    world.with_user(index, |user, scene| nonsense::garble(user, scene.network));
    leave_later(world, index);
    world.network.count("garbled clients");
}

/// The client sends what is not its right: in chats and for users of others.
fn meddle(world: &mut World, index: usize) {
    let session = world.users[index].session;
    // Of a session that is not on line yet, the world could not tell what it does from what another does.
    if world.users[index].stage != Stage::OnLine {
        return;
    }
    world.worsen(session, Condition::Faulty);
    let other = world.users.iter().find(|user| user.stage == Stage::OnLine && user.session != session);
    let other = other.map(|user| (user.wire.role, user.wire.id.clone()));
    let chat = world.view.ledger.others(session);
    world.with_user(index, |user, scene| nonsense::meddle(user, other, chat, scene));
    leave_later(world, index);
    world.network.count("meddlers");
}

/// The client sends nothing more, and closes some time.
fn leave_later(world: &mut World, index: usize) {
    (world.users[index].stage, world.users[index].since) = (Stage::Leaving, 0);
    world.asleep_until[index] = world.network.now + world.network.random.u64(1_000..100_000);
}
