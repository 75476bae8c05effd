//! The teachers who are on line, and the chats that each has.

use std::ops::{Deref, DerefMut};

use super::chat_log::ChatKey;
use super::id::{ClientId, UserId};
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
    /// The teacher's active chats. Each chat knows its seat here, so that it leaves in constant time.
    pub chats: Vec<ChatKey>,
}

impl Identified for Teacher {
    fn id(&self) -> &UserId {
        &self.id
    }
}

/// node-chat-server's `TeacherRoster`.
#[derive(Debug, Default)]
pub struct TeacherRoster(Roster<Teacher>);

impl TeacherRoster {
    /// Seats a chat with the teacher and returns the seat.
    pub fn seat(&mut self, teacher: TeacherKey, chat: ChatKey) -> u32 {
        let chats = &mut self.0.get_mut(teacher).chats;
        chats.push(chat);
        chats.len() as u32 - 1
    }

    /// Frees a seat and returns the chat that was moved into it, if one was.
    pub fn unseat(&mut self, teacher: TeacherKey, seat: u32) -> Option<ChatKey> {
        let chats = &mut self.0.get_mut(teacher).chats;
        chats.swap_remove(seat as usize);
        chats.get(seat as usize).copied()
    }
}

impl Deref for TeacherRoster {
    type Target = Roster<Teacher>;

    fn deref(&self) -> &Roster<Teacher> {
        &self.0
    }
}

impl DerefMut for TeacherRoster {
    fn deref_mut(&mut self) -> &mut Roster<Teacher> {
        &mut self.0
    }
}
