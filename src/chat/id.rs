//! Who is who: clients, users, roles.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::rc::Rc;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// A participant that commands come from and events go to. Not a socket: a WebSocket client ends with its
/// socket, a polling one lives through many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId {
    /// Index into the server's table of clients.
    pub slot: u32,
    /// Tells this client from the earlier ones that had the same slot.
    pub generation: u32,
}

/// The two sides of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Teacher,
    Student,
}

impl Role {
    /// The one on the other side of the chat.
    pub fn other(self) -> Role {
        match self {
            Role::Teacher => Role::Student,
            Role::Student => Role::Teacher,
        }
    }

    /// `teacher` or `student`, as every protocol spells it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Teacher => "teacher",
            Role::Student => "student",
        }
    }
}

/// A user's id: a JSON number or string. 7 and "7" are the same user, and what goes back out is what
/// the user sent.
#[derive(Clone)]
pub struct UserId {
    /// What identifies: the string, or the number's shortest decimal form.
    text: Rc<str>,
    /// Whether the user sent a number, and gets one back.
    number: bool,
}

impl UserId {
    /// The longest id taken, in bytes: ids are echoed in events and kept in rosters.
    pub const MAX_LENGTH: usize = 128;

    /// Bytes of memory that the text of the id takes, with its reference counts and the allocator's header.
    pub fn memory(&self) -> usize {
        const OVERHEAD: usize = 32;
        self.text.len() + OVERHEAD
    }

    /// The id without JSON's quotes; equal for 7 and "7".
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<u64> for UserId {
    fn from(id: u64) -> UserId {
        UserId { text: id.to_string().into(), number: true }
    }
}

impl From<&str> for UserId {
    fn from(id: &str) -> UserId {
        UserId { text: id.into(), number: false }
    }
}

impl PartialEq for UserId {
    fn eq(&self, other: &UserId) -> bool {
        self.text == other.text
    }
}

impl Eq for UserId {}

impl Hash for UserId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.number { f.write_str(&self.text) } else { write!(f, "{:?}", &*self.text) }
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.number {
            return serializer.serialize_str(&self.text);
        }
        if let Ok(integer) = self.text.parse::<i64>() {
            return serializer.serialize_i64(integer);
        }
        match self.text.parse::<u64>() {
            Ok(integer) => serializer.serialize_u64(integer),
            Err(_) => serializer.serialize_f64(self.text.parse().unwrap_or(f64::NAN)),
        }
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UserId, D::Error> {
        deserializer.deserialize_any(UserIdVisitor)
    }
}

struct UserIdVisitor;

impl Visitor<'_> for UserIdVisitor {
    type Value = UserId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number, or a string of 1 to {} bytes", UserId::MAX_LENGTH)
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<UserId, E> {
        Ok(id.into())
    }

    fn visit_i64<E: de::Error>(self, id: i64) -> Result<UserId, E> {
        Ok(UserId { text: id.to_string().into(), number: true })
    }

    fn visit_f64<E: de::Error>(self, id: f64) -> Result<UserId, E> {
        // 7.0 is 7 to JavaScript; adding 0.0 makes -0.0 the 0 that it equals.
        let text = (id + 0.0).to_string();
        if text.len() > UserId::MAX_LENGTH {
            return Err(E::invalid_length(text.len(), &self));
        }
        Ok(UserId { text: text.into(), number: true })
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<UserId, E> {
        if id.is_empty() || id.len() > UserId::MAX_LENGTH {
            return Err(E::invalid_length(id.len(), &self));
        }
        Ok(id.into())
    }
}

/// For tables whose keys are ids that the server has made at random.
pub type RandomIds = BuildHasherDefault<RandomIdHasher>;

/// Hashes an id by its first eight bytes. The ids in the table are random, so that clients, who only choose what to look
/// for, cannot make them collide. The last eight bytes of a UUID begin with the two bits of the variant, which are the same
/// in all (RFC 9562, 5.4): a table would use a quarter of its buckets.
#[derive(Debug, Default)]
pub struct RandomIdHasher(u64);

impl Hasher for RandomIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            // Digits and letters differ in few bits of a byte. The product spreads them, and the high half is the best.
            self.0 = u64::from_le_bytes(*first).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::UserId;

    fn parse(json: &str) -> Result<UserId, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn number_and_string_of_the_same_text_are_one_user() {
        for (a, b) in [("7", "\"7\""), ("7.0", "7"), ("-0.0", "0"), ("1.5", "\"1.5\""), ("1e3", "1000")] {
            assert_eq!(parse(a).unwrap(), parse(b).unwrap(), "{a} {b}");
        }
        assert_ne!(parse("7").unwrap(), parse("\"07\"").unwrap());
    }

    #[test]
    fn what_goes_out_is_what_came_in() {
        for json in ["7", "\"7\"", "-3", "18446744073709551615", "1.5", "\"a\\\"b\""] {
            assert_eq!(serde_json::to_string(&parse(json).unwrap()).unwrap(), json);
        }
    }

    #[test]
    fn anything_else_is_no_id() {
        let long = format!("\"{}\"", "x".repeat(UserId::MAX_LENGTH + 1));
        for json in ["null", "true", "[]", "{}", "\"\"", "1e300", &long] {
            assert!(parse(json).is_err(), "{json}");
        }
    }
}
