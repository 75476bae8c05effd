//! What a run has tried, and what has come of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use mio_chat_server::Millis;

/// Sums of one run or of several.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Virtual milliseconds, and of these such as the server was stopped for.
    pub lived: Millis,
    pub stopped: Millis,
    pub connections: u64,
    pub turns: u64,
    pub faults: BTreeMap<&'static str, u64>,
    pub timeouts: u64,
    pub nonsense_closed: u64,
    pub refusals: u64,
    pub chats: u64,
    pub messages: u64,
    pub delivered: u64,
    pub healthy_chats: u64,
    pub healthy_sent: u64,
    pub healthy_delivered: u64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        for (kind, count) in other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.lived += other.lived;
        self.stopped += other.stopped;
        self.connections += other.connections;
        self.turns += other.turns;
        self.timeouts += other.timeouts;
        self.nonsense_closed += other.nonsense_closed;
        self.refusals += other.refusals;
        self.chats += other.chats;
        self.messages += other.messages;
        self.delivered += other.delivered;
        self.healthy_chats += other.healthy_chats;
        self.healthy_sent += other.healthy_sent;
        self.healthy_delivered += other.healthy_delivered;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = |time: Millis| time as f64 / 3_600_000.0;
        let Figures { lived, stopped, connections, turns, .. } = self;
        write!(f, "  {:.1} virtual hours, {:.1} of them with the server ", hours(*lived), hours(*stopped))?;
        writeln!(f, "stopped; {connections} connections, {turns} turns")?;
        write!(f, "  faults:")?;
        for (index, (kind, count)) in self.faults.iter().enumerate() {
            write!(f, "{} {count} {kind}", if index > 0 { "," } else { "" })?;
        }
        let Figures { timeouts, nonsense_closed, refusals, .. } = self;
        write!(f, "\n  found: {timeouts} silent clients timed out, {nonsense_closed} closed for nonsense, ")?;
        writeln!(f, "{refusals} requests refused")?;
        let Figures { chats, messages, delivered, healthy_chats, .. } = self;
        writeln!(f, "  {chats} chats, {messages} messages sent, {delivered} delivered")?;
        let Figures { healthy_sent, healthy_delivered, .. } = self;
        write!(f, "  of these {healthy_chats} chats that no fault touched: ")?;
        write!(f, "{healthy_sent} messages sent, {healthy_delivered} delivered, once and in order")
    }
}
