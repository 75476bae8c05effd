//! The conversation that the load holds: who joins, waits, claims, speaks and leaves. No sockets here: texts come
//! in, frames go out through the `Outbox`.

mod events;
mod pinging;
mod teaching;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::chats::Chats;
use crate::messages::Words;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::pacer::Pacer;
use crate::protocols::{Identity, Mode, Protocol, Role};
use crate::stats::Stats;
use pinging::Pings;

/// How far a user has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not connected yet.
    Away,
    Joining,
    /// A teacher on the roster.
    Teaching,
    Waiting,
    Chatting,
    Leaving,
    /// Off the roster again.
    Gone,
    /// Its connection failed.
    Lost,
}

#[derive(Debug)]
pub struct User {
    pub identity: Identity,
    pub stage: Stage,
    /// Chats that a teacher holds.
    pub chats: usize,
    /// When a student last said that it is ready.
    pub ready_at: Instant,
    /// A student has had a whole chat.
    pub served: bool,
}

/// How many users have come how far.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub teachers_joined: usize,
    pub students_ready: usize,
    pub students_gone: usize,
    /// Teachers who have had the answers to all their pings.
    pub teachers_done: usize,
    pub teachers_lost: usize,
    pub students_lost: usize,
}

pub struct Conversation {
    protocol: Box<dyn Protocol>,
    pub users: Vec<User>,
    pub teachers: usize,
    pub counts: Counts,
    pub stats: Stats,
    pub outbox: Outbox,
    chats: Chats,
    pacer: Option<Pacer>,
    /// Chats whose next message waits for the pacer.
    idle_chats: VecDeque<usize>,
    /// One for each teacher in a run of pings, none in a conversation.
    pings: Vec<Pings>,
    /// Waiting students, as the last status said.
    waiting: Option<u64>,
    /// A status has said that no students are left.
    pub nobody_left: bool,
    /// Chats are to end, and students not to come back.
    closing: bool,
    message_count: u32,
    come_back: bool,
    students_per_teacher: usize,
    message_size: usize,
    claims: bool,
    text: String,
    words: Words,
}

impl Conversation {
    pub fn new(options: &Options, now: Instant) -> Self {
        let teacher = |i| (Role::Teacher, i);
        let student = |i| (Role::Student, i);
        let users = (0..options.teachers)
            .map(teacher)
            .chain((0..options.students).map(student))
            .map(|(role, i)| User {
                identity: Identity::new(role, options.id_start + 1 + i as u64),
                stage: Stage::Away,
                chats: 0,
                ready_at: now,
                served: false,
            })
            .collect::<Vec<_>>();
        let protocol = options.mode.protocol();
        let is_ping = options.mode == Mode::Ping;
        Self {
            words: Words::new(protocol.student_mark()),
            protocol,
            outbox: Outbox::new(users.len()),
            users,
            teachers: options.teachers,
            counts: Counts::default(),
            stats: Stats::new(now),
            chats: Chats::default(),
            // A round trip is two relayed messages, and the schedule is one of round trips.
            pacer: options.rate.map(|rate| Pacer::new(rate / 2.0)),
            idle_chats: VecDeque::new(),
            pings: vec![Pings::NONE; if is_ping { options.teachers } else { 0 }],
            waiting: None,
            nobody_left: false,
            closing: false,
            message_count: options.message_count.unwrap_or(u32::MAX),
            come_back: options.duration.is_some() && options.message_count.is_some(),
            students_per_teacher: options.students_per_teacher,
            message_size: options.message_size,
            claims: !options.idle && !is_ping,
            text: String::new(),
        }
    }

    /// A user's connection speaks WebSocket now.
    pub fn opened(&mut self, user: usize, now: Instant) {
        self.stats.last_progress = now;
        self.users[user].stage = Stage::Joining;
        self.say(user, |protocol, who, out| protocol.join(who, out));
    }

    /// How long a user's connection took until it spoke WebSocket.
    pub fn connect_time(&mut self, time: Duration) {
        crate::stats::record(&mut self.stats.connect, time);
    }

    /// A user's connection is gone before its time, or never came.
    pub fn lost(&mut self, user: usize, kind: &'static str, detail: String) {
        let User { identity, stage, .. } = &mut self.users[user];
        let (role, id) = (identity.role, identity.id);
        if matches!(stage, Stage::Gone | Stage::Lost) {
            return;
        }
        *stage = Stage::Lost;
        self.stats.error(kind, || format!("{role:?} {id}: {detail}"));
        match role {
            Role::Teacher => self.counts.teachers_lost += 1,
            Role::Student => self.counts.students_lost += 1,
        }
        for key in self.chats.of(user) {
            match role {
                Role::Teacher => self.chats.get_mut(key).teacher = None,
                Role::Student => self.chats.get_mut(key).student = None,
            }
            self.drop_if_left(key);
        }
    }

    /// Every student has left or failed, and every chat is over; or every ping is answered.
    pub fn is_over(&self) -> bool {
        if !self.pings.is_empty() {
            return self.counts.teachers_done + self.counts.teachers_lost == self.teachers;
        }
        let students = self.users.len() - self.teachers;
        if students == 0 {
            return self.nobody_left || (self.closing && self.chats.is_empty());
        }
        self.all_students_gone() && self.chats.is_empty()
    }

    pub fn all_students_gone(&self) -> bool {
        let students = self.users.len() - self.teachers;
        self.counts.students_gone + self.counts.students_lost == students
    }

    /// The time is up: chats end after the answer that they wait for.
    pub fn close(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.closing, true) {
            self.stats.last_progress = now;
            // Whoever has no students of its own cannot know when the last one is served.
            self.claims &= self.users.len() > self.teachers;
            while let Some(key) = self.idle_chats.pop_front() {
                self.terminate(key);
            }
        }
    }

    /// Keeps a connection alive, as the protocol's own client does.
    pub fn heartbeat(&mut self, user: usize) {
        if !matches!(self.users[user].stage, Stage::Away | Stage::Gone | Stage::Lost) {
            self.say(user, |protocol, who, out| protocol.heartbeat(who, out));
        }
    }

    /// How long until a paced message is due.
    pub fn next_send(&self, now: Instant) -> Option<Duration> {
        let next = self.pacer.as_ref()?.next()?;
        (!self.idle_chats.is_empty()).then(|| next.saturating_duration_since(now))
    }

    /// Where things stand, for a line that has to say why they stand still.
    pub fn standing(&self) -> String {
        let count = |stage| self.users.iter().filter(|user| user.stage == stage).count();
        format!(
            "{} of {} students served, {} waiting, {} chatting, {} users not connected, {} lost",
            self.stats.served,
            self.users.len() - self.teachers,
            count(Stage::Waiting),
            count(Stage::Chatting),
            count(Stage::Away) + count(Stage::Joining),
            count(Stage::Lost),
        )
    }

    fn say(&mut self, user: usize, write: impl FnOnce(&dyn Protocol, &mut Identity, &mut String)) {
        self.text.clear();
        write(&*self.protocol, &mut self.users[user].identity, &mut self.text);
        self.outbox.text(user, &self.text);
    }

    /// Says something in a chat, from one of its sides.
    fn say_in_chat(
        &mut self,
        key: usize,
        role: Role,
        write: impl FnOnce(&dyn Protocol, &mut Identity, crate::protocols::ChatHandle<'_>, &Words, &mut String),
    ) {
        let Self { protocol, users, chats, outbox, text, words, .. } = self;
        let chat = chats.get(key);
        let side = match role {
            Role::Teacher => chat.teacher,
            Role::Student => chat.student,
        };
        let Some(side) = side else { return };
        text.clear();
        write(&**protocol, &mut users[side.user].identity, chat.handle(side), words, text);
        outbox.text(side.user, text);
    }

    fn drop_if_left(&mut self, key: usize) {
        let chat = self.chats.get(key);
        if chat.idle && chat.teacher.is_none() {
            self.idle_chats.retain(|idle| *idle != key);
            self.chats.get_mut(key).idle = false;
        }
        self.chats.close_if_left(key);
    }
}
