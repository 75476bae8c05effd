//! What a run has tried, and what has come of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use mio_chat_server::Millis;

/// Sums of one run or of several.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Virtual milliseconds, and of these such as the server was stopped for.
    pub duration: Millis,
    pub stopped: Millis,
    pub connections: u64,
    pub turns: u64,
    /// Faults, and other things that a run is to have tried.
    pub counts: BTreeMap<&'static str, u64>,
    pub nonsense_closed: u64,
    /// By the server's own count, by reason: connections closed and sessions ended.
    pub closed: BTreeMap<String, u64>,
    pub ended: BTreeMap<String, u64>,
    pub refusals: u64,
    pub chats: u64,
    pub messages: u64,
    pub delivered: u64,
    pub healthy_chats: u64,
    pub healthy_sent: u64,
    pub healthy_delivered: u64,
}

impl Figures {
    /// Sessions that ended since nothing came from their clients.
    pub fn timeouts(&self) -> u64 {
        let ended = self.ended.iter().filter(|(reason, _)| reason.contains("timeout"));
        ended.map(|(_, count)| count).sum()
    }

    /// Takes the server's counts from its metrics, and checks that what it holds is nothing but the connection that
    /// asks for them.
    pub fn take_metrics(&mut self, page: &str) {
        let samples = |name: &str| -> BTreeMap<String, u64> {
            let lines = page.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
            let samples = lines.filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'));
            samples.map(|(labels, value)| (labels.into(), value.parse::<f64>().unwrap() as u64)).collect()
        };
        let sum = |name: &str| samples(name).values().sum::<u64>();
        for (name, expected) in [
            ("mio_chat_connections", 1),
            ("mio_chat_clients", 0),
            ("mio_chat_detached_sessions", 0),
            ("mio_chat_teachers", 0),
            ("mio_chat_students", 0),
            ("mio_chat_chats", 0),
            ("mio_chat_session_state_bytes", 0),
        ] {
            assert!(!samples(name).is_empty(), "{name} is not in {page}");
            assert_eq!(sum(name), expected, "{name}: {page}");
        }
        self.closed = samples("mio_chat_closed_total");
        self.ended = samples("mio_chat_ended_sessions_total");
        self.refusals = sum("mio_chat_refusals_total");
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        for (of, others) in [(&mut self.closed, other.closed), (&mut self.ended, other.ended)] {
            for (reason, count) in others {
                *of.entry(reason).or_default() += count;
            }
        }
        self.duration += other.duration;
        self.stopped += other.stopped;
        self.connections += other.connections;
        self.turns += other.turns;
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
        let Figures { duration, stopped, connections, turns, .. } = self;
        write!(
            f,
            "  {:.1} virtual hours, {:.1} of them with the server ",
            hours(*duration),
            hours(*stopped)
        )?;
        writeln!(f, "stopped; {connections} connections, {turns} turns")?;
        writeln!(f, "  tried: {:?}", self.counts)?;
        writeln!(f, "  connections closed: {:?}", self.closed)?;
        writeln!(f, "  sessions ended: {:?}", self.ended)?;
        let Figures { nonsense_closed, refusals, .. } = self;
        writeln!(f, "  {nonsense_closed} closed for nonsense, {refusals} requests refused")?;
        let Figures { chats, messages, delivered, healthy_chats, .. } = self;
        writeln!(f, "  {chats} chats, {messages} messages sent, {delivered} delivered")?;
        let Figures { healthy_sent, healthy_delivered, .. } = self;
        write!(f, "  of these {healthy_chats} chats that no fault touched: ")?;
        write!(f, "{healthy_sent} messages sent, {healthy_delivered} delivered, once and in order")
    }
}
