//! Who sent what to whom, and what of it came: the chats as their users see them.

use std::collections::{BTreeMap, VecDeque};

use mio_chat_server::chat::id::Role;
use serde_json::Value;
use uuid::Uuid;

use super::world::{Condition, SessionId};

/// A session that is none of the simulation's users: a garbled id came on line.
pub const UNKNOWN: SessionId = SessionId::MAX;

/// A chat, until both sides have done with it.
#[derive(Debug)]
pub struct Record {
    /// The sessions of the teacher and of the student.
    sessions: [SessionId; 2],
    /// No fault has touched either side since the chat began.
    pub is_healthy: bool,
    /// One of the two sends what it never meant to.
    is_garbled: bool,
    /// The server has ended it.
    pub is_over: bool,
    /// What was sent to each side and has not come.
    in_flight: [VecDeque<String>; 2],
    sent: u64,
    delivered: u64,
    /// Each side knows of the end, or is gone.
    is_done: [bool; 2],
}

/// All chats of the moment, and the sums of those of the past.
#[derive(Debug, Default)]
pub struct Ledger {
    chats: BTreeMap<Uuid, Record>,
    /// Chats that began and ended while one read was carried out: their ids are learned from those who are told of
    /// them, once each.
    unseen: u64,
    /// How many students have waited, one after the other.
    waiting: Vec<u64>,
    pub begun: u64,
    pub healthy: u64,
    pub healthy_sent: u64,
    pub healthy_delivered: u64,
    pub sent: u64,
    pub delivered: u64,
}

impl Ledger {
    /// The server has begun a chat between sessions of which the one is in the worse condition, or gone.
    pub fn begin(&mut self, chat: Uuid, sessions: [SessionId; 2], worst: Condition, is_done: [bool; 2]) {
        self.begun += 1;
        let record = Record {
            sessions,
            is_healthy: worst == Condition::Healthy,
            is_garbled: worst == Condition::Faulty,
            is_over: false,
            in_flight: Default::default(),
            sent: 0,
            delivered: 0,
            is_done,
        };
        assert!(self.chats.insert(chat, record).is_none(), "a chat begins once");
    }

    /// So many chats have begun and ended at once.
    pub fn begin_unseen(&mut self, count: u64) {
        self.begun += count;
        self.unseen += 2 * count;
    }

    /// So many students wait now.
    pub fn set_waiting(&mut self, count: u64) {
        if self.waiting.last() != Some(&count) {
            self.waiting.push(count);
        }
    }

    /// The moment in the history of those who wait.
    pub fn moment(&self) -> usize {
        self.waiting.len().saturating_sub(1)
    }

    /// A teacher is told that so many wait, who at this moment or before it was told something else. Returns the moment
    /// at which that was true.
    pub fn told_waiting(&self, last: usize, count: u64) -> usize {
        let found = self.waiting[last..].iter().position(|waiting| *waiting == count);
        last + found.unwrap_or_else(|| panic!("{count} never waited since: {:?}", &self.waiting[last..]))
    }

    /// The chats in progress at the server, by the ledger.
    pub fn in_progress(&self) -> impl Iterator<Item = Uuid> {
        self.chats.iter().filter(|(_, record)| !record.is_over).map(|(chat, _)| *chat)
    }

    /// The server has ended a chat.
    pub fn end(&mut self, chat: Uuid) {
        let record = self.chats.get_mut(&chat).expect("a chat that began");
        assert!(!record.is_over, "a chat ends once");
        record.is_over = true;
        self.settle(chat);
    }

    /// A fault has touched a session.
    pub fn spoil(&mut self, session: SessionId, is_garbled: bool) {
        for record in self.chats.values_mut().filter(|record| record.sessions.contains(&session)) {
            record.is_healthy = false;
            record.is_garbled |= is_garbled;
        }
    }

    /// Nothing more is received by a session.
    pub fn lose(&mut self, session: SessionId) {
        for chat in self.chats.keys().copied().collect::<Vec<_>>() {
            let record = self.chats.get_mut(&chat).unwrap();
            for side in 0..2 {
                record.is_done[side] |= record.sessions[side] == session;
            }
            self.settle(chat);
        }
    }

    /// A chat that is still to be heard of.
    pub fn get(&self, chat: Uuid) -> Option<&Record> {
        self.chats.get(&chat)
    }

    /// A chat in progress of others than this session.
    pub fn others(&self, session: SessionId) -> Option<Uuid> {
        let is_other = |record: &Record| !record.is_over && !record.sessions.contains(&session);
        self.chats.iter().find(|(_, record)| is_other(record)).map(|(chat, _)| *chat)
    }

    /// A user has sent a message off.
    pub fn send(&mut self, chat: Uuid, from: Role, payload: String) {
        let Some(record) = self.chats.get_mut(&chat) else {
            return;
        };
        record.sent += 1;
        self.sent += 1;
        record.in_flight[from.other() as usize].push_back(payload);
    }

    /// A message has come: it has to be the next one that was sent, as it was sent but for escapes.
    pub fn receive(&mut self, chat: Uuid, to: Role, session: SessionId, payload: &str) {
        let record = self.record(chat, to, session);
        record.delivered += 1;
        let next = record.in_flight[to as usize].pop_front();
        let is_garbled = record.is_garbled;
        self.delivered += 1;
        let value = |json: &str| serde_json::from_str::<Value>(json).expect("JSON");
        let is_next = next.as_ref().is_some_and(|next| next == payload || value(next) == value(payload));
        assert!(is_garbled || is_next, "{chat}: {payload} came in place of {next:?}");
    }

    /// A user was notified that a chat has begun, or is ready.
    pub fn notified(&mut self, chat: Uuid, role: Role, session: SessionId) {
        if !self.chats.contains_key(&chat) && self.unseen > 0 {
            self.unseen -= 1;
            let mut sessions = [UNKNOWN; 2];
            sessions[role as usize] = session;
            self.begun -= 1;
            self.begin(chat, sessions, Condition::Doubtful, sessions.map(|of| of == UNKNOWN));
            self.end(chat);
        }
        self.record(chat, role, session);
    }

    /// A user was notified that a chat is over. Whether it has received all that it was to.
    pub fn end_notified(&mut self, chat: Uuid, role: Role, session: SessionId, is_complete: bool) {
        let record = self.record(chat, role, session);
        assert!(record.is_over, "{chat} is said to be over and is not");
        if record.is_healthy {
            let lost = &record.in_flight[role as usize];
            assert!(lost.is_empty(), "{chat}: never came to the {role:?}: {lost:?}");
            assert!(is_complete, "{chat} ended before its users wanted");
        }
        record.is_done[role as usize] = true;
        self.settle(chat);
    }

    /// Both sides know of the end of each chat.
    pub fn check_empty(&self) {
        assert!(self.chats.is_empty(), "chats that never ended: {:?}", self.chats);
    }

    /// The chat that a user is notified of, which has to be its own and not be over for it.
    fn record(&mut self, chat: Uuid, role: Role, session: SessionId) -> &mut Record {
        let record = self.chats.get_mut(&chat).unwrap_or_else(|| panic!("{chat} is over for both sides"));
        let owner = &mut record.sessions[role as usize];
        if *owner == UNKNOWN && record.is_over {
            (*owner, record.is_done[role as usize]) = (session, false);
        }
        assert_eq!(record.sessions[role as usize], session, "{chat} is another's");
        assert!(!record.is_done[role as usize], "{chat} was over for the {role:?}");
        record
    }

    fn settle(&mut self, chat: Uuid) {
        let record = &self.chats[&chat];
        if !record.is_over || record.is_done != [true; 2] {
            return;
        }
        if record.is_healthy {
            assert_eq!(record.sent, record.delivered);
            self.healthy += 1;
            self.healthy_sent += record.sent;
            self.healthy_delivered += record.delivered;
        }
        self.chats.remove(&chat);
    }
}
