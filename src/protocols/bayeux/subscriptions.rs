//! The channels that one client has subscribed to, and the memory that they take.

use std::collections::HashSet;

use super::channel::Channel;
use crate::memory::Share;

/// The most channels that one client may have subscribed to at once: one that has as many users as one may have
/// subscribes to one for each.
const MAX: usize = 65_536;

/// What a client has subscribed to.
#[derive(Debug)]
pub struct Subscriptions {
    channels: HashSet<Channel>,
    /// Bytes of the channels' own allocations and of the table.
    share: Share,
}

impl Subscriptions {
    /// None yet. What they take counts towards `share`.
    pub fn new(share: Share) -> Subscriptions {
        Subscriptions { channels: HashSet::new(), share }
    }

    /// Whether so many more may come.
    pub fn has_room_for(&self, count: usize) -> bool {
        self.channels.len() + count <= MAX
    }

    /// Subscribes to these channels, some of which may be subscribed to already.
    pub fn add(&mut self, channels: Vec<Channel>) {
        let mut bytes = self.share.bytes() - self.table_memory();
        for channel in channels {
            let own = channel.memory();
            if self.channels.insert(channel) {
                bytes += own;
            }
        }
        self.share.set(bytes + self.table_memory());
    }

    /// Unsubscribes from those of these channels that are subscribed to. A table that is mostly vacant by that becomes
    /// smaller.
    pub fn remove(&mut self, channels: &[Channel]) {
        let mut bytes = self.share.bytes() - self.table_memory();
        for channel in channels {
            if let Some(channel) = self.channels.take(channel) {
                bytes -= channel.memory();
            }
        }
        if self.channels.len() < self.channels.capacity() / 8 {
            self.channels.shrink_to(self.channels.len() * 2);
        }
        self.share.set(bytes + self.table_memory());
    }

    /// Whether a channel is subscribed to.
    pub fn contains(&self, channel: &Channel) -> bool {
        self.channels.contains(channel)
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.share.bytes()
    }

    /// All channels, in no particular order.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.channels.iter()
    }

    /// Bytes of the table: an entry and a byte of metadata for each bucket, of which 7 in 8 can be used.
    fn table_memory(&self) -> usize {
        self.channels.capacity() * 8 / 7 * (size_of::<Channel>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::id::Role;
    use crate::memory::Memory;

    fn channels(numbers: std::ops::Range<usize>) -> Vec<Channel> {
        let id = |n: usize| format!("{n:0128}").as_str().into();
        numbers.map(|n| Channel::NewChat(Role::Student, id(n))).collect()
    }

    #[test]
    fn subscriptions_count_for_what_they_take_until_they_end() {
        let memory = Memory::new(0);
        let mut subscriptions = Subscriptions::new(memory.session_state_share());
        subscriptions.add(channels(0..1000));
        let full = memory.session_state();
        assert!((160_000..250_000).contains(&full), "{full}");
        // The same once more is nothing more.
        subscriptions.add(channels(0..1000));
        assert_eq!((memory.session_state(), subscriptions.memory()), (full, full));
        subscriptions.remove(&channels(0..2000));
        assert_eq!((memory.total(), memory.waiting()), (0, 0));
    }

    #[test]
    fn a_client_has_no_more_than_it_may() {
        let mut subscriptions = Subscriptions::new(Memory::new(0).session_state_share());
        assert!(subscriptions.has_room_for(MAX) && !subscriptions.has_room_for(MAX + 1));
        subscriptions.add(channels(0..2));
        assert!(subscriptions.has_room_for(MAX - 2) && !subscriptions.has_room_for(MAX - 1));
    }
}
