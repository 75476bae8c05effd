//! Which users each client holds: one connection may carry many, teachers and students together.

use std::collections::HashMap;

use super::id::{ClientId, UserId};
use super::student_roster::StudentKey;
use super::teacher_roster::TeacherKey;
use crate::memory::{Memory, Share};

/// A user, as its client's list knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    Teacher(TeacherKey),
    Student(StudentKey),
}

/// The users of one client, and the memory that they take.
#[derive(Debug)]
struct Members {
    list: Vec<Member>,
    share: Share,
}

/// The users of every client that holds any.
#[derive(Debug)]
pub struct ClientRoster {
    clients: HashMap<ClientId, Members>,
    memory: Memory,
}

impl ClientRoster {
    /// The most users that one client may hold, so that one connection cannot fill the memory. The
    /// original load client over Socket.IO puts all of a process's users on one.
    pub const MAX_MEMBERS: usize = 65_536;

    /// No clients yet. The users of those that come count towards `memory`, as session state.
    pub fn new(memory: &Memory) -> ClientRoster {
        ClientRoster { clients: HashMap::new(), memory: memory.clone() }
    }

    /// Whether the client may hold one more.
    pub fn has_room(&self, client: ClientId) -> bool {
        self.members(client).len() < Self::MAX_MEMBERS
    }

    /// Adds a user, who has this id, to a client's list and returns the user's place in it.
    pub fn add(&mut self, client: ClientId, member: Member, id: &UserId) -> u32 {
        // Most clients hold a single user, and a list of one should not reserve room for four.
        let members = self.clients.entry(client).or_insert_with(|| Members {
            list: Vec::with_capacity(1),
            share: self.memory.session_state_share(),
        });
        members.list.push(member);
        members.share.set(members.share.bytes() + user_memory(id));
        members.list.len() as u32 - 1
    }

    /// Removes the user at a place, who has this id, and returns the one that was moved there, if one was.
    pub fn remove(&mut self, client: ClientId, place: u32, id: &UserId) -> Option<Member> {
        let members = self.clients.get_mut(&client)?;
        members.list.swap_remove(place as usize);
        members.share.set(members.share.bytes() - user_memory(id));
        let moved = members.list.get(place as usize).copied();
        if members.list.is_empty() {
            self.clients.remove(&client);
        }
        moved
    }

    /// The users that a client holds.
    pub fn members(&self, client: ClientId) -> &[Member] {
        self.clients.get(&client).map_or(&[], |members| members.list.as_slice())
    }

    /// Bytes of memory that a client's users take.
    pub fn memory(&self, client: ClientId) -> usize {
        self.clients.get(&client).map_or(0, |members| members.share.bytes())
    }

    /// How many clients hold a user.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether no client holds a user.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

/// Bytes of memory that a user with this id takes: in the roster, in the roster's index, in the list of its client,
/// in the topic that it has joined and in a chat, with what these containers have reserved.
fn user_memory(id: &UserId) -> usize {
    const OVERHEAD: usize = 288;
    id.memory() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_count_for_as_long_as_a_client_holds_them() {
        let memory = Memory::new(0);
        let mut roster = ClientRoster::new(&memory);
        let client = ClientId { slot: 0, generation: 0 };
        let ids = [UserId::from("x".repeat(128).as_str()), UserId::from(7)];
        for (key, id) in ids.iter().enumerate() {
            assert_eq!(roster.add(client, Member::Student(key as u32), id), key as u32);
        }
        let both = ids.iter().map(user_memory).sum::<usize>();
        assert_eq!((roster.memory(client), memory.session_state(), memory.waiting()), (both, both, 0));
        assert_eq!(roster.remove(client, 0, &ids[0]), Some(Member::Student(1)));
        assert_eq!(roster.memory(client), user_memory(&ids[1]));
        assert_eq!(roster.remove(client, 0, &ids[1]), None);
        assert_eq!((roster.memory(client), memory.total()), (0, 0));
    }
}
