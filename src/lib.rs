//! A chat server in one thread: one [`mio::Poll`], one loop that owns every socket, with all roster, queue and chat state
//! in plain structs beside it. Nothing is shared, so nothing is locked.
//!
//! # Three layers
//!
//! - [`server`] is the I/O shell: poll, accept, read, write, signals, the clock. It knows no protocol and no chat.
//! - [`endpoint`] and [`protocols`] get the bytes of a connection and the time, and give bytes back. They have no socket
//!   and no clock, so the simulation in `tests/` drives the code that runs in production.
//! - [`chat`] is plain structs: who is online, who waits, who chats. It knows no bytes and no protocol.
//!
//! `tests/library/architecture.rs` reads the imports and fails when a layer uses what it must not.
//!
//! # The way of a message
//!
//! | step | where |
//! |---|---|
//! | a socket is readable: one read into the loop's one buffer | [`server::Server::run`] |
//! | which connection, and what state it is in | [`endpoint::Endpoint::receive`] |
//! | on a new connection: the request, and which protocol it asks for | [`http::routes`] |
//! | frame to text, in place over the buffer (RFC 6455) | [`websocket::FrameReader`] |
//! | text to command | [`protocols::Protocol::decode`] |
//! | checks, state changes, recipients | [`chat::Chat::handle`] |
//! | event to text, in the recipient's own protocol | [`protocols::Protocol::deliver`] |
//! | the text as a frame, or in the answer to a poll | `endpoint/sessions.rs`, `Dispatcher` |
//! | one write for each connection with output, at the end of the turn | [`server::Server::run`] |
//!
//! Data flows one way. A message's JSON is checked and not rebuilt: its bytes go from the inbound frame to the outbound
//! one. Timers are part of each turn: [`endpoint::Endpoint::tick`] does what is due.
//!
//! # The rest
//!
//! - [`http`]: requests, responses, the upgrade, origins, and the live page.
//! - [`metrics`] and `endpoint/metrics.rs`: counters, and `/metrics` in Prometheus's text format.
//! - [`memory`]: one account of all that waits, for `--max-memory`.
//! - [`options`]: flags, environment, defaults.
//! - `src/bin/mio-chat-client/`: the load client, behind the feature `client`.

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
