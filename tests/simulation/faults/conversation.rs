//! A chat as one of its users knows it.

use fastrand::Rng;
use mio_chat_server::Millis;
use mio_chat_server::chat::id::Role;
use uuid::Uuid;

/// A chat as one of its users knows it.
#[derive(Debug)]
pub struct Conversation {
    /// The other side is known to receive.
    pub may_send: bool,
    sent: u64,
    total: u64,
    received_count: u64,
    /// How many messages the other side sends in all, once it is known.
    of: Option<u64>,
    /// This side ends it.
    pub ends: bool,
    pub has_ended: bool,
    /// When it last made progress, in the server's waking time.
    pub touched: Millis,
}

impl Conversation {
    /// A chat without messages.
    pub fn new(chat: Uuid, role: Role, awake: Millis, random: &mut Rng) -> Conversation {
        Conversation {
            may_send: false,
            sent: 0,
            total: random.u64(1..12),
            received_count: 0,
            of: None,
            // Either side can tell which of them ends it.
            ends: chat.as_u128().is_multiple_of(4) == (role == Role::Student),
            has_ended: false,
            touched: awake,
        }
    }

    /// Whether there is something left to send.
    pub fn has_more(&self) -> bool {
        self.sent < self.total
    }

    /// Notes a message that came. A student over Socket.IO or Bayeux gets no `ready`: the first message is that.
    pub fn received(&mut self, payload: &str) {
        let of = payload.rsplit_once("\"of\":").and_then(|(_, rest)| rest.split(',').next());
        self.of = of.and_then(|of| of.parse().ok());
        self.received_count += 1;
        self.may_send = true;
    }

    /// The next message: like no other, with blanks, escapes and characters of every width.
    pub fn next_message(&mut self, chat: Uuid, most_words: usize, random: &mut Rng) -> String {
        const WORDS: [&str; 8] = ["hello", "é", "\\u00e9", "𝄞", "\\\"", "\\\\", "日本", " \\ud834\\udd1e "];
        let length = if random.u32(0..200) == 0 { random.usize(0..most_words) } else { random.usize(0..8) };
        let words: String = (0..length).map(|_| WORDS[random.usize(0..WORDS.len())]).collect();
        let blank = [" ", "", "\t"][random.usize(0..3)];
        let (n, of, tag) = (self.sent, self.total, random.u64(..));
        self.sent += 1;
        format!(r#"{{{blank}"message":"{words}","tag":{tag},{blank}"n":{n},"of":{of},"chatId":"{chat}"}}"#)
    }

    /// Whether both sides have sent all that they had to.
    pub fn is_complete(&self) -> bool {
        self.sent == self.total && self.of == Some(self.received_count)
    }
}
