//! Time, and all that happens in it: who acts when, what arrives when, when the server has its turns.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use fastrand::Rng;
use mio_chat_server::Millis;
use mio_chat_server::chat::id::Role;

use super::fault;
use super::figures::Figures;
use super::house::{House, LinkId, News};
use super::ledger::Ledger;
use super::network::{Piece, Pipe};
use super::speech::Kind;
use super::user::{Stage, User};

const TEACHERS: usize = 8;
const STUDENTS: usize = 48;
const START: Millis = 1_000_000;

/// What is to be expected of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Whatever others do, it is served.
    Healthy,
    /// It was silent for so long that the server may have given it up. What it hears is in order still.
    Doubtful,
    /// Its user has gone, or it is cut.
    Lost,
    /// It says what no client says.
    Faulty,
}

/// A connection as the network has it.
pub struct Link {
    pub user: usize,
    pub kind: Kind,
    pub condition: Condition,
    pub up: Pipe,
    pub down: Pipe,
}

/// Something that happens outside the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Something arrives at the server.
    Up(LinkId),
    /// Something arrives at a client.
    Down(LinkId),
    Act(usize),
    Fault,
}

pub struct World {
    pub now: Millis,
    pub random: Rng,
    pub house: House,
    pub links: Vec<Link>,
    pub users: Vec<User>,
    pub ledger: Ledger,
    pub figures: Figures,
    /// Until when each user is away or frozen.
    pub asleep_until: Vec<Millis>,
    /// When a user may be hit again.
    pub spared_until: Vec<Millis>,
    /// Until when the server does not run.
    pub stopped_until: Millis,
    /// For how long it has not run in all.
    pub stopped: Millis,
    pub is_over: bool,
    events: BinaryHeap<Reverse<(Millis, u64, Event)>>,
    sequence: u64,
    /// When the server has something to do by its timers.
    due: Option<Millis>,
    /// Connections for which something has arrived at the server.
    ready: BTreeSet<LinkId>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let random = Rng::with_seed(seed);
        let mut world = World {
            now: START,
            random,
            house: House::new(seed ^ 1, START),
            links: Vec::new(),
            users: Vec::new(),
            ledger: Ledger::default(),
            figures: Figures::default(),
            asleep_until: Vec::new(),
            spared_until: Vec::new(),
            stopped_until: 0,
            stopped: 0,
            is_over: false,
            events: BinaryHeap::new(),
            sequence: 0,
            due: None,
            ready: BTreeSet::new(),
        };
        for index in 0..TEACHERS + STUDENTS {
            let role = if index < TEACHERS { Role::Teacher } else { Role::Student };
            let id = world.new_id();
            world.users.push(User::new(Kind::ALL[index % 4], role, id));
            world.asleep_until.push(START + world.random.u64(0..60_000));
            world.spared_until.push(START);
            world.at(START, Event::Act(index));
        }
        world.at(START, Event::Fault);
        world
    }

    /// Lives on until the server has been awake for so long.
    pub fn run(&mut self, awake: Millis) {
        while self.awake() < awake {
            self.step();
        }
    }

    /// No more faults; everybody finishes and goes, and then nobody and nothing must be left.
    pub fn finish(&mut self) {
        self.is_over = true;
        self.run(self.awake() + 1_800_000);
        let left = self.users.iter().find(|user| user.stage != Stage::Away);
        assert!(left.is_none(), "still there: {left:?}");
        assert!(self.house.is_empty(), "the server has connections of nobody");
        self.house.app.check_empty();
        self.ledger.check_empty();
    }

    /// For how long the server has been running.
    pub fn awake(&self) -> Millis {
        self.now.max(self.stopped_until) - START - self.stopped
    }

    /// Another id, unlike all others: a number or a string.
    pub fn new_id(&mut self) -> String {
        let number = self.random.u64(1 << 40..1 << 53);
        if self.random.bool() { number.to_string() } else { format!("\"{number:x}\"") }
    }

    /// Lets something happen at this time.
    pub fn at(&mut self, time: Millis, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((time, self.sequence, event)));
    }

    /// The next thing that happens, be it a turn of the server or something outside it.
    fn step(&mut self) {
        let due = if self.ready.is_empty() { self.due } else { Some(self.now) };
        let turn = due.map_or(Millis::MAX, |due| due.max(self.stopped_until).max(self.now));
        let Some(&Reverse((time, _, event))) = self.events.peek() else { panic!("the world stands still") };
        // What arrives in the same moment is read before the timers have their turn.
        if turn < time {
            self.now = turn;
            return self.turn();
        }
        self.events.pop();
        self.now = time;
        match event {
            Event::Up(link) => {
                self.ready.insert(link);
            }
            Event::Down(link) => self.deliver(link),
            Event::Act(user) => self.act(user),
            Event::Fault if self.is_over => {}
            Event::Fault => {
                fault::strike(self);
                let slow = if self.stopped_until > self.now { 10 } else { 1 };
                let next = self.now + slow * self.random.u64(2_000..30_000);
                self.at(next, Event::Fault);
            }
        }
    }

    /// One turn of the server's loop: read, timers, write, accept.
    fn turn(&mut self) {
        self.figures.turns += 1;
        (self.house.now, self.house.awake) = (self.now, self.awake());
        let mut opened = Vec::new();
        for link in std::mem::take(&mut self.ready) {
            let mut bytes = Vec::new();
            while let Some(piece) = self.links[link].up.arrived(self.now) {
                match piece {
                    Piece::Bytes(piece) => bytes.extend(piece),
                    Piece::Open => {
                        opened.push(link);
                        break;
                    }
                    Piece::End => {
                        self.house.receive(link, &std::mem::take(&mut bytes));
                        self.house.end_of_input(link);
                    }
                }
            }
            self.house.receive(link, &bytes);
        }
        self.house.run_timers();
        self.take_news();
        self.write();
        for link in opened {
            self.house.accept(link, self.links[link].kind);
            self.ready.insert(link);
        }
        self.due = self.house.next_wakeup();
        if self.figures.turns.is_multiple_of(32) {
            self.house.check();
        }
    }

    fn write(&mut self) {
        for closed in std::mem::take(&mut self.house.closed) {
            let link = &self.links[closed.link];
            if closed.is_timeout {
                self.figures.timeouts += 1;
            }
            let may = link.condition > Condition::Healthy;
            assert!(may, "a healthy {:?} is closed: {}", link.kind, closed.reason);
            if self.users[link.user].link == closed.link
                && matches!(self.users[link.user].stage, Stage::Doomed(_))
            {
                assert!(!closed.is_timeout, "nonsense was not answered");
                self.figures.nonsense_closed += 1;
            }
            self.send_down(closed.link, &closed.outbound);
            let end = self.links[closed.link].down.push(Piece::End, self.now, &mut self.random);
            self.at(end, Event::Down(closed.link));
        }
        for (link, bytes) in self.house.flush() {
            self.send_down(link, &bytes);
        }
    }

    /// Chats that have begun or ended in this turn.
    fn take_news(&mut self) {
        for news in self.house.take_news() {
            match news {
                News::Begun(chat, links) => {
                    let conditions = links.map(|link| self.links[link].condition);
                    let is_gone = links.map(|link| !self.is_heard(link));
                    self.ledger.begin(chat, links, conditions[0].max(conditions[1]), is_gone);
                }
                News::Ended(chat) => self.ledger.end(chat),
            }
        }
    }

    /// Whether somebody still hears what comes over a connection.
    fn is_heard(&self, link: LinkId) -> bool {
        let Link { user, condition, .. } = self.links[link];
        self.users[user].link == link && condition != Condition::Lost
    }

    fn send_down(&mut self, link: LinkId, bytes: &[u8]) {
        for at in self.links[link].down.send(bytes, self.now, &mut self.random) {
            self.at(at, Event::Down(link));
        }
    }

    /// What has been so far.
    pub fn figures(self) -> Figures {
        Figures {
            lived: self.now - START,
            stopped: self.stopped,
            connections: self.links.len() as u64,
            refusals: self.house.refusals,
            chats: self.ledger.begun,
            messages: self.ledger.sent,
            delivered: self.ledger.delivered,
            healthy_chats: self.ledger.healthy,
            healthy_sent: self.ledger.healthy_sent,
            healthy_delivered: self.ledger.healthy_delivered,
            ..self.figures
        }
    }
}
