//! A chat, as one of its users knows it.

use fastrand::Rng;
use mio_chat_server::Millis;
use mio_chat_server::chat::id::Role;
use uuid::Uuid;

/// A chat, as one of its users knows it.
#[derive(Debug)]
pub struct Talk {
    /// The other side is known to hear.
    pub may_send: bool,
    sent: u64,
    total: u64,
    received: u64,
    /// How many messages the other has to say.
    of: Option<u64>,
    /// This one ends it.
    pub ends: bool,
    pub has_ended: bool,
    /// When something last came of it, by the time that the server has been awake.
    pub touched: Millis,
}

impl Talk {
    /// A chat in which nothing has been said.
    pub fn new(chat: Uuid, role: Role, awake: Millis, random: &mut Rng) -> Talk {
        Talk {
            may_send: false,
            sent: 0,
            total: random.u64(1..12),
            received: 0,
            of: None,
            // Both know who, without a word.
            ends: chat.as_u128().is_multiple_of(4) == (role == Role::Student),
            has_ended: false,
            touched: awake,
        }
    }

    /// Whether there is something left to say.
    pub fn has_more(&self) -> bool {
        self.sent < self.total
    }

    /// Notes a message that came. Over Socket.IO a student is not told that the chat is ready, but hears the
    /// teacher.
    pub fn heard(&mut self, payload: &str) {
        let of = payload.rsplit_once("\"of\":").and_then(|(_, rest)| rest.split(',').next());
        self.of = of.and_then(|of| of.parse().ok());
        self.received += 1;
        self.may_send = true;
    }

    /// The next message: like no other, with blanks, escapes and characters of every width.
    pub fn next_message(&mut self, chat: Uuid, random: &mut Rng) -> String {
        const WORDS: [&str; 8] = ["hello", "é", "\\u00e9", "𝄞", "\\\"", "\\\\", "日本", " \\ud834\\udd1e "];
        let length = if random.u32(0..200) == 0 { random.usize(0..4000) } else { random.usize(0..8) };
        let words: String = (0..length).map(|_| WORDS[random.usize(0..WORDS.len())]).collect();
        let blank = [" ", "", "\t"][random.usize(0..3)];
        let (n, of, tag) = (self.sent, self.total, random.u64(..));
        self.sent += 1;
        format!(r#"{{{blank}"message":"{words}","tag":{tag},{blank}"n":{n},"of":{of},"chatId":"{chat}"}}"#)
    }

    /// Whether both have said all that they had to.
    pub fn is_complete(&self) -> bool {
        self.sent == self.total && self.of == Some(self.received)
    }
}
