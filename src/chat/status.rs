//! When the counts are told to whom: node-chat-server's `publishStatus`, throttled.

use std::collections::BTreeMap;

use crate::Millis;
use crate::chat::chat_lifetime::Status;
use crate::chat::event::{Deliver, Event};
use crate::chat::id::ClientId;

/// The clients with a teacher, and whether they have a status to come.
///
/// A status is a snapshot: the first change arms it, the changes of the next interval go into the same
/// one. A teacher who connects is told only of changes that come after: the original load client ends
/// its run at the first status without students, and its teachers connect before any student does.
#[derive(Debug)]
pub struct StatusBoard {
    interval: Millis,
    due: Option<Millis>,
    changes: u64,
    watchers: BTreeMap<ClientId, Watcher>,
}

#[derive(Debug)]
struct Watcher {
    teachers: usize,
    /// The change up to which this client has no status to come.
    seen: u64,
}

impl StatusBoard {
    /// A board that tells at most one status each `interval` milliseconds.
    pub fn new(interval: Millis) -> StatusBoard {
        StatusBoard { interval, due: None, changes: 0, watchers: BTreeMap::new() }
    }

    /// A teacher has connected on this client.
    pub fn watch(&mut self, client: ClientId) {
        let seen = self.changes;
        self.watchers.entry(client).or_insert(Watcher { teachers: 0, seen }).teachers += 1;
    }

    /// A teacher of this client has left.
    pub fn unwatch(&mut self, client: ClientId) {
        if let Some(watcher) = self.watchers.get_mut(&client) {
            watcher.teachers -= 1;
            if watcher.teachers == 0 {
                self.watchers.remove(&client);
            }
        }
    }

    /// Something that a status shows has changed.
    pub fn changed(&mut self, now: Millis) {
        self.changes += 1;
        self.due.get_or_insert(now + self.interval);
    }

    /// When the next status is to be published.
    pub fn due(&self) -> Option<Millis> {
        self.due
    }

    /// Publishes the status if it is due.
    pub fn publish(&mut self, status: Status, now: Millis, out: &mut dyn Deliver) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = None;
        let changes = self.changes;
        let mut recipients = self.watchers.iter_mut().filter_map(|(&client, watcher)| {
            let missed = std::mem::replace(&mut watcher.seen, changes) < changes;
            missed.then_some(client)
        });
        out.broadcast(&mut recipients, &Event::Status(status));
    }

    /// How many clients have a teacher.
    pub fn watchers(&self) -> usize {
        self.watchers.len()
    }
}
