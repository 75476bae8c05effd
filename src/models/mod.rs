//! Plain structs: who is on line, who waits, who chats. No socket, no clock, no protocol; time and ids
//! are passed in, and every operation takes constant time.

pub mod chat_lifetime;
pub mod chat_log;
pub mod client_roster;
pub mod id;
pub mod key_set;
pub mod roster;
pub mod student_roster;
pub mod teacher_roster;

/// Milliseconds since the Unix epoch, from a clock that never goes back.
pub type Millis = u64;
