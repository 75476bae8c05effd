//! What the two rosters share: users in a slab, found by id or by key in constant time.

use std::collections::HashMap;

use slab::Slab;

use super::id::UserId;

/// Where a user stands in its roster; valid until that user is removed.
pub type Key = u32;

/// Something that has a user id.
pub trait Identified {
    /// The id under which the roster finds it.
    fn id(&self) -> &UserId;
}

/// Users of one role.
#[derive(Debug)]
pub struct Roster<T> {
    users: Slab<T>,
    keys: HashMap<UserId, Key>,
}

impl<T> Default for Roster<T> {
    fn default() -> Roster<T> {
        Roster { users: Slab::new(), keys: HashMap::new() }
    }
}

impl<T: Identified> Roster<T> {
    /// Adds a user whose id is not on the roster.
    pub fn insert(&mut self, user: T) -> Key {
        let id = user.id().clone();
        let key = self.users.insert(user) as Key;
        let before = self.keys.insert(id, key);
        debug_assert!(before.is_none(), "an id on the roster twice");
        key
    }

    /// Takes a user off the roster.
    pub fn remove(&mut self, key: Key) -> T {
        let user = self.users.remove(key as usize);
        self.keys.remove(user.id());
        user
    }

    /// The key of the user with this id, in its text form.
    pub fn find(&self, id: &str) -> Option<Key> {
        self.keys.get(id).copied()
    }

    /// The user at a key that came from this roster.
    pub fn get(&self, key: Key) -> &T {
        &self.users[key as usize]
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: Key) -> &mut T {
        &mut self.users[key as usize]
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no user.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}
