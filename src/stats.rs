//! The figures of the moment, as the live page shows them.

use serde::Serialize;

use crate::Millis;
use crate::chat::chat_lifetime::Status;

/// What everybody who watches is told each second. What grows (messages, busy time) is told as it stands:
/// two of these make a rate, also if one between them was missed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Since the server started.
    pub uptime_ms: Millis,
    /// Who is on line, who waits, who chats.
    #[serde(flatten)]
    pub status: Status,
    /// How long the student who has waited longest does so.
    pub oldest_wait_ms: Millis,
    /// Messages relayed since the start.
    pub messages: u64,
    pub connections: ConnectionCounts,
    /// Time that the loop has not spent waiting, since the start.
    pub busy_us: u64,
    /// Bytes that wait for slow readers.
    pub backlog_bytes: usize,
    /// Resident memory, where the system tells it at little cost.
    pub memory_bytes: Option<u64>,
}

/// Connections by the protocol that is spoken on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionCounts {
    pub total: u64,
    /// Requests, and connections that have not said what they want or are closing.
    pub http: u64,
    pub phoenix: u64,
    #[serde(rename = "socket.io")]
    pub socket_io: u64,
    pub bayeux: u64,
}
