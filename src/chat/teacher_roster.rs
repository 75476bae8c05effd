//! The teachers who are on line, and the chats that each has.

use std::ops::Deref;

use super::chat_log::ChatKey;
use super::id::{ClientId, UserId};
use super::key_set::KeySet;
use super::roster::{Identified, Key, Roster};

/// Where a teacher stands in the roster.
pub type TeacherKey = Key;

/// A teacher who is on line.
#[derive(Debug)]
pub struct Teacher {
    pub id: UserId,
    /// The client that holds this user.
    pub client: ClientId,
    /// This teacher's place in the list of its client's users.
    pub place: u32,
    /// The teacher's active chats. Each chat knows its index here, so that it leaves in constant time.
    pub chats: Vec<ChatKey>,
}

impl Identified for Teacher {
    fn id(&self) -> &UserId {
        &self.id
    }
}

/// node-chat-server's `TeacherRoster`.
#[derive(Debug, Default)]
pub struct TeacherRoster {
    roster: Roster<Teacher>,
    /// All teachers, to be listed.
    listed: KeySet,
}

impl TeacherRoster {
    /// Adds a teacher whose id is not on the roster.
    pub fn insert(&mut self, teacher: Teacher) -> TeacherKey {
        let key = self.roster.insert(teacher);
        self.listed.insert(key);
        key
    }

    /// Takes a teacher off the roster.
    pub fn remove(&mut self, key: TeacherKey) -> Teacher {
        self.listed.remove(key);
        self.roster.remove(key)
    }

    /// Remembers where a teacher stands in the list of its client's users.
    pub fn set_place(&mut self, key: TeacherKey, place: u32) {
        self.roster.get_mut(key).place = place;
    }

    /// All teachers, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Teacher> {
        self.listed.iter().map(|key| self.roster.get(key))
    }

    /// Seats a chat with the teacher and returns the index.
    pub fn add_chat(&mut self, teacher: TeacherKey, chat: ChatKey) -> u32 {
        let chats = &mut self.roster.get_mut(teacher).chats;
        chats.push(chat);
        chats.len() as u32 - 1
    }

    /// Frees an index and returns the chat that was moved into it, if one was.
    pub fn remove_chat(&mut self, teacher: TeacherKey, teacher_index: u32) -> Option<ChatKey> {
        let chats = &mut self.roster.get_mut(teacher).chats;
        chats.swap_remove(teacher_index as usize);
        chats.get(teacher_index as usize).copied()
    }
}

impl Deref for TeacherRoster {
    type Target = Roster<Teacher>;

    fn deref(&self) -> &Roster<Teacher> {
        &self.roster
    }
}
