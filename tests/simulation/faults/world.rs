//! Time, and all that happens in it: who acts when, what arrives when, when the server has its turns.

use std::collections::HashMap;

use mio_chat_server::Millis;
use mio_chat_server::chat::Chat;
use mio_chat_server::chat::id::{ClientId, Role, UserId};
use mio_chat_server::endpoint::Endpoint;
use uuid::Uuid;

use super::fault;
use super::figures::Figures;
use super::ledger::{Ledger, UNKNOWN};
use super::network::{Event, LinkId, Network};
use super::operator::Operator;
use super::shell::{Observer, Shell};
use super::user::{Stage, User};
use super::wire::Kind;

const TEACHERS: usize = 9;
const STUDENTS: usize = 45;
const START: Millis = 1_000_000;
/// How long the server may keep a connection whose client is gone, in its waking time.
const LONGEST_LOSS: Millis = 200_000;
/// How long the server waits for a client to close.
const CLOSE_TIMEOUT: Millis = 3_000;
/// How exact the server's timers are: a ping and the judgement on it may each be late by that.
const TICK: Millis = 100;
/// A turn that is this late comes after the process was stopped.
const JUMP: Millis = 1_000;

/// The number of a client's session, from its first connection to its last, which no other ever has.
pub type SessionId = usize;

/// What is to be expected of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Whatever others do, it is served.
    Healthy,
    /// It was silent for so long that the server may have given it up. What it receives is in order still.
    Doubtful,
    /// Its user has left, or it is cut.
    Lost,
    /// It sends what no client sends.
    Faulty,
}

/// A session as the world knows it.
#[derive(Debug)]
pub struct Session {
    pub user: usize,
    pub kind: Kind,
    role: Role,
    id: UserId,
    pub condition: Condition,
    /// Its user does not receive any more.
    pub has_left: bool,
    /// What the server calls it, once its user is on line.
    client: Option<ClientId>,
}

pub struct World {
    pub network: Network,
    pub shell: Shell,
    pub view: View,
    pub users: Vec<User>,
    pub operator: Operator,
    /// Until when each user is away or frozen.
    pub asleep_until: Vec<Millis>,
    /// When a user may be hit again.
    pub spared_until: Vec<Millis>,
    last_turn: Millis,
    pub is_over: bool,
}

/// What the world knows of sessions and chats, held against what the server has.
#[derive(Default)]
pub struct View {
    pub sessions: Vec<Session>,
    pub ledger: Ledger,
    pub figures: Figures,
    clients: HashMap<ClientId, SessionId>,
    /// Chats that had begun, and those that had ended, when last looked at.
    counts: (u64, u64),
    /// Connections that the server has closed in this turn.
    closed: Vec<LinkId>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut world = World {
            network: Network::new(seed, START),
            shell: Shell::new(seed ^ 1, START),
            view: View::default(),
            users: Vec::new(),
            operator: Operator::default(),
            asleep_until: Vec::new(),
            spared_until: Vec::new(),
            last_turn: START,
            is_over: false,
        };
        for index in 0..TEACHERS + STUDENTS {
            let role = if index < TEACHERS { Role::Teacher } else { Role::Student };
            let id = world.new_id();
            world.users.push(User::new(Kind::ALL[index % Kind::ALL.len()], role, id));
            world.asleep_until.push(START + world.network.random.u64(0..60_000));
            world.spared_until.push(START);
            world.network.at(START, Event::Act(index));
        }
        world.network.at(START, Event::Fault);
        world.network.at(START, Event::Visit);
        world
    }

    /// Goes on until the server has been awake for so long.
    pub fn run(&mut self, awake: Millis) {
        while self.network.awake() < awake {
            self.step();
        }
    }

    /// No more faults: all users finish and leave, and then nothing of them may be left.
    pub fn finish(&mut self) {
        self.is_over = true;
        self.run(self.network.awake() + 1_800_000);
        let left = self.users.iter().find(|user| user.stage != Stage::Away);
        assert!(left.is_none(), "still there: {left:?}");
        let links: Vec<_> = self.shell.open_links().collect();
        let left: Vec<_> = links.iter().map(|link| &self.network.links[*link]).collect();
        assert!(left.is_empty(), "the server has connections without a client: {left:?}");
        let chat = self.shell.endpoint.chat();
        let watchers = chat.status().watchers();
        assert!(
            chat.clients().is_empty() && watchers == 0,
            "users without a client: {:?}, {watchers} watchers",
            chat.clients()
        );
        assert!(chat.models().students.is_empty() && chat.models().teachers.is_empty());
        assert_eq!(chat.models().chats.iter().count() + chat.models().students.queue().count(), 0);
        self.view.ledger.check_empty();
        let page = self.operator.last_visit(&mut self.network, &mut self.shell);
        self.view.figures.take_metrics(&page);
    }

    /// The server is told to stop while users are online: it closes all connections in time, and answers all requests.
    pub fn stop(&mut self) {
        const DRAIN_TIMEOUT: Millis = 5_000;
        self.is_over = true;
        for session in 0..self.view.sessions.len() {
            self.worsen(session, Condition::Doubtful);
        }
        // It is not stopped by a signal while the process is.
        self.run(self.network.awake() + 1);
        assert!(!self.shell.endpoint.has_stopped());
        self.shell.endpoint.stop(DRAIN_TIMEOUT, self.network.now);
        self.run(self.network.awake() + DRAIN_TIMEOUT + 100);
        assert!(self.shell.endpoint.has_stopped(), "connections are left");
        let links = self.shell.open_links().map(|link| &self.network.links[link]);
        let left: Vec<_> = links.filter(|link| !link.is_http).collect();
        assert!(left.is_empty(), "WebSockets are left: {left:?}");
    }

    /// Another id, unlike all others: a number or a string.
    pub fn new_id(&mut self) -> String {
        let random = &mut self.network.random;
        let number = random.u64(1 << 40..1 << 53);
        if random.bool() { number.to_string() } else { format!("\"{number:x}\"") }
    }

    /// Begins a session of a user's.
    pub fn new_session(&mut self, user: usize, id: &str) -> SessionId {
        let User { wire, .. } = &self.users[user];
        let id = UserId::from(id.trim_matches('"'));
        let (kind, role, condition) = (wire.kind, wire.role, Condition::Healthy);
        self.view.sessions.push(Session { user, kind, role, id, condition, has_left: false, client: None });
        self.view.sessions.len() - 1
    }

    /// The next thing that happens, be it a turn of the server or something outside it.
    fn step(&mut self) {
        let turn = self.shell.next_turn(self.network.now).unwrap_or(Millis::MAX);
        let turn = turn.max(self.network.stopped_until).max(self.network.now);
        // What arrives in the same moment is read before the timers have their turn.
        let event = if turn < self.network.next() {
            self.network.now = turn;
            None
        } else {
            Some(self.network.take())
        };
        let Some(event) = event else {
            return self.turn();
        };
        match event {
            Event::Up(link) => self.shell.arrived(&mut self.network, link),
            Event::Down(link) => self.receive(link),
            Event::Act(user) => self.act(user),
            Event::Visit => {
                self.operator.visit(&mut self.network, self.is_over);
            }
            Event::Fault if self.is_over => {}
            Event::Fault => {
                fault::strike(self);
                let slow = if self.network.stopped_until > self.network.now { 10 } else { 1 };
                let next = self.network.now + slow * self.network.random.u64(2_000..30_000);
                self.network.at(next, Event::Fault);
            }
        }
    }

    fn turn(&mut self) {
        let now = self.network.now;
        self.view.figures.turns += 1;
        log::trace!(
            "turn at {now} (awake {}, stopped until {})",
            self.network.awake(),
            self.network.stopped_until
        );
        if now - self.last_turn > JUMP && self.network.stopped_until > self.last_turn {
            self.doubt_requests_in_flight();
        }
        self.last_turn = now;
        self.shell.turn(&mut self.network, &mut self.view);
        for link in std::mem::take(&mut self.view.closed) {
            self.closed(link);
        }
        if self.view.figures.turns.is_multiple_of(32) {
            self.check();
        }
    }

    /// A request of which a part arrives after the process was stopped may have timed out, and so may a session of
    /// which the client has not received all, or an upgrade.
    fn doubt_requests_in_flight(&mut self) {
        let links = self.network.links.iter().filter(|link| link.is_http && link.lost.is_none());
        let in_flight = links.filter(|link| link.up.is_carrying() || link.is_behind || link.is_probe);
        let sessions: Vec<_> = in_flight.map(|link| link.session).collect();
        for session in sessions.into_iter().filter(|session| *session != UNKNOWN) {
            self.worsen(session, Condition::Doubtful);
        }
    }

    /// The server has closed a connection.
    fn closed(&mut self, link: LinkId) {
        let link = &self.network.links[link];
        if let Some(session) = self.view.sessions.get(link.session) {
            let may_close = link.is_http || session.condition > Condition::Healthy;
            assert!(may_close, "a healthy {:?} is closed", session.kind);
        }
    }

    /// All that is to be true between turns.
    fn check(&self) {
        check_links(self.shell.endpoint.chat());
        for link in self.shell.open_links().map(|link| &self.network.links[link]) {
            let lost = link.lost.map_or(0, |since| self.network.awake() - since);
            assert!(lost <= LONGEST_LOSS, "not closed {lost} ms after its client: {link:?}");
            let session = self.view.sessions.get(link.session).filter(|_| !link.is_http);
            if let Some(longest) = session.and_then(|session| session.kind.longest_silence()) {
                let silence = self.network.awake() - link.read_at;
                assert!(silence <= longest + CLOSE_TIMEOUT + 3 * TICK, "silent for {silence} ms: {link:?}");
            }
        }
    }

    /// What has been so far.
    pub fn figures(self) -> Figures {
        let View { ledger, figures, .. } = self.view;
        Figures {
            duration: self.network.now - START,
            stopped: self.network.stopped,
            connections: self.network.links.len() as u64,
            counts: self.network.counts,
            chats: ledger.begun,
            messages: ledger.sent,
            delivered: ledger.delivered,
            healthy_chats: ledger.healthy,
            healthy_sent: ledger.healthy_sent,
            healthy_delivered: ledger.healthy_delivered,
            ..figures
        }
    }
}

impl View {
    /// A session's user does not receive any more.
    pub fn leave(&mut self, session: SessionId) {
        self.sessions[session].has_left = true;
        self.ledger.lose(session);
    }

    /// Whether a session's user still receives what comes.
    fn is_received(&self, session: SessionId) -> bool {
        self.sessions.get(session).is_some_and(|session| !session.has_left)
    }

    /// Notes the chats that have begun or ended since the last look.
    fn look(&mut self, chat: &Chat) {
        self.ledger.set_waiting(chat.models().status().students.waiting as u64);
        let counts = chat.models().chats.counts();
        if self.counts == (counts.total, counts.finished) {
            return;
        }
        let begun = counts.total - self.counts.0;
        self.counts = (counts.total, counts.finished);
        let models = chat.models();
        let active: Vec<_> = models.chats.iter().map(|(_, chat)| chat).collect();
        let is_active = |id: &Uuid| active.iter().any(|chat| chat.id == *id);
        for ended in self.ledger.in_progress().filter(|id| !is_active(id)).collect::<Vec<_>>() {
            self.ledger.end(ended);
        }
        let known: Vec<_> = self.ledger.in_progress().collect();
        let new: Vec<_> = active.iter().filter(|chat| !known.contains(&chat.id)).collect();
        for chat in &new {
            let sessions = [Role::Teacher, Role::Student].map(|role| {
                let (_, client) = models.participant(chat, role);
                self.clients.get(&client).copied().unwrap_or(UNKNOWN)
            });
            let condition = |session: SessionId| {
                self.sessions.get(session).map_or(Condition::Faulty, |session| session.condition)
            };
            let worst = condition(sessions[0]).max(condition(sessions[1]));
            let is_done = sessions.map(|session| !self.is_received(session));
            self.ledger.begin(chat.id, sessions, worst, is_done);
        }
        self.ledger.begin_unseen(begun - new.len() as u64);
    }
}

impl Observer for View {
    fn received(&mut self, endpoint: &Endpoint, session: SessionId) {
        let chat = endpoint.chat();
        if let Some(known) = self.sessions.get_mut(session)
            && known.client.is_none()
            && let Some(client) = chat.models().owner(known.role, &known.id)
            && !self.clients.contains_key(&client)
        {
            known.client = Some(client);
            self.clients.insert(client, session);
        }
        self.look(chat);
    }

    fn acted(&mut self, endpoint: &Endpoint) {
        self.look(endpoint.chat());
    }

    fn closed(&mut self, link: LinkId) {
        self.closed.push(link);
    }
}

/// What points at each other in the chat does so in both directions.
fn check_links(chat: &Chat) {
    use mio_chat_server::chat::student_roster::StudentState;
    let models = chat.models();
    for (key, chat) in models.chats.iter() {
        assert_eq!(models.teachers.get(chat.teacher).chats[chat.teacher_index as usize], key);
        assert_eq!(models.students.get(chat.student).state(), StudentState::Chatting(key));
    }
    for key in models.students.queue() {
        assert!(matches!(models.students.get(key).state(), StudentState::Waiting { .. }));
    }
    let chats = models.teachers.iter().map(|teacher| teacher.chats.len()).sum::<usize>();
    assert_eq!(chats, models.chats.iter().count());
    assert!(models.teachers.iter().all(|teacher| teacher.chats.len() <= 5));
}
