//! Which users each client holds: one connection may carry many, teachers and students together.

use std::collections::HashMap;

use super::id::ClientId;
use super::student_roster::StudentKey;
use super::teacher_roster::TeacherKey;

/// A user, as its client's list knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    Teacher(TeacherKey),
    Student(StudentKey),
}

/// The users of every client that holds any.
#[derive(Debug, Default)]
pub struct ClientRoster {
    clients: HashMap<ClientId, Vec<Member>>,
}

impl ClientRoster {
    /// The most users that one client may hold, so that one connection cannot fill the memory. The
    /// original load client over Socket.IO puts all of a process's users on one.
    pub const MAX_MEMBERS: usize = 65_536;

    /// Whether the client may hold one more.
    pub fn has_room(&self, client: ClientId) -> bool {
        self.members(client).len() < Self::MAX_MEMBERS
    }

    /// Adds a user to a client's list and returns the user's place in it.
    pub fn add(&mut self, client: ClientId, member: Member) -> u32 {
        // Most clients hold a single user, and a list of one should not reserve room for four.
        let members = self.clients.entry(client).or_insert_with(|| Vec::with_capacity(1));
        members.push(member);
        members.len() as u32 - 1
    }

    /// Removes the user at a place and returns the one that was moved there, if one was.
    pub fn remove(&mut self, client: ClientId, place: u32) -> Option<Member> {
        let members = self.clients.get_mut(&client)?;
        members.swap_remove(place as usize);
        let moved = members.get(place as usize).copied();
        if members.is_empty() {
            self.clients.remove(&client);
        }
        moved
    }

    /// The users that a client holds.
    pub fn members(&self, client: ClientId) -> &[Member] {
        self.clients.get(&client).map_or(&[], Vec::as_slice)
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
