//! What the chat has to do, kept in the most obvious way: slow, and easy to see the truth of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;
use mio_chat_server::chat::Limits;
use mio_chat_server::chat::command::{Command, CommandError};
use mio_chat_server::chat::event::Event;
use mio_chat_server::chat::id::{ClientId, Role, UserId};
use uuid::Uuid;

/// An event that was delivered, as far as the checks need it.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    NewChat { chat: Uuid, teacher: String, student: String },
    Ready(Uuid),
    Message { chat: Uuid, to: Role, payload: String },
    Terminated(Uuid),
    Status { students: usize },
}

impl From<&Event<'_>> for Told {
    fn from(event: &Event<'_>) -> Told {
        match *event {
            Event::NewChat { chat, teacher, student, .. } => {
                Told::NewChat { chat, teacher: teacher.text().into(), student: student.text().into() }
            }
            Event::ChatReady { chat, .. } => Told::Ready(chat),
            Event::Message { chat, to, payload } => Told::Message { chat, to, payload: payload.into() },
            Event::ChatTerminated { chat, .. } => Told::Terminated(chat),
            Event::Status(status) => Told::Status { students: status.students.total },
        }
    }
}

/// Who is told what.
pub type Events = Vec<(ClientId, Told)>;

/// A user by role and id.
pub type Name = (bool, String);

/// The name of a user.
pub fn name(role: Role, id: &str) -> Name {
    (role == Role::Teacher, id.into())
}

/// A chat in progress.
pub struct Chat {
    pub teacher: String,
    pub student: String,
    pub sent: u64,
    pub history: Vec<Kept>,
    /// The teacher, the student.
    entered: [bool; 2],
}

/// A message that is kept.
#[derive(Clone)]
pub struct Kept {
    pub sender: Role,
    pub payload: String,
    is_delivered: bool,
}

impl Kept {
    /// The bytes that it takes: 13 beside the payload.
    fn size(&self) -> usize {
        13 + self.payload.len()
    }
}

impl Chat {
    /// Keeps a message, if the oldest ones leave room that are delivered and older than any that is not.
    fn keep(&mut self, message: Kept, limit: usize) -> bool {
        let older = self.history.iter().take_while(|kept| kept.is_delivered).count();
        for dropped in 0..=older {
            let left = &self.history[dropped..];
            if left.iter().map(Kept::size).sum::<usize>() + message.size() <= limit {
                self.history.drain(..dropped);
                self.history.push(message);
                return true;
            }
        }
        if message.is_delivered {
            self.history.drain(..older);
        }
        false
    }

    pub fn party(&self, role: Role) -> &str {
        if role == Role::Teacher { &self.teacher } else { &self.student }
    }
}

/// Everything that has to be true.
pub struct Model {
    pub holders: BTreeMap<Name, ClientId>,
    pub ready: BTreeSet<String>,
    pub queue: VecDeque<String>,
    pub chats: BTreeMap<Uuid, Chat>,
    pub finished: u64,
    limits: Limits,
    ids: Rng,
}

impl Model {
    /// An empty house, whose chats get the ids that this generator gives.
    pub fn new(limits: Limits, ids: Rng) -> Model {
        Model {
            holders: BTreeMap::new(),
            ready: BTreeSet::new(),
            queue: VecDeque::new(),
            chats: BTreeMap::new(),
            finished: 0,
            limits,
            ids,
        }
    }

    /// What a command has to come to, which may be a message whose recipient has not joined.
    pub fn handle(
        &mut self,
        client: ClientId,
        command: &Command<'_>,
        is_undelivered: bool,
    ) -> (Result<(), CommandError>, Events) {
        let mut events = Events::new();
        (self.carry_out(client, command, is_undelivered, &mut events), events)
    }

    fn carry_out(
        &mut self,
        client: ClientId,
        command: &Command<'_>,
        is_undelivered: bool,
        events: &mut Events,
    ) -> Result<(), CommandError> {
        match command {
            Command::ConnectTeacher { user } => self.connect(client, Role::Teacher, user)?,
            Command::ConnectStudent { user } => self.connect(client, Role::Student, user)?,
            Command::StudentReady { user } => self.ready(client, user)?,
            Command::Disconnect { role, user } => {
                self.check_own(client, *role, user)?;
                self.leave(&name(*role, user.text()), events);
            }
            Command::ClaimStudent { teacher } => self.claim(client, teacher, events)?,
            Command::OpenChat { chat, role, user } => {
                self.check_party(client, *chat, *role)?;
                if self.chats[chat].party(*role) != user.text() {
                    return Err(CommandError::NotYourChat);
                }
            }
            Command::AwaitChat { role, user } => match self.holders.get(&name(*role, user.text())) {
                Some(holder) if *holder != client => return Err(CommandError::NotYourUser),
                _ => {}
            },
            Command::ListenToChat { chat, role: Some(role) } => self.check_party(client, *chat, *role)?,
            Command::ListenToChat { chat, role: None } => self
                .check_party(client, *chat, Role::Teacher)
                .or_else(|_| self.check_party(client, *chat, Role::Student))?,
            Command::EnterChat { chat, role } => self.enter(client, *chat, *role, events)?,
            Command::Send { chat, from, payload } => {
                self.check_party(client, *chat, *from)?;
                let to = from.other();
                let (limit, payload) = (self.limits.chat_history, (*payload).to_owned());
                let this = self.chats.get_mut(chat).unwrap();
                let kept = Kept { sender: *from, payload: payload.clone(), is_delivered: !is_undelivered };
                if !this.keep(kept, limit) && is_undelivered {
                    return Err(CommandError::HistoryFull);
                }
                this.sent += 1;
                if !is_undelivered {
                    events.push((self.holder(*chat, to), Told::Message { chat: *chat, to, payload }));
                }
            }
            Command::DeliverKept { chat, role } => {
                self.check_party(client, *chat, *role)?;
                for kept in &mut self.chats.get_mut(chat).unwrap().history {
                    if !kept.is_delivered && kept.sender != *role {
                        kept.is_delivered = true;
                        let payload = kept.payload.clone();
                        events.push((client, Told::Message { chat: *chat, to: *role, payload }));
                    }
                }
            }
            Command::Terminate { chat, by } => {
                self.check_party(client, *chat, *by)?;
                self.end(*chat, events);
            }
            Command::LeaveChat { chat, role } => {
                if self.check_party(client, *chat, *role).is_ok() {
                    self.end(*chat, events);
                }
            }
        }
        Ok(())
    }

    /// What has to follow when a client is gone.
    pub fn gone(&mut self, client: ClientId) -> Events {
        let mut events = Events::new();
        let leavers = self.holders.iter().filter(|(_, holder)| **holder == client);
        for name in leavers.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.leave(&name, &mut events);
        }
        events
    }

    /// How many messages of a chat wait for their recipient to join.
    pub fn undelivered(&self, chat: Uuid) -> usize {
        self.chats[&chat].history.iter().filter(|kept| !kept.is_delivered).count()
    }

    /// The client that holds one side of a chat.
    pub fn holder(&self, chat: Uuid, role: Role) -> ClientId {
        self.holders[&name(role, self.chats[&chat].party(role))]
    }

    fn connect(&mut self, client: ClientId, role: Role, user: &UserId) -> Result<(), CommandError> {
        let holder = *self.holders.entry(name(role, user.text())).or_insert(client);
        if holder == client { Ok(()) } else { Err(CommandError::IdInUse) }
    }

    fn ready(&mut self, client: ClientId, user: &UserId) -> Result<(), CommandError> {
        self.check_own(client, Role::Student, user)?;
        let id = user.text();
        if self.chats.values().any(|chat| chat.student == id) {
            return Err(CommandError::AlreadyChatting);
        }
        self.ready.insert(id.into());
        if !self.queue.iter().any(|waiting| waiting == id) {
            self.queue.push_back(id.into());
        }
        Ok(())
    }

    /// First come, first served; without room or without anybody who waits, nothing is said.
    fn claim(&mut self, client: ClientId, user: &UserId, events: &mut Events) -> Result<(), CommandError> {
        self.check_own(client, Role::Teacher, user)?;
        let teacher = user.text().to_owned();
        let chats = self.chats.values().filter(|chat| chat.teacher == teacher).count();
        if chats >= self.limits.students_per_teacher {
            return Ok(());
        }
        let Some(student) = self.queue.pop_front() else {
            return Ok(());
        };
        let chat = Uuid::from_u128(self.ids.u128(..));
        let told = Told::NewChat { chat, teacher: teacher.clone(), student: student.clone() };
        self.chats.insert(chat, Chat { teacher, student, sent: 0, history: Vec::new(), entered: [false; 2] });
        self.tell_both(chat, told, events);
        Ok(())
    }

    fn enter(
        &mut self,
        client: ClientId,
        chat: Uuid,
        role: Role,
        events: &mut Events,
    ) -> Result<(), CommandError> {
        self.check_party(client, chat, role)?;
        let entered = &mut self.chats.get_mut(&chat).unwrap().entered;
        let before = *entered;
        entered[role as usize] = true;
        if before != [true; 2] && *entered == [true; 2] {
            self.tell_both(chat, Told::Ready(chat), events);
        }
        Ok(())
    }

    fn leave(&mut self, name: &Name, events: &mut Events) {
        let (is_teacher, id) = name;
        let role = if *is_teacher { Role::Teacher } else { Role::Student };
        let chats = self.chats.iter().filter(|(_, chat)| chat.party(role) == id);
        for chat in chats.map(|(chat, _)| *chat).collect::<Vec<_>>() {
            self.end(chat, events);
        }
        if !is_teacher {
            self.queue.retain(|waiting| waiting != id);
            self.ready.remove(id);
        }
        self.holders.remove(name);
    }

    fn end(&mut self, chat: Uuid, events: &mut Events) {
        self.tell_both(chat, Told::Terminated(chat), events);
        self.chats.remove(&chat);
        self.finished += 1;
    }

    fn tell_both(&self, chat: Uuid, told: Told, events: &mut Events) {
        for role in [Role::Teacher, Role::Student] {
            events.push((self.holder(chat, role), told.clone()));
        }
    }

    fn check_own(&self, client: ClientId, role: Role, user: &UserId) -> Result<(), CommandError> {
        match self.holders.get(&name(role, user.text())) {
            None if role == Role::Teacher => Err(CommandError::UnknownTeacher),
            None => Err(CommandError::UnknownStudent),
            Some(holder) if *holder == client => Ok(()),
            Some(_) => Err(CommandError::NotYourUser),
        }
    }

    fn check_party(&self, client: ClientId, chat: Uuid, role: Role) -> Result<(), CommandError> {
        if !self.chats.contains_key(&chat) {
            return Err(CommandError::UnknownChat);
        }
        if self.holder(chat, role) == client { Ok(()) } else { Err(CommandError::NotYourChat) }
    }
}
