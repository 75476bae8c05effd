//! The chats in progress and their messages. Of a chat that is finished only the count remains.

use std::collections::{HashMap, VecDeque};

use slab::Slab;
use uuid::Uuid;

use super::id::{RandomIds, Role};
use super::key_set::KeySet;
use super::student_roster::StudentKey;
use super::teacher_roster::TeacherKey;
use crate::Millis;
use crate::memory::{Memory, Share};

/// Where a chat stands in the log; valid until it is finished.
pub type ChatKey = u32;

/// A chat in progress.
#[derive(Debug)]
pub struct ActiveChat {
    pub id: Uuid,
    pub teacher: TeacherKey,
    pub student: StudentKey,
    /// The chat's place among its teacher's chats.
    pub teacher_index: u32,
    pub teacher_entered: bool,
    pub student_entered: bool,
    /// Messages sent in this chat so far, also those that the history has dropped.
    pub message_count: u64,
    history: History,
}

impl ActiveChat {
    /// Marks one side as having entered; true if the chat became ready by that.
    pub fn enter(&mut self, role: Role) -> bool {
        let ready = self.is_ready();
        match role {
            Role::Teacher => self.teacher_entered = true,
            Role::Student => self.student_entered = true,
        }
        !ready && self.is_ready()
    }

    /// Whether both sides have entered.
    pub fn is_ready(&self) -> bool {
        self.teacher_entered && self.student_entered
    }

    /// Takes what is kept for a side that had not joined its chat when it was sent, oldest first. It stays in the
    /// history, as delivered.
    pub fn take_undelivered(&mut self, to: Role) -> Vec<String> {
        self.history.take_undelivered(to)
    }

    /// The messages that are still kept, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = Message> {
        self.history.iter()
    }
}

/// Chats by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ChatCounts {
    pub total: u64,
    pub active: u64,
    pub finished: u64,
}

/// node-chat-server's `ChatLog`.
#[derive(Debug)]
pub struct ChatLog {
    chats: Slab<ActiveChat>,
    /// All chats in progress, to be listed.
    listed: KeySet,
    keys: HashMap<Uuid, ChatKey, RandomIds>,
    finished: u64,
    messages: u64,
    history_limit: usize,
    /// The memory of all histories, and how much that may be.
    share: Share,
    share_limit: usize,
}

impl ChatLog {
    /// A log that keeps at most `history_limit` bytes of messages a chat, and of all chats together at most half of
    /// what `memory` allows for all that waits.
    pub fn new(history_limit: usize, memory: &Memory) -> ChatLog {
        ChatLog {
            chats: Slab::new(),
            listed: KeySet::default(),
            keys: HashMap::default(),
            finished: 0,
            messages: 0,
            history_limit,
            share: memory.share(),
            share_limit: memory.limit() / 2,
        }
    }

    /// Begins a chat under an id that no chat in progress has.
    pub fn begin(&mut self, id: Uuid, teacher: TeacherKey, student: StudentKey) -> ChatKey {
        let key = self.chats.insert(ActiveChat {
            id,
            teacher,
            student,
            teacher_index: 0,
            teacher_entered: false,
            student_entered: false,
            message_count: 0,
            history: History::default(),
        }) as ChatKey;
        self.keys.insert(id, key);
        self.listed.insert(key);
        key
    }

    /// Ends a chat: it is counted and forgotten.
    pub fn finish(&mut self, key: ChatKey) -> ActiveChat {
        let chat = self.chats.remove(key as usize);
        self.keys.remove(&chat.id);
        self.listed.remove(key);
        self.share.set(self.share.bytes() - chat.history.bytes.capacity());
        self.finished += 1;
        chat
    }

    /// Appends a message that was delivered to a chat's history, dropping the oldest ones to make room.
    pub fn append(&mut self, key: ChatKey, sender: Role, sent: Millis, payload: &str) {
        self.append_to_history(key, sender, sent, payload, true);
        self.chats[key as usize].message_count += 1;
        self.messages += 1;
    }

    fn append_to_history(
        &mut self,
        key: ChatKey,
        sender: Role,
        sent: Millis,
        payload: &str,
        is_delivered: bool,
    ) -> bool {
        let limit = if self.share.bytes() < self.share_limit { self.history_limit } else { 0 };
        let history = &mut self.chats[key as usize].history;
        let before = history.bytes.capacity();
        let is_appended = history.append(sender, sent, payload, is_delivered, limit);
        if limit < self.history_limit {
            history.bytes.shrink_to_fit();
        }
        self.share.set(self.share.bytes() - before + history.bytes.capacity());
        is_appended
    }

    /// Keeps a message in a chat's history until it can be delivered. False, and nothing is changed, if there is
    /// no room for it: what is undelivered is not dropped.
    pub fn keep(&mut self, key: ChatKey, sender: Role, sent: Millis, payload: &str) -> bool {
        let is_kept = self.append_to_history(key, sender, sent, payload, false);
        self.chats[key as usize].message_count += u64::from(is_kept);
        self.messages += u64::from(is_kept);
        is_kept
    }

    /// The key of the chat in progress with this id.
    pub fn find(&self, id: Uuid) -> Option<ChatKey> {
        self.keys.get(&id).copied()
    }

    /// The chat at a key that came from this log.
    pub fn get(&self, key: ChatKey) -> &ActiveChat {
        &self.chats[key as usize]
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: ChatKey) -> &mut ActiveChat {
        &mut self.chats[key as usize]
    }

    /// How many chats there were and are.
    pub fn counts(&self) -> ChatCounts {
        let active = self.chats.len() as u64;
        ChatCounts { total: active + self.finished, active, finished: self.finished }
    }

    /// Messages of all chats, also of those that are finished.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The chats in progress, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (ChatKey, &ActiveChat)> {
        self.listed.iter().map(|key| (key, self.get(key)))
    }
}

/// A message that a chat keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub sender: Role,
    /// When it was relayed.
    pub sent: Millis,
    /// The JSON that was relayed.
    pub payload: String,
}

/// The last messages of a chat, back to back in one ring: a header, then the payload.
#[derive(Debug, Default)]
struct History {
    bytes: VecDeque<u8>,
    /// How many messages of each sender are undelivered.
    undelivered: [u32; 2],
}

impl History {
    /// Length of the payload (4 bytes), time (8), flags (1).
    const HEADER: usize = 13;
    /// Where the flags are in the header.
    const FLAGS: usize = 12;
    /// The flag of the sender: set if it is the student.
    const SENDER: u8 = 1;
    /// The flag of a message that is undelivered.
    const UNDELIVERED: u8 = 2;

    /// Appends a message if there is room, or if the oldest ones can be dropped to make room: as few as
    /// needed, and none from the first undelivered one on. One that does not fit is not appended; if it is
    /// delivered, all that can be dropped is dropped, so that what is left from before is only what has to be.
    fn append(
        &mut self,
        sender: Role,
        sent: Millis,
        payload: &str,
        is_delivered: bool,
        limit: usize,
    ) -> bool {
        let excess = (self.bytes.len() + Self::HEADER + payload.len()).saturating_sub(limit);
        let droppable = self.droppable(excess);
        let fits = droppable >= excess;
        if fits || is_delivered {
            self.bytes.drain(..droppable);
        }
        if fits {
            let mut header = [0; Self::HEADER];
            header[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
            header[4..Self::FLAGS].copy_from_slice(&sent.to_le_bytes());
            header[Self::FLAGS] = sender as u8 | if is_delivered { 0 } else { Self::UNDELIVERED };
            self.bytes.extend(&header);
            self.bytes.extend(payload.as_bytes());
            self.undelivered[sender as usize] += u32::from(!is_delivered);
        }
        fits
    }

    /// The length of the oldest messages that can be dropped: as few as make so many bytes, or all up to the
    /// first that is undelivered.
    fn droppable(&self, wanted: usize) -> usize {
        let mut end = 0;
        while end < wanted.min(self.bytes.len()) && self.bytes[end + Self::FLAGS] & Self::UNDELIVERED == 0 {
            end += Self::HEADER + self.payload_length(end);
        }
        end
    }

    fn take_undelivered(&mut self, to: Role) -> Vec<String> {
        let sender = to.other();
        let mut left = std::mem::take(&mut self.undelivered[sender as usize]);
        let mut payloads = Vec::with_capacity(left as usize);
        let mut at = 0;
        while left > 0 {
            if self.bytes[at + Self::FLAGS] == sender as u8 | Self::UNDELIVERED {
                self.bytes[at + Self::FLAGS] = sender as u8;
                payloads.push(self.payload(at));
                left -= 1;
            }
            at += Self::HEADER + self.payload_length(at);
        }
        payloads
    }

    fn iter(&self) -> impl Iterator<Item = Message> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at == self.bytes.len() {
                return None;
            }
            let is_student = self.bytes[at + Self::FLAGS] & Self::SENDER != 0;
            let message = Message {
                sender: if is_student { Role::Student } else { Role::Teacher },
                sent: u64::from_le_bytes(self.array(at + 4)),
                payload: self.payload(at),
            };
            at += Self::HEADER + self.payload_length(at);
            Some(message)
        })
    }

    fn payload(&self, at: usize) -> String {
        let begin = at + Self::HEADER;
        let payload = self.bytes.range(begin..begin + self.payload_length(at)).copied().collect();
        String::from_utf8(payload).unwrap_or_default()
    }

    fn payload_length(&self, at: usize) -> usize {
        u32::from_le_bytes(self.array(at)) as usize
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|i| self.bytes[at + i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(history_limit: usize) -> (ChatLog, ChatKey) {
        let mut log = ChatLog::new(history_limit, &Memory::new(usize::MAX));
        let key = log.begin(Uuid::from_u128(1), 0, 0);
        (log, key)
    }

    #[test]
    fn ready_when_the_second_has_entered_and_only_then() {
        let (mut log, key) = log(0);
        let chat = log.get_mut(key);
        assert!(!chat.enter(Role::Student));
        assert!(!chat.enter(Role::Student));
        assert!(chat.enter(Role::Teacher));
        assert!(!chat.enter(Role::Teacher));
    }

    #[test]
    fn keeps_sender_time_and_payload() {
        let (mut log, key) = log(1000);
        log.append(key, Role::Teacher, 5, "{\"message\":\"é\"}");
        log.append(key, Role::Student, 6, "{}");
        let kept: Vec<_> = log.get(key).messages().collect();
        let message = |sender, sent, payload: &str| Message { sender, sent, payload: payload.into() };
        assert_eq!(kept, [message(Role::Teacher, 5, "{\"message\":\"é\"}"), message(Role::Student, 6, "{}")]);
    }

    #[test]
    fn drops_the_oldest_at_the_limit() {
        let limit = 3 * (History::HEADER + 2);
        let (mut log, key) = log(limit);
        for sent in 0..100 {
            log.append(key, Role::Teacher, sent, "{}");
            assert!(log.get(key).history.bytes.len() <= limit);
        }
        let kept: Vec<_> = log.get(key).messages().map(|message| message.sent).collect();
        assert_eq!(kept, [97, 98, 99]);
        assert_eq!(log.get(key).message_count, 100);
        log.append(key, Role::Teacher, 100, &"x".repeat(limit));
        assert_eq!(log.get(key).messages().count(), 0);
    }

    #[test]
    fn the_histories_of_all_chats_are_bounded_together() {
        let memory = Memory::new(4000);
        let mut log = ChatLog::new(1000, &memory);
        let keys: Vec<_> = (1..10).map(|id| log.begin(Uuid::from_u128(id), 0, 0)).collect();
        let payload = "x".repeat(500);
        let kept = keys.iter().filter(|key| log.keep(**key, Role::Teacher, 0, &payload)).count();
        assert!((2..6).contains(&kept) && memory.total() >= 2000, "{kept} {}", memory.total());
        // What has been delivered is not kept then, and what was before is dropped.
        log.get_mut(keys[0]).take_undelivered(Role::Student);
        log.append(keys[0], Role::Teacher, 0, "{}");
        assert_eq!(log.get(keys[0]).messages().count(), 0);
        keys.into_iter().for_each(|key| drop(log.finish(key)));
        assert_eq!(memory.total(), 0);
    }

    #[test]
    fn what_is_undelivered_stays_until_it_is_taken() {
        let (mut log, key) = log(3 * (History::HEADER + 2));
        let payloads = |log: &ChatLog| log.get(key).messages().map(|it| it.payload).collect::<Vec<_>>();
        log.append(key, Role::Student, 0, "a1");
        assert!(log.keep(key, Role::Teacher, 1, "b1") && log.keep(key, Role::Teacher, 2, "b2"));
        assert!(!log.keep(key, Role::Teacher, 3, "longer than the oldest"), "and nothing is dropped for it");
        assert_eq!(payloads(&log), ["a1", "b1", "b2"]);
        assert!(log.keep(key, Role::Teacher, 3, "b3"), "in place of what was delivered");
        assert!(!log.keep(key, Role::Teacher, 4, "b4") && !log.keep(key, Role::Student, 4, "a4"));
        log.append(key, Role::Student, 4, "a4");
        assert_eq!(payloads(&log), ["b1", "b2", "b3"]);
        assert_eq!((log.get(key).message_count, log.messages()), (5, 5), "what was refused does not count");

        assert!(log.get_mut(key).take_undelivered(Role::Teacher).is_empty());
        assert_eq!(log.get_mut(key).take_undelivered(Role::Student), ["b1", "b2", "b3"]);
        assert!(log.get_mut(key).take_undelivered(Role::Student).is_empty());
        assert_eq!(payloads(&log), ["b1", "b2", "b3"]);
        assert!(log.keep(key, Role::Student, 5, "a5"));
        log.append(key, Role::Teacher, 6, "b6");
        assert_eq!(payloads(&log), ["b3", "a5", "b6"]);
        assert_eq!(log.get_mut(key).take_undelivered(Role::Teacher), ["a5"]);
        let kept: Vec<_> = log.get(key).messages().map(|message| message.sender).collect();
        assert_eq!(kept, [Role::Teacher, Role::Student, Role::Teacher]);
    }

    #[test]
    fn a_message_of_the_limit_is_kept_and_one_beyond_is_not() {
        let limit = 100;
        let (mut log, key) = log(limit);
        assert!(!log.keep(key, Role::Teacher, 0, &"x".repeat(limit - History::HEADER + 1)));
        assert!(log.keep(key, Role::Teacher, 0, &"x".repeat(limit - History::HEADER)));
        assert!(!log.keep(key, Role::Teacher, 0, ""));
    }

    #[test]
    fn a_finished_chat_is_only_counted() {
        let (mut log, key) = log(0);
        log.finish(key);
        assert_eq!(log.find(Uuid::from_u128(1)), None);
        assert_eq!(log.counts(), ChatCounts { total: 1, active: 0, finished: 1 });
    }
}
