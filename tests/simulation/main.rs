//! Thousands of random steps by many users on the pure core, without a socket: after each step the
//! rosters, the queue and the chats are held against a recount and against a slow, obvious model.
//!
//! `SIMULATION_SEED=7 cargo test --test simulation` repeats a run; `SIMULATION_STEPS` makes it longer.

mod model;

use std::collections::{HashMap, HashSet};

use fastrand::Rng;
use mio_chat_server::app::{App, Limits};
use mio_chat_server::command::Command;
use mio_chat_server::models::client_roster::Member;
use mio_chat_server::models::id::{ClientId, Role, UserId};
use mio_chat_server::models::student_roster::StudentState;
use model::{Chat, Mailbox, Model, Told};
use uuid::Uuid;

const STUDENTS_PER_TEACHER: usize = 3;
const USERS: u64 = 30;
const CLIENTS: u32 = 25;
const STATUS_INTERVAL: u64 = 50;

struct Simulation {
    app: App,
    random: Rng,
    clients: Vec<ClientId>,
    generation: u32,
    now: u64,
    model: Model,
    /// Chats that are over, to try what must not work any more.
    over: Vec<Uuid>,
    refused: u64,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let limits = Limits {
            students_per_teacher: STUDENTS_PER_TEACHER,
            status_interval: STATUS_INTERVAL,
            chat_history: 256,
        };
        let mut ids = Rng::with_seed(seed ^ 1);
        let app = App::new(limits, move || Uuid::from_u128(ids.u128(..)));
        let clients = (0..CLIENTS).map(|slot| ClientId { slot, generation: 0 }).collect();
        let random = Rng::with_seed(seed);
        let model = Model::default();
        Simulation { app, random, clients, generation: 0, now: 1000, model, over: Vec::new(), refused: 0 }
    }

    fn step(&mut self) {
        self.now += self.random.u64(0..20);
        if self.random.u32(0..60) == 0 {
            self.replace_client();
        } else {
            self.command();
        }
        let mut mailbox = Mailbox::default();
        self.app.wake(self.now, &mut mailbox);
        self.check_statuses(&mailbox);
        self.check_counts();
        self.check_links();
    }

    /// A client goes, and another comes in its slot.
    fn replace_client(&mut self) {
        let index = self.random.usize(0..self.clients.len());
        let gone = self.clients[index];
        self.generation += 1;
        self.clients[index] = ClientId { slot: gone.slot, generation: self.generation };
        let mut mailbox = Mailbox::default();
        self.app.gone(gone, self.now, &mut mailbox);
        let leavers: Vec<_> = self.model.holders.iter().filter(|(_, client)| **client == gone).collect();
        let leavers: Vec<_> = leavers.into_iter().map(|(key, _)| key.clone()).collect();
        let mut ended = HashSet::new();
        for (is_teacher, id) in leavers {
            ended.extend(self.forget(is_teacher, &id));
        }
        assert!(self.app.clients().members(gone).is_empty(), "a client that is gone holds nobody");
        self.check_endings(&mailbox, &ended, Some(gone));
    }

    fn command(&mut self) {
        let client = self.clients[self.random.usize(0..self.clients.len())];
        // Mostly what makes sense: a user on its own client, a chat that goes on.
        let id = self.random.u64(0..USERS).to_string();
        let is_teacher = self.random.u32(0..4) == 0;
        let holder = self.model.holders.get(&(is_teacher, id.clone())).copied();
        let client = holder.filter(|_| self.random.u32(0..10) > 0).unwrap_or(client);
        let user = UserId::from(&*id);
        let mut mailbox = Mailbox::default();
        match self.random.u32(0..12) {
            0 | 1 if is_teacher => self.connect(client, is_teacher, id, Command::ConnectTeacher { user }),
            0 | 1 => self.connect(client, is_teacher, id, Command::ConnectStudent { user }),
            2 | 3 => self.ready(client, id, user),
            4..=6 => self.claim(client, id, user),
            7 => {
                let role = if is_teacher { Role::Teacher } else { Role::Student };
                let result =
                    self.app.handle(client, Command::Disconnect { role, user }, self.now, &mut mailbox);
                assert_eq!(result.is_ok(), holder == Some(client));
                let ended = if result.is_ok() { self.forget(is_teacher, &id) } else { HashSet::new() };
                self.check_endings(&mailbox, &ended, None);
            }
            _ => self.chat_command(),
        }
    }

    fn connect(&mut self, client: ClientId, is_teacher: bool, id: String, command: Command<'_>) {
        let mut mailbox = Mailbox::default();
        let result = self.app.handle(client, command, self.now, &mut mailbox);
        let holder = *self.model.holders.entry((is_teacher, id)).or_insert(client);
        assert_eq!(result.is_ok(), holder == client, "an id belongs to one client at a time");
        assert!(mailbox.0.is_empty());
    }

    fn ready(&mut self, client: ClientId, id: String, user: UserId) {
        let mut mailbox = Mailbox::default();
        let result = self.app.handle(client, Command::StudentReady { user }, self.now, &mut mailbox);
        let is_held = self.model.holders.get(&(false, id.clone())) == Some(&client);
        let is_chatting = self.model.chats.values().any(|chat| chat.student == id);
        assert_eq!(result.is_ok(), is_held && !is_chatting);
        if result.is_ok() {
            self.model.ready.insert(id.clone());
            if !self.model.queue.contains(&id) {
                self.model.queue.push_back(id);
            }
        }
    }

    fn claim(&mut self, client: ClientId, id: String, teacher: UserId) {
        let mut mailbox = Mailbox::default();
        let result = self.app.handle(client, Command::ClaimStudent { teacher }, self.now, &mut mailbox);
        let is_held = self.model.holders.get(&(true, id.clone())) == Some(&client);
        assert_eq!(result.is_ok(), is_held);
        let has_room =
            self.model.chats.values().filter(|chat| chat.teacher == id).count() < STUDENTS_PER_TEACHER;
        if !is_held || !has_room || self.model.queue.is_empty() {
            return assert!(mailbox.0.is_empty(), "nothing happens and nothing is said");
        }
        let student = self.model.queue.pop_front().unwrap();
        let [(at_teacher, told), (at_student, same)] = &mailbox.0[..] else {
            panic!("both are told, and nobody else: {:?}", mailbox.0);
        };
        assert_eq!(told, same);
        assert_eq!((*at_teacher, *at_student), (client, self.model.holders[&(false, student.clone())]));
        let Told::NewChat { chat, teacher: told_teacher, student: told_student } = told else {
            panic!("a new chat, not {told:?}");
        };
        assert_eq!((told_teacher, told_student), (&id, &student), "first come, first served");
        self.model.chats.insert(*chat, Chat { teacher: id, student, sent: 0 });
    }

    fn chat_command(&mut self) {
        let ids: Vec<_> = self.model.chats.keys().chain(&self.over).copied().collect();
        let Some(&chat) = self.random.choice(&ids) else {
            return;
        };
        let role = if self.random.bool() { Role::Teacher } else { Role::Student };
        let known = self.model.chats.get(&chat);
        let holder = known.map(|chat| self.holder(chat, role));
        let stranger = self.clients[self.random.usize(0..self.clients.len())];
        let client = holder.filter(|_| self.random.u32(0..8) > 0).unwrap_or(stranger);
        let may = holder == Some(client);
        let mut mailbox = Mailbox::default();
        match self.random.u32(0..10) {
            0 | 1 => {
                let result =
                    self.app.handle(client, Command::EnterChat { chat, role }, self.now, &mut mailbox);
                assert_eq!(result.is_ok(), may);
                assert!(mailbox.0.is_empty() || mailbox.0.iter().all(|(_, told)| *told == Told::Ready(chat)));
                assert!([0, 2].contains(&mailbox.0.len()), "ready is for both");
            }
            2 => self.terminate(client, chat, role, may),
            _ => self.send(client, chat, role, may),
        }
    }

    fn send(&mut self, client: ClientId, chat: Uuid, from: Role, may: bool) {
        let mut mailbox = Mailbox::default();
        let payload = format!("{{\"n\":{}}}", self.now);
        let command = Command::Send { chat, from, payload: &payload };
        let result = self.app.handle(client, command, self.now, &mut mailbox);
        assert_eq!(result.is_ok(), may);
        if !may {
            self.refused += 1;
            return assert!(mailbox.0.is_empty());
        }
        let to = from.other();
        let recipient = self.holder(&self.model.chats[&chat], to);
        assert_eq!(mailbox.0, [(recipient, Told::Message { chat, to, payload })]);
        self.model.chats.get_mut(&chat).unwrap().sent += 1;
    }

    fn terminate(&mut self, client: ClientId, chat: Uuid, by: Role, may: bool) {
        let mut mailbox = Mailbox::default();
        let result = self.app.handle(client, Command::Terminate { chat, by }, self.now, &mut mailbox);
        assert_eq!(result.is_ok(), may);
        let mut ended = HashSet::new();
        if may {
            let at: Vec<_> = [Role::Teacher, Role::Student]
                .map(|role| self.holder(&self.model.chats[&chat], role))
                .into_iter()
                .collect();
            assert_eq!(mailbox.0.iter().map(|(client, _)| *client).collect::<Vec<_>>(), at);
            self.end(chat);
            ended.insert(chat);
        }
        self.check_endings(&mailbox, &ended, None);
    }

    fn holder(&self, chat: &Chat, role: Role) -> ClientId {
        let id = if role == Role::Teacher { &chat.teacher } else { &chat.student };
        self.model.holders[&(role == Role::Teacher, id.clone())]
    }

    fn end(&mut self, chat: Uuid) {
        self.model.chats.remove(&chat).expect("it went on");
        self.model.finished += 1;
        self.over.push(chat);
        self.over.drain(..self.over.len().saturating_sub(5));
    }

    /// Takes a user out of the model, and returns the chats that end by it.
    fn forget(&mut self, is_teacher: bool, id: &str) -> HashSet<Uuid> {
        self.model.holders.remove(&(is_teacher, id.to_owned()));
        if !is_teacher {
            self.model.queue.retain(|waiting| waiting != id);
            self.model.ready.remove(id);
        }
        let of_user = |chat: &Chat| if is_teacher { chat.teacher == id } else { chat.student == id };
        let ended: HashSet<_> =
            self.model.chats.iter().filter(|(_, chat)| of_user(chat)).map(|(id, _)| *id).collect();
        ended.iter().for_each(|&chat| self.end(chat));
        ended
    }

    /// Exactly these chats were told to be over, each twice; a client that is gone may still be named,
    /// since it is the connections that know it is.
    fn check_endings(&self, mailbox: &Mailbox, ended: &HashSet<Uuid>, gone: Option<ClientId>) {
        let mut count: HashMap<Uuid, u32> = HashMap::new();
        for (client, told) in &mailbox.0 {
            let Told::Terminated(chat) = told else {
                panic!("only endings: {told:?}");
            };
            assert!(self.clients.contains(client) || Some(*client) == gone, "told to one long gone");
            *count.entry(*chat).or_default() += 1;
        }
        assert_eq!(count, ended.iter().map(|chat| (*chat, 2)).collect());
    }

    fn check_statuses(&self, mailbox: &Mailbox) {
        let teachers: HashSet<_> =
            self.model.holders.iter().filter(|((is_teacher, _), _)| *is_teacher).map(|(_, c)| *c).collect();
        let told: HashSet<_> = mailbox.0.iter().map(|(client, _)| *client).collect();
        assert_eq!(told.len(), mailbox.0.len(), "one status for a client, however many teachers it has");
        assert!(told.is_subset(&teachers));
        for (_, told) in &mailbox.0 {
            assert_eq!(*told, Told::Status { students: self.model.ready.len() });
        }
    }

    fn check_counts(&self) {
        let status = self.app.models().status();
        let (chatting, waiting) = (self.model.chats.len(), self.model.queue.len());
        assert_eq!(status.students.total, self.model.ready.len());
        assert_eq!(status.students.waiting, waiting);
        assert_eq!(status.students.chatting, chatting);
        assert_eq!(status.students.finished, self.model.ready.len() - waiting - chatting);
        assert_eq!((status.chats.active, status.chats.finished), (chatting as u64, self.model.finished));
        let teachers = self.model.holders.keys().filter(|(is_teacher, _)| *is_teacher).count();
        assert_eq!(status.teachers.total, teachers);
        assert_eq!(self.app.models().students.len() + teachers, self.model.holders.len());
    }

    /// What points at each other does so in both directions.
    fn check_links(&self) {
        let models = self.app.models();
        let queue: Vec<_> =
            models.students.queue().map(|key| models.students.get(key).id.text().to_owned()).collect();
        assert_eq!(self.model.queue, queue, "the queue is in order");
        let mut students = HashSet::new();
        for (key, chat) in models.chats.iter() {
            assert!(students.insert(chat.student), "a student in two chats");
            assert_eq!(models.teachers.get(chat.teacher).chats[chat.seat as usize], key);
            assert_eq!(models.students.get(chat.student).state(), StudentState::Chatting(key));
            assert_eq!(chat.message_count, self.model.chats[&chat.id].sent);
        }
        for teacher in models.teachers.iter() {
            assert!(teacher.chats.len() <= STUDENTS_PER_TEACHER);
            assert!(self.clients.contains(&teacher.client), "a teacher of a client that is gone");
        }
        let mut members = 0;
        for &client in &self.clients {
            for (place, member) in self.app.clients().members(client).iter().enumerate() {
                let (holder, known) = match *member {
                    Member::Teacher(key) => (models.teachers.get(key).client, models.teachers.get(key).place),
                    Member::Student(key) => (models.students.get(key).client, models.students.get(key).place),
                };
                assert_eq!((holder, known as usize), (client, place));
                members += 1;
            }
        }
        assert_eq!(members, self.model.holders.len(), "nobody gone is known");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}

#[test]
fn random_users_never_break_the_house() {
    let steps = number("SIMULATION_STEPS").unwrap_or(20_000);
    let seeds = number("SIMULATION_SEED").map_or(1..=5, |seed| seed..=seed);
    for seed in seeds {
        println!("seed {seed}");
        let mut simulation = Simulation::new(seed);
        for _ in 0..steps {
            simulation.step();
        }
        let (finished, refused) = (simulation.model.finished, simulation.refused);
        println!("{steps} steps: {finished} chats finished, {refused} messages refused");
        assert!(finished > steps / 200 && refused > 0, "the walk went nowhere: {finished}, {refused}");
        while let Some(client) = simulation.clients.pop() {
            simulation.app.gone(client, simulation.now, &mut Mailbox::default());
        }
        assert!(simulation.app.clients().is_empty() && simulation.app.models().students.is_empty());
        assert_eq!(simulation.app.status().watchers(), 0);
    }
}
