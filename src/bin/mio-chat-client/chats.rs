//! The chats that are open, by the server's ids.

use std::collections::HashMap;
use std::time::Instant;

use slab::Slab;

use crate::protocols::ChatHandle;

/// One user's place in a chat.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// The user's index.
    pub user: usize,
    pub join_ref: u32,
}

/// A chat between two users, of whom one may belong to another process.
#[derive(Debug)]
pub struct Chat {
    pub id: Box<str>,
    pub teacher: Option<Side>,
    pub student: Option<Side>,
    /// Messages that the teacher sent, that the student has seen, and that the teacher has had an answer to.
    pub sent: u32,
    pub seen: u32,
    pub answered: u32,
    /// When the last message was sent, or should have been.
    pub sent_at: Instant,
    /// The teacher has asked for the end.
    pub terminating: bool,
    /// The pacer may send the next message.
    pub idle: bool,
}

impl Chat {
    /// The chat as the protocol wants to see it from one side.
    pub fn handle(&self, side: Side) -> ChatHandle<'_> {
        ChatHandle { id: &self.id, join_ref: side.join_ref }
    }
}

#[derive(Debug, Default)]
pub struct Chats {
    chats: Slab<Chat>,
    by_id: HashMap<Box<str>, usize>,
}

impl Chats {
    pub fn is_empty(&self) -> bool {
        self.chats.is_empty()
    }

    pub fn find(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The chat of that id, opened if need be.
    pub fn open(&mut self, id: &str, now: Instant) -> usize {
        if let Some(key) = self.find(id) {
            return key;
        }
        let key = self.chats.insert(Chat {
            id: id.into(),
            teacher: None,
            student: None,
            sent: 0,
            seen: 0,
            answered: 0,
            sent_at: now,
            terminating: false,
            idle: false,
        });
        self.by_id.insert(id.into(), key);
        key
    }

    pub fn get(&self, key: usize) -> &Chat {
        &self.chats[key]
    }

    pub fn get_mut(&mut self, key: usize) -> &mut Chat {
        &mut self.chats[key]
    }

    /// The chats in which a user has a place.
    pub fn of(&self, user: usize) -> Vec<usize> {
        let takes_part = |side: Option<Side>| side.is_some_and(|side| side.user == user);
        self.chats
            .iter()
            .filter(|(_, chat)| takes_part(chat.teacher) || takes_part(chat.student))
            .map(|(key, _)| key)
            .collect()
    }

    /// Forgets the chat once nobody of this process is in it.
    pub fn close_if_left(&mut self, key: usize) {
        let chat = &self.chats[key];
        if chat.teacher.is_none() && chat.student.is_none() {
            let chat = self.chats.remove(key);
            self.by_id.remove(&chat.id);
        }
    }
}
