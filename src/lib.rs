//! mio-chat-server: one thread, one `mio::Poll`, one loop that owns every socket, with all roster, queue
//! and chat state in plain structs beside it, so that nothing is shared and nothing is locked.
//!
//! Three layers, of which each knows the next one only:
//!
//! - [`server`] is the I/O shell: poll, accept, read, write, signals, the clock. It knows no protocol and no chat.
//! - [`endpoint`] and [`protocols`] get the bytes of a connection and the time, and give bytes back. They have no
//!   socket and no clock.
//! - [`chat`] is plain structs: who is online, who waits, who chats.
//!
//! A message goes from the event in [`server`] to [`endpoint::Endpoint::receive`], through [`websocket`] (frame to text)
//! and a protocol (text to command) to [`chat::Chat::handle`]; the event that follows is encoded by the recipient's
//! protocol and appended to the output of its connection, which the loop writes at the end of the turn.

pub mod chat;
pub mod endpoint;
pub mod http;
pub mod memory;
pub mod metrics;
pub mod options;
pub mod process;
pub mod protocols;
pub mod server;
mod timer_wheel;
pub mod websocket;

/// Milliseconds since the Unix epoch, from a clock that never goes back.
pub type Millis = u64;
