//! Thousands of random commands by many users, most of which make sense.

use std::collections::HashSet;

use fastrand::Rng;
use mio_chat_server::chat::Limits;
use mio_chat_server::chat::command::{Command, CommandError};
use mio_chat_server::chat::event::{Deliver, Event};
use mio_chat_server::chat::id::{ClientId, Role, UserId};
use uuid::Uuid;

use super::checked::CheckedApp;
use super::model::name;

const USERS: u64 = 30;
const CLIENTS: u32 = 25;
const LIMITS: Limits = Limits { students_per_teacher: 3, status_interval: 50, chat_history: 100 };

/// Nobody listens: the app's witness has heard it all. A message is for those who have joined.
#[derive(Default)]
struct Nobody {
    joined: HashSet<(Uuid, Role)>,
}

impl Deliver for Nobody {
    fn deliver(&mut self, _: ClientId, event: &Event<'_>) -> bool {
        match *event {
            Event::Message { chat, to, .. } => self.joined.contains(&(chat, to)),
            _ => true,
        }
    }
}

struct Walk {
    app: CheckedApp,
    random: Rng,
    clients: Vec<ClientId>,
    generation: u32,
    now: u64,
    /// Chats of late, to try what must not work any more.
    known: Vec<Uuid>,
    nobody: Nobody,
    refused: u64,
    /// Messages that came when their recipient joined, and those for which there was no room until then.
    kept: u64,
    not_kept: u64,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let clients = (0..CLIENTS).map(|slot| ClientId { slot, generation: 0 }).collect();
        let random = Rng::with_seed(seed);
        let app = CheckedApp::new(seed ^ 1, LIMITS);
        Walk {
            app,
            random,
            clients,
            generation: 0,
            now: 1000,
            known: Vec::new(),
            nobody: Nobody::default(),
            refused: 0,
            kept: 0,
            not_kept: 0,
        }
    }

    fn step(&mut self) {
        self.now += self.random.u64(0..20);
        match self.random.u32(0..120) {
            0 | 1 => self.replace_client(),
            2..=50 => self.chat_command(),
            _ => self.presence_command(),
        }
        self.app.wake(self.now, &mut self.nobody);
        self.app.check_links(&self.clients);
    }

    /// A client goes, and another comes in its slot.
    fn replace_client(&mut self) {
        let index = self.random.usize(0..self.clients.len());
        let gone = self.clients[index];
        self.generation += 1;
        self.clients[index] = ClientId { slot: gone.slot, generation: self.generation };
        self.app.gone(gone, self.now, &mut self.nobody);
    }

    fn presence_command(&mut self) {
        let stranger = self.clients[self.random.usize(0..self.clients.len())];
        // Mostly what makes sense: a user on its own client.
        let id = self.random.u64(0..USERS).to_string();
        let role = if self.random.u32(0..4) == 0 { Role::Teacher } else { Role::Student };
        let holder = self.app.model.holders.get(&name(role, &id)).copied();
        let client = holder.filter(|_| self.random.u32(0..10) > 0).unwrap_or(stranger);
        let user = UserId::from(&*id);
        let command = match self.random.u32(0..9) {
            0 | 1 if role == Role::Teacher => Command::ConnectTeacher { user },
            0 | 1 => Command::ConnectStudent { user },
            2..=4 => Command::StudentReady { user },
            5 => Command::Disconnect { role, user },
            6 => Command::AwaitChat { role, user },
            _ => Command::ClaimStudent { teacher: user },
        };
        self.handle(client, command);
    }

    fn chat_command(&mut self) {
        let going_on: Vec<_> = self.app.model.chats.keys().copied().collect();
        self.known.extend(self.random.choice(&going_on));
        self.known.drain(..self.known.len().saturating_sub(5));
        let known = if self.random.u32(0..10) == 0 { &self.known } else { &going_on };
        let Some(&chat) = self.random.choice(known) else {
            return;
        };
        let role = if self.random.bool() { Role::Teacher } else { Role::Student };
        let goes_on = self.app.model.chats.get(&chat);
        let holder = goes_on.map(|_| self.app.model.holder(chat, role));
        let user = UserId::from(goes_on.map_or("nobody", |chat| chat.party(role)));
        let stranger = self.clients[self.random.usize(0..self.clients.len())];
        let client = holder.filter(|_| self.random.u32(0..8) > 0).unwrap_or(stranger);
        let payload = format!("{{\"n\":{}}}", self.now);
        let command = match self.random.u32(0..16) {
            0 | 1 => Command::OpenChat { chat, role, user },
            2 | 3 => Command::ListenToChat { chat, role: Some(role).filter(|_| self.random.bool()) },
            4..=6 => Command::EnterChat { chat, role },
            7 => Command::LeaveChat { chat, role },
            8 => Command::Terminate { chat, by: role },
            _ => Command::Send { chat, from: role, payload: &payload },
        };
        self.handle(client, command);
    }

    fn handle(&mut self, client: ClientId, command: Command<'_>) {
        let follow_up = command.follow_up();
        let result = self.app.handle(client, command, self.now, &mut self.nobody);
        self.refused += u64::from(result.is_err());
        self.not_kept += u64::from(result == Err(CommandError::HistoryFull));
        if let Some(command) = follow_up.filter(|_| result.is_ok())
            && let Command::DeliverKept { chat, role } = command
        {
            self.nobody.joined.insert((chat, role));
            let before = self.app.model.undelivered(chat);
            self.app.handle(client, command, self.now, &mut self.nobody).unwrap();
            self.kept += (before - self.app.model.undelivered(chat)) as u64;
        }
    }
}

/// Walks so many steps, then everybody leaves.
pub fn run(seed: u64, steps: u64) {
    println!("seed {seed}");
    let mut walk = Walk::new(seed);
    for _ in 0..steps {
        walk.step();
    }
    let (finished, refused) = (walk.app.model.finished, walk.refused);
    println!("{steps} steps: {finished} chats finished, {refused} commands refused");
    let (kept, not_kept) = (walk.kept, walk.not_kept);
    println!("{kept} messages came with a join, {not_kept} had no room until then");
    assert!(kept.min(not_kept) > steps / 500, "{kept} kept, {not_kept} not");
    assert!(finished > steps / 200 && refused > 0, "the walk went nowhere: {finished}, {refused}");
    while let Some(client) = walk.clients.pop() {
        walk.app.gone(client, walk.now, &mut walk.nobody);
    }
    walk.app.check_empty();
}
