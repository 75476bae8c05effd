//! The I/O shell over the simulated network: what `server/` does with sockets, turn by turn, for the real endpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use mio_chat_server::Millis;
use mio_chat_server::endpoint::{ConnectionId, Endpoint, Next, Ready, Write};
use mio_chat_server::options::Options;
use uuid::Uuid;

use super::network::{Event, LinkId, Network, Piece};
use super::world::SessionId;

pub const MAX_MESSAGE: usize = 64 * 1024;
const MAX_CONNECTIONS: usize = 1000;
/// Turns in one millisecond after which the server is said to spin.
const MOST_TURNS: u32 = 10_000;

/// The server.
pub struct Shell {
    pub endpoint: Endpoint,
    /// By slot: the connection that the slot belongs to.
    links: Vec<Option<LinkId>>,
    /// Connections of which an event tells: whether it is that there is something to read, or room to write.
    events: BTreeMap<LinkId, (bool, bool)>,
    accepted: Vec<LinkId>,
    /// Up to when all input is read, and the same as of the last turn that accepted all that had come.
    read_until: Millis,
    accepted_until: Millis,
    /// Time of the last turn, and how many turns there have been at that time.
    last_turn: (Millis, u32),
}

/// What happened in a turn, as far as the world has to know.
pub trait Observer {
    /// Input of a session was carried out, or was not.
    fn received(&mut self, endpoint: &Endpoint, session: SessionId);
    /// Time or a write may have ended something.
    fn acted(&mut self, endpoint: &Endpoint);
    /// The server has closed a connection.
    fn closed(&mut self, link: LinkId);
}

impl Shell {
    pub fn new(seed: u64, now: Millis) -> Shell {
        let mut ids = fastrand::Rng::with_seed(seed);
        let new_id = move || Uuid::from_u128(ids.u128(..));
        let options = Options {
            students_per_teacher: 5,
            status_interval: Duration::from_millis(200),
            max_message_size: MAX_MESSAGE,
            max_memory: 64 << 20,
            ..Options::default()
        };
        Shell {
            endpoint: Endpoint::new(&options, MAX_CONNECTIONS, now, new_id, || None),
            links: vec![None; MAX_CONNECTIONS],
            events: BTreeMap::new(),
            accepted: Vec::new(),
            read_until: now,
            accepted_until: now,
            last_turn: (now, 0),
        }
    }

    /// Something has arrived at the server's kernel.
    pub fn arrived(&mut self, network: &mut Network, link: LinkId) {
        let now = network.now;
        let number = link;
        let link = &mut network.links[number];
        // What comes behind the opening is found when the connection is accepted.
        while !self.accepted.contains(&number)
            && let Some(piece) = link.up.arrived(now)
        {
            match piece {
                Piece::Open => self.accepted.push(number),
                Piece::Bytes(bytes) => link.received.extend(bytes),
                Piece::End => drop(link.ending.get_or_insert(piece)),
                Piece::Reset => {
                    link.received.clear();
                    link.ending = Some(piece);
                }
            }
        }
        if link.id.is_some() {
            self.events.entry(number).or_default().0 = true;
        }
    }

    /// The kernel takes output again.
    pub fn writable(&mut self, network: &Network, link: LinkId) {
        if network.links[link].id.is_some() {
            self.events.entry(link).or_default().1 = true;
        }
    }

    /// When the next turn is due.
    pub fn next_turn(&self, now: Millis) -> Option<Millis> {
        let is_due = !self.events.is_empty() || !self.accepted.is_empty() || self.endpoint.has_work();
        if is_due { Some(now) } else { self.endpoint.next_deadline() }
    }

    /// How many connections are open.
    pub fn open_links(&self) -> impl Iterator<Item = LinkId> {
        self.links.iter().flatten().copied()
    }

    /// One turn, in the order of the loop in `server/`.
    pub fn turn(&mut self, network: &mut Network, observer: &mut impl Observer) {
        let now = network.now;
        // The kernel was asked when the last turn was over, or after that, if the process was stopped in between.
        self.read_until = if network.random.bool() { self.last_turn.0 } else { now };
        self.count_turn(now);
        let left = self.endpoint.unread_len();
        let mut events: Vec<_> = std::mem::take(&mut self.events).into_iter().collect();
        network.random.shuffle(&mut events);
        for (link, (readable, writable)) in events {
            let Some(id) = network.links[link].id else { continue };
            let ended = network.links[link].ending.is_some();
            let is_late = network.random.u32(0..50) == 0;
            let ready = Ready { readable, writable, ended };
            if self.endpoint.ready(id, ready, is_late, now) == Next::Read {
                self.read(network, link, id, ended);
            }
            observer.received(&self.endpoint, network.links[link].session);
        }
        // Now and then there is no time for all of them.
        for _ in 0..part(self.endpoint.deferred_len(), network) {
            let next = self.endpoint.next_deferred();
            self.resume(network, next, observer);
        }
        for _ in 0..part(left, network) {
            let next = self.endpoint.next_unread();
            self.resume(network, next, observer);
        }
        self.endpoint.answer_waiting(now);
        let read_until = if self.accepted.is_empty() { self.read_until } else { self.accepted_until };
        while self.endpoint.tick(now, read_until) {}
        observer.acted(&self.endpoint);
        self.flush(network);
        while self.endpoint.uses_too_much() && self.endpoint.limit_memory(now) {}
        self.flush(network);
        observer.acted(&self.endpoint);
        let mut closed = Vec::new();
        self.endpoint.free_closed(|id| closed.push(id));
        for id in closed {
            let link = self.links[id.slot() as usize].take().expect("a connection that was accepted");
            (network.links[link].id, network.links[link].is_closed) = (None, true);
            observer.closed(link);
            network.server_shut(link);
        }
        self.accept(network);
    }

    fn count_turn(&mut self, now: Millis) {
        let (time, turns) = &mut self.last_turn;
        (*time, *turns) = if *time == now { (now, *turns + 1) } else { (now, 1) };
        assert!(*turns < MOST_TURNS, "the server spins");
        let uptime = Duration::from_millis(now);
        self.endpoint.metrics.loop_stats.end(uptime);
        self.endpoint.metrics.loop_stats.begin(uptime);
    }

    fn resume(&mut self, network: &mut Network, next: Option<ConnectionId>, observer: &mut impl Observer) {
        let Some(id) = next else { return };
        let link = self.links[id.slot() as usize].expect("a connection that was accepted");
        if self.endpoint.resume(id, network.now) == Next::Read {
            self.read(network, link, id, true);
        }
        observer.received(&self.endpoint, network.links[link].session);
    }

    /// Reads once, with a buffer of any size.
    fn read(&mut self, network: &mut Network, link: LinkId, id: ConnectionId, until_empty: bool) {
        let now = network.now;
        let size = match network.random.u32(0..20) {
            0 => 1 + network.random.usize(0..40),
            1 => 1 + network.random.usize(0..1000),
            _ => 64 * 1024,
        };
        let (number, awake) = (link, network.awake());
        let link = &mut network.links[link];
        let length = size.min(link.received.len());
        match link.ending {
            Some(Piece::Reset) => self.endpoint.lost(id, now),
            Some(_) if length == 0 => self.endpoint.input_ended(id, now),
            _ if length == 0 => self.endpoint.drained(id),
            _ => {
                let mut bytes: Vec<_> = link.received.drain(..length).collect();
                (link.read, link.read_at) = (link.read + length as u64, awake);
                log::trace!("{now} read from {number}: {length} bytes");
                self.endpoint.receive(id, &mut bytes, length == size || until_empty, now);
            }
        }
    }

    fn flush(&mut self, network: &mut Network) {
        let now = network.now;
        while let Some((id, output)) = self.endpoint.next_to_write(now) {
            let link = self.links[id.slot() as usize].expect("a connection that was accepted");
            let Some(length) = network.write(link, output) else {
                self.endpoint.lost(id, now);
                continue;
            };
            log::trace!("{now} written to {link}: {length} bytes of {}", output.len());
            let write = if length < output.len() { Write::Blocked(length) } else { Write::Done };
            if self.endpoint.written(id, write, u64::from(length > 0), now) == Next::Shut {
                network.server_shut(link);
            }
        }
    }

    /// Accepts what has come; what came behind it is read in the next turn.
    fn accept(&mut self, network: &mut Network) {
        let now = network.now;
        let count = part(self.accepted.len(), network);
        for link in self.accepted.drain(..count).collect::<Vec<_>>() {
            assert!(!self.endpoint.is_full());
            let id = self.endpoint.open([127, 0, 0, 1].into(), now);
            (network.links[link].id, network.links[link].read_at) = (Some(id), network.awake());
            let owner = self.links[id.slot() as usize].replace(link);
            assert_eq!(owner, None, "a slot is used again before it was freed");
            network.at(now, Event::Up(link));
        }
        if self.accepted.is_empty() {
            self.accepted_until = self.read_until;
        }
    }
}

/// All of so many, or some.
fn part(count: usize, network: &mut Network) -> usize {
    if network.random.u32(0..10) == 0 { network.random.usize(0..=count) } else { count }
}
