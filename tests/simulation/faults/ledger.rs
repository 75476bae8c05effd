//! Who sent what to whom, and what of it came: the chats as their users see them.

use std::collections::{BTreeMap, VecDeque};

use mio_chat_server::chat::id::Role;
use uuid::Uuid;

use super::house::LinkId;
use super::world::Condition;

/// A chat, until both sides have done with it.
#[derive(Debug)]
pub struct Record {
    /// The connections of the teacher and of the student.
    links: [LinkId; 2],
    /// No fault has touched either side since the chat began.
    pub is_healthy: bool,
    /// One of the two says what it never meant to.
    is_garbled: bool,
    /// The server has ended it.
    pub is_over: bool,
    /// What was sent to each side and has not come.
    under_way: [VecDeque<String>; 2],
    sent: u64,
    delivered: u64,
    /// Each side has been told of the end, or is past telling.
    is_done: [bool; 2],
}

/// All chats of the moment, and the sums of those of the past.
#[derive(Debug, Default)]
pub struct Ledger {
    chats: BTreeMap<Uuid, Record>,
    pub begun: u64,
    pub healthy: u64,
    pub healthy_sent: u64,
    pub healthy_delivered: u64,
    pub sent: u64,
    pub delivered: u64,
}

impl Ledger {
    /// The server has begun a chat between users of whom the one is in the worse condition, or past hearing.
    pub fn begin(&mut self, chat: Uuid, links: [LinkId; 2], worst: Condition, is_done: [bool; 2]) {
        self.begun += 1;
        let record = Record {
            links,
            is_healthy: worst == Condition::Healthy,
            is_garbled: worst == Condition::Faulty,
            is_over: false,
            under_way: Default::default(),
            sent: 0,
            delivered: 0,
            is_done,
        };
        assert!(self.chats.insert(chat, record).is_none(), "a chat begins once");
    }

    /// The server has ended a chat.
    pub fn end(&mut self, chat: Uuid) {
        let record = self.chats.get_mut(&chat).expect("a chat that began");
        assert!(!record.is_over, "a chat ends once");
        record.is_over = true;
        self.settle(chat);
    }

    /// A fault has touched a connection.
    pub fn spoil(&mut self, link: LinkId, is_garbled: bool) {
        for record in self.chats.values_mut().filter(|record| record.links.contains(&link)) {
            record.is_healthy = false;
            record.is_garbled |= is_garbled;
        }
    }

    /// Nothing more is heard over a connection.
    pub fn lose(&mut self, link: LinkId) {
        for chat in self.chats.keys().copied().collect::<Vec<_>>() {
            let record = self.chats.get_mut(&chat).unwrap();
            for side in 0..2 {
                record.is_done[side] |= record.links[side] == link;
            }
            self.settle(chat);
        }
    }

    /// A chat that is still to be heard of.
    pub fn get(&self, chat: Uuid) -> Option<&Record> {
        self.chats.get(&chat)
    }

    /// A chat in progress of others than this connection.
    pub fn others(&self, link: LinkId) -> Option<Uuid> {
        let is_other = |record: &Record| !record.is_over && !record.links.contains(&link);
        self.chats.iter().find(|(_, record)| is_other(record)).map(|(chat, _)| *chat)
    }

    /// A user has sent a message off.
    pub fn send(&mut self, chat: Uuid, from: Role, payload: String) {
        let Some(record) = self.chats.get_mut(&chat) else {
            return;
        };
        record.sent += 1;
        self.sent += 1;
        record.under_way[from.other() as usize].push_back(payload);
    }

    /// A message has come: it has to be the next one that was sent, as it was sent.
    pub fn receive(&mut self, chat: Uuid, to: Role, link: LinkId, payload: &str) {
        let record = self.record(chat, to, link);
        record.delivered += 1;
        let next = record.under_way[to as usize].pop_front();
        let is_garbled = record.is_garbled;
        self.delivered += 1;
        assert!(
            is_garbled || next.as_deref() == Some(payload),
            "{chat}: {payload} came in place of {next:?}"
        );
    }

    /// A user has been told that a chat has begun, or is ready.
    pub fn hear(&mut self, chat: Uuid, role: Role, link: LinkId) {
        self.record(chat, role, link);
    }

    /// A user has been told that a chat is over. Whether it was said all that was to be.
    pub fn hear_end(&mut self, chat: Uuid, role: Role, link: LinkId, is_complete: bool) {
        let record = self.record(chat, role, link);
        assert!(record.is_over, "{chat} is said to be over and is not");
        if record.is_healthy {
            let lost = &record.under_way[role as usize];
            assert!(lost.is_empty(), "{chat}: never came to the {role:?}: {lost:?}");
            assert!(is_complete, "{chat} ended before its users wanted");
        }
        record.is_done[role as usize] = true;
        self.settle(chat);
    }

    /// Both sides have heard of the end of each chat.
    pub fn check_empty(&self) {
        assert!(self.chats.is_empty(), "chats that never ended: {:?}", self.chats);
    }

    /// The chat that a user hears of, which has to be its own and still be heard of.
    fn record(&mut self, chat: Uuid, role: Role, link: LinkId) -> &mut Record {
        let record = self.chats.get_mut(&chat).unwrap_or_else(|| panic!("{chat} is nobody's any more"));
        assert_eq!(record.links[role as usize], link, "{chat} is another's");
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
