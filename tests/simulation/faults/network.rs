//! A network as bad as real ones: what is sent arrives in order, but late, in pieces, or not at all; and a peer that
//! does not read stops the sender.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use fastrand::Rng;
use mio_chat_server::Millis;
use mio_chat_server::endpoint::ConnectionId;

use super::world::SessionId;

/// The number of a connection, which no other ever has.
pub type LinkId = usize;

/// What comes out of a pipe at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A client connects.
    Open,
    Bytes(Vec<u8>),
    /// The sender has shut its side.
    End,
    /// The connection was reset.
    Reset,
}

/// Something that happens outside the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Something arrives at the server.
    Up(LinkId),
    /// Something arrives at a client.
    Down(LinkId),
    /// A user does the next thing.
    Act(usize),
    Fault,
    /// The operator looks at the server's pages.
    Visit,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Pipe {
    in_flight: VecDeque<(Millis, Piece)>,
    /// Nothing arrives before this, so that all arrives in order.
    not_before: Millis,
    latency: Millis,
    is_cut: bool,
}

impl Pipe {
    /// Takes the next piece that has arrived.
    pub fn arrived(&mut self, now: Millis) -> Option<Piece> {
        let (at, _) = self.in_flight.front()?;
        if *at <= now { self.in_flight.pop_front().map(|(_, piece)| piece) } else { None }
    }

    /// Whether something was sent that has not arrived.
    pub fn is_carrying(&self) -> bool {
        !self.in_flight.is_empty()
    }

    fn push(&mut self, piece: Piece, now: Millis, random: &mut Rng) -> Millis {
        let late = if random.u32(0..50) == 0 { random.u64(0..250) } else { random.u64(0..8) };
        let at = self.not_before.max(now + self.latency + late);
        self.not_before = at;
        self.in_flight.push_back((at, piece));
        at
    }

    /// Lets nothing through for a time. What has arrived already is there, read or not.
    fn stall(&mut self, now: Millis, until: Millis) {
        self.not_before = self.not_before.max(until);
        for (at, _) in self.in_flight.iter_mut().filter(|(at, _)| *at > now) {
            *at = until.max(*at);
        }
    }

    /// Loses all that is in flight behind some byte of it, and all that is sent from now on.
    fn cut(&mut self, now: Millis, random: &mut Rng) {
        self.is_cut = true;
        let arrived = self.in_flight.partition_point(|(at, _)| *at <= now);
        if arrived == self.in_flight.len() {
            return;
        }
        self.in_flight.truncate(random.usize(arrived + 1..=self.in_flight.len()));
        if let Some((_, Piece::Bytes(last))) = self.in_flight.back_mut() {
            last.truncate(random.usize(0..=last.len()));
        }
    }
}

/// A connection: both of its directions, and what each end knows of it.
#[derive(Debug)]
pub struct Link {
    pub session: SessionId,
    /// Carries HTTP, whose idle connections the server may close.
    pub is_http: bool,
    /// Is to become the WebSocket of a session that polls.
    pub is_probe: bool,
    pub up: Pipe,
    pub down: Pipe,
    /// Bytes that the server's kernel holds and those in flight to the client, and the most that they may be.
    unread: usize,
    window: usize,
    /// The server has more to write than it wrote last.
    pub is_behind: bool,
    /// The same, and no event has told it since that there is room again.
    is_blocked: bool,
    /// The client has closed it, or it is cut: since when, in the server's waking time.
    pub lost: Option<Millis>,
    /// The client does not read any more.
    is_deaf: bool,
    /// Bytes that the client sent, and that the server has read.
    pub sent: u64,
    pub read: u64,
    /// When the server last read some, in its waking time.
    pub read_at: Millis,
    /// The server's end: its name while it is open, and what its kernel holds of the client's bytes.
    pub id: Option<ConnectionId>,
    /// The server has closed it.
    pub is_closed: bool,
    pub received: VecDeque<u8>,
    /// Nothing comes behind the bytes received: the peer's end, or a reset.
    pub ending: Option<Piece>,
    pub has_shut: bool,
}

/// All connections that there have been, and what is going to happen.
pub struct Network {
    pub now: Millis,
    start: Millis,
    /// Until when the server does not run, and for how long it has not run in all.
    pub stopped_until: Millis,
    pub stopped: Millis,
    pub random: Rng,
    pub links: Vec<Link>,
    /// How often what has happened.
    pub counts: BTreeMap<&'static str, u64>,
    events: BinaryHeap<Reverse<(Millis, u64, Event)>>,
    sequence: u64,
}

impl Network {
    pub fn new(seed: u64, now: Millis) -> Network {
        let (random, start) = (Rng::with_seed(seed), now);
        Network {
            now,
            start,
            stopped_until: 0,
            stopped: 0,
            random,
            links: Vec::new(),
            counts: BTreeMap::new(),
            events: BinaryHeap::new(),
            sequence: 0,
        }
    }

    /// Counts that something has happened.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// For how long the server has been running.
    pub fn awake(&self) -> Millis {
        self.now.max(self.stopped_until) - self.start - self.stopped
    }

    /// Lets something happen at this time.
    pub fn at(&mut self, time: Millis, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((time, self.sequence, event)));
    }

    /// When the next thing happens.
    pub fn next(&self) -> Millis {
        let Some(Reverse((time, ..))) = self.events.peek() else { panic!("nothing happens any more") };
        *time
    }

    /// Takes the next thing that happens, when it happens.
    pub fn take(&mut self) -> Event {
        let Some(Reverse((time, _, event))) = self.events.pop() else { panic!("nothing happens any more") };
        self.now = time;
        event
    }

    /// Connects to the server.
    pub fn open(&mut self, session: SessionId) -> LinkId {
        let latency = self.random.u64(1..120);
        let pipe = || Pipe { latency, ..Pipe::default() };
        let window = if self.random.u32(0..10) == 0 { self.random.usize(1_000..8_000) } else { 100_000 };
        self.links.push(Link {
            session,
            is_http: true,
            is_probe: false,
            up: pipe(),
            down: pipe(),
            unread: 0,
            window,
            is_behind: false,
            is_blocked: false,
            lost: None,
            is_deaf: false,
            sent: 0,
            read: 0,
            read_at: 0,
            id: None,
            is_closed: false,
            received: VecDeque::new(),
            ending: None,
            has_shut: false,
        });
        let link = self.links.len() - 1;
        self.push_up(link, Piece::Open);
        link
    }

    /// Sends bytes to the server.
    pub fn send(&mut self, link: LinkId, bytes: &[u8]) {
        self.links[link].sent += bytes.len() as u64;
        for piece in self.split(bytes) {
            self.push_up(link, Piece::Bytes(piece));
        }
    }

    /// Sends no more to the server, and goes on to read.
    pub fn shut(&mut self, link: LinkId) {
        self.push_up(link, Piece::End);
    }

    /// Closes the client's end; the server learns of that now or, if more than its end is to be learned, by a reset.
    pub fn close(&mut self, link: LinkId) {
        let (awake, is_reset) = (self.awake(), self.random.u32(0..4) == 0);
        let Link { lost, is_deaf, is_blocked, .. } = &mut self.links[link];
        *is_deaf = true;
        if lost.replace(awake).is_none() {
            let piece = if is_reset || *is_blocked { Piece::Reset } else { Piece::End };
            self.push_up(link, piece);
        }
    }

    /// Nothing gets through any more. The server learns of it by a reset some time, or not at all.
    pub fn cut(&mut self, link: LinkId, is_told: bool) {
        let (now, awake, later) = (self.now, self.awake(), self.now + self.random.u64(0..20_000));
        let Link { up, down, lost, .. } = &mut self.links[link];
        up.cut(now, &mut self.random);
        down.cut(now, &mut self.random);
        lost.get_or_insert(awake);
        if is_told {
            let at = up.push(Piece::Reset, later, &mut self.random);
            self.at(at, Event::Up(link));
        }
    }

    /// Lets nothing through for a time, to the server, from it, or both.
    pub fn stall(&mut self, link: LinkId, until: Millis) {
        let (now, directions) = (self.now, self.random.u32(1..4));
        let Link { up, down, .. } = &mut self.links[link];
        if directions & 1 > 0 {
            up.stall(now, until);
        }
        if directions & 2 > 0 {
            down.stall(now, until);
        }
        self.at(until, Event::Up(link));
        self.at(until, Event::Down(link));
    }

    /// Writes as the server does, as much as the window has room for; `None` if the connection is known to be reset.
    pub fn write(&mut self, link: LinkId, bytes: &[u8]) -> Option<usize> {
        let Link { window, unread, is_deaf, ending, .. } = &mut self.links[link];
        if *ending == Some(Piece::Reset) {
            return None;
        }
        let length = bytes.len().min(window.saturating_sub(*unread));
        if *is_deaf {
            return Some(bytes.len());
        }
        *unread += length;
        for piece in self.split(&bytes[..length]) {
            self.push_down(link, Piece::Bytes(piece));
        }
        let is_blocked = length < bytes.len();
        if is_blocked {
            self.count("blocked writes");
        }
        (self.links[link].is_blocked, self.links[link].is_behind) = (is_blocked, is_blocked);
        Some(length)
    }

    /// The server shuts its side.
    pub fn server_shut(&mut self, link: LinkId) {
        if !std::mem::replace(&mut self.links[link].has_shut, true) {
            self.push_down(link, Piece::End);
        }
    }

    /// Takes the next piece that has arrived at a client. Whether the server can write again by that.
    pub fn read(&mut self, link: LinkId) -> Option<(Piece, bool)> {
        let Link { down, unread, window, is_blocked, .. } = &mut self.links[link];
        let piece = down.arrived(self.now)?;
        if let Piece::Bytes(bytes) = &piece {
            *unread -= bytes.len();
        }
        let is_unblocked = *is_blocked && *unread <= *window * 2 / 3;
        *is_blocked &= !is_unblocked;
        Some((piece, is_unblocked))
    }

    /// One piece, or several.
    fn split(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let largest = match self.random.u32(0..40) {
            0 => 1,
            1..=3 => 1 + self.random.usize(0..20),
            4..=9 => 1 + self.random.usize(0..200),
            _ => usize::MAX,
        };
        // Long input is not sent byte by byte, which would take most of the run.
        let largest = if bytes.len() > 2_000 { largest.max(bytes.len() / 2) } else { largest };
        bytes.chunks(largest.min(bytes.len()).max(1)).map(<[u8]>::to_vec).collect()
    }

    fn push_up(&mut self, link: LinkId, piece: Piece) {
        let Pipe { is_cut, .. } = self.links[link].up;
        if !is_cut {
            let at = self.links[link].up.push(piece, self.now, &mut self.random);
            self.at(at, Event::Up(link));
        }
    }

    fn push_down(&mut self, link: LinkId, piece: Piece) {
        let Pipe { is_cut, .. } = self.links[link].down;
        if !is_cut {
            let at = self.links[link].down.push(piece, self.now, &mut self.random);
            self.at(at, Event::Down(link));
        }
    }
}
