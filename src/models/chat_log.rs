//! The chats in progress and their messages. Of a chat that is finished only the count remains.

use std::collections::{HashMap, VecDeque};

use slab::Slab;
use uuid::Uuid;

use super::Millis;
use super::id::Role;
use super::student_roster::StudentKey;
use super::teacher_roster::TeacherKey;

/// Where a chat stands in the log; valid until it is finished.
pub type ChatKey = u32;

/// A chat in progress.
#[derive(Debug)]
pub struct Chat {
    pub id: Uuid,
    pub teacher: TeacherKey,
    pub student: StudentKey,
    /// The chat's place among its teacher's chats.
    pub seat: u32,
    pub teacher_entered: bool,
    pub student_entered: bool,
    /// Messages sent in this chat so far, also those that the history has dropped.
    pub message_count: u64,
    history: History,
}

impl Chat {
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
    chats: Slab<Chat>,
    keys: HashMap<Uuid, ChatKey>,
    finished: u64,
    messages: u64,
    history_limit: usize,
}

impl ChatLog {
    /// A log that keeps at most `history_limit` bytes of messages a chat.
    pub fn new(history_limit: usize) -> ChatLog {
        ChatLog { chats: Slab::new(), keys: HashMap::new(), finished: 0, messages: 0, history_limit }
    }

    /// Begins a chat under an id that no chat in progress has.
    pub fn begin(&mut self, id: Uuid, teacher: TeacherKey, student: StudentKey) -> ChatKey {
        let key = self.chats.insert(Chat {
            id,
            teacher,
            student,
            seat: 0,
            teacher_entered: false,
            student_entered: false,
            message_count: 0,
            history: History::default(),
        }) as ChatKey;
        self.keys.insert(id, key);
        key
    }

    /// Ends a chat: it is counted and forgotten.
    pub fn finish(&mut self, key: ChatKey) -> Chat {
        let chat = self.chats.remove(key as usize);
        self.keys.remove(&chat.id);
        self.finished += 1;
        chat
    }

    /// Appends a message to a chat's history, dropping the oldest ones to make room.
    pub fn append(&mut self, key: ChatKey, sender: Role, sent: Millis, payload: &str) {
        self.messages += 1;
        let chat = &mut self.chats[key as usize];
        chat.message_count += 1;
        chat.history.append(sender, sent, payload, self.history_limit);
    }

    /// The key of the chat in progress with this id.
    pub fn find(&self, id: Uuid) -> Option<ChatKey> {
        self.keys.get(&id).copied()
    }

    /// The chat at a key that came from this log.
    pub fn get(&self, key: ChatKey) -> &Chat {
        &self.chats[key as usize]
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: ChatKey) -> &mut Chat {
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
    pub fn iter(&self) -> impl Iterator<Item = (ChatKey, &Chat)> {
        self.chats.iter().map(|(key, chat)| (key as ChatKey, chat))
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
}

impl History {
    /// Length of the payload (4 bytes), time (8), sender (1).
    const HEADER: usize = 13;

    fn append(&mut self, sender: Role, sent: Millis, payload: &str, limit: usize) {
        let length = Self::HEADER + payload.len();
        if length > limit {
            // What is kept is always the end of the conversation without a gap: here, nothing.
            self.bytes.clear();
            return;
        }
        while self.bytes.len() + length > limit {
            let oldest = self.payload_length(0);
            self.bytes.drain(..Self::HEADER + oldest);
        }
        self.bytes.extend((payload.len() as u32).to_le_bytes());
        self.bytes.extend(sent.to_le_bytes());
        self.bytes.push_back(sender as u8);
        self.bytes.extend(payload.as_bytes());
    }

    fn iter(&self) -> impl Iterator<Item = Message> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at == self.bytes.len() {
                return None;
            }
            let body = at + Self::HEADER;
            let end = body + self.payload_length(at);
            let payload = self.bytes.range(body..end).copied().collect();
            let message = Message {
                sender: if self.bytes[at + 12] == 0 { Role::Teacher } else { Role::Student },
                sent: u64::from_le_bytes(self.array(at + 4)),
                payload: String::from_utf8(payload).unwrap_or_default(),
            };
            at = end;
            Some(message)
        })
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
        let mut log = ChatLog::new(history_limit);
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
    fn a_finished_chat_is_only_counted() {
        let (mut log, key) = log(0);
        log.finish(key);
        assert_eq!(log.find(Uuid::from_u128(1)), None);
        assert_eq!(log.counts(), ChatCounts { total: 1, active: 0, finished: 1 });
    }
}
