//! What the server shows while a load runs, and the bounds for it.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::ops::RangeFrom;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use super::health::{Arrivals, FIRST_ARRIVAL, Health, Record};
use super::loads::Load;
use super::online_users::OnlineUsers;
use super::scripted_clients::{Place, ScriptedClients, Totals};
use crate::support::Server;
use crate::support::metrics::Metrics;

pub const LONGEST_TURN: Duration = Duration::from_millis(20);
pub const HEALTHY_P99: Duration = Duration::from_millis(25);
pub const MEMORY: u64 = 256 << 20;

/// How large a run is.
#[derive(Clone, Copy)]
pub struct Size {
    pub teachers: usize,
    pub attackers: usize,
    /// Addresses that attackers come from.
    pub addresses: usize,
    /// How long each load lasts.
    pub time: Duration,
    /// Between two messages of a healthy pair.
    pub period: Duration,
}

/// A server with its users.
pub struct Stage {
    pub server: Server,
    users: OnlineUsers,
    health: Health,
    new_users: RangeFrom<u64>,
    /// How many of the online users the server closed before the load.
    closed: u64,
    size: Size,
}

/// The result of a load.
pub struct Outcome {
    pub totals: Totals,
    pub record: Record,
    pub arrivals: Arrivals,
    /// How many of the online users the server closed.
    pub closed: u64,
    /// The longest turn since the server's start; none if it does not answer any more.
    pub longest_turn: Option<Duration>,
    /// The most resident memory during the load, in bytes.
    pub memory: u64,
    /// How long the server waited for a processor during the load: what other programs add to the times.
    pub processor_wait: Duration,
}

impl Stage {
    pub fn set(server: Server, size: Size) -> Stage {
        let users = OnlineUsers::fill(&server, size.teachers);
        let health = Health::start(&server, size.period);
        Stage { server, users, health, new_users: FIRST_ARRIVAL.., closed: 0, size }
    }

    /// The same measurements without a load.
    pub fn rest(&mut self) -> Outcome {
        self.measure(Totals::default)
    }

    pub fn run(&mut self, load: &Load) -> Outcome {
        let first = if load.is_near { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(127, 0, 0, 2) };
        let addresses = if load.is_near { 1 } else { self.size.addresses };
        let place = Place { server: self.server.address, first, addresses };
        let attackers = ScriptedClients::start(place, load.scripts.clone(), self.size.attackers, true);
        self.measure(|| attackers.stop())
    }

    fn measure(&mut self, stop: impl FnOnce() -> Totals) -> Outcome {
        self.forget_peak();
        self.health.take();
        let waited = self.processor_wait();
        let end = Instant::now() + self.size.time;
        let arrivals = Arrivals::until(&self.server, end, &mut self.new_users);
        thread::sleep(end.saturating_duration_since(Instant::now()));
        let totals = stop();
        let caught_up = catch_unwind(AssertUnwindSafe(|| self.health.catch_up()));
        let mut record = self.health.take();
        record.lost.extend(caught_up.is_err().then(|| "the pairs do not catch up".into()));
        let metrics = catch_unwind(AssertUnwindSafe(|| Metrics::of(&self.server))).ok();
        let longest = |metrics: Metrics| metrics.get("mio_chat_loop_longest_turn_seconds", &[]);
        let longest_turn = metrics.map(longest).map(Duration::from_secs_f64);
        let memory = if longest_turn.is_some() { self.server.peak_memory() as u64 } else { 0 };
        let closed = std::mem::replace(&mut self.closed, self.users.closed());
        let closed = self.closed - closed;
        let processor_wait = self.processor_wait().saturating_sub(waited);
        Outcome { totals, record, arrivals, closed, longest_turn, memory, processor_wait }
    }

    /// How long the server has been ready to run and did not, since its start; see proc(5), schedstat.
    fn processor_wait(&self) -> Duration {
        let text =
            fs::read_to_string(format!("/proc/{}/schedstat", self.server.child.id())).unwrap_or_default();
        let nanos = text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
        Duration::from_nanos(nanos.unwrap_or_default())
    }

    /// The kernel's record of the most memory begins anew; see proc(5), clear_refs.
    fn forget_peak(&self) {
        let _ = fs::write(format!("/proc/{}/clear_refs", self.server.child.id()), "5");
    }

    /// All users leave. Returns the rest of what the pairs have recorded.
    pub fn leave(self) -> Record {
        let record = self.health.finish();
        self.users.leave();
        record
    }
}

impl Outcome {
    /// Failures on any machine: messages lost, new users refused, a server that is gone.
    pub fn failures(&self, load: Option<&Load>) -> Vec<String> {
        let mut failures: Vec<_> = self.record.lost.iter().map(|why| format!("lost: {why}")).collect();
        // Where attackers share the new users' address, they share their limits too.
        if !load.is_some_and(|load| load.is_near) {
            failures.extend(self.arrivals.refused.iter().map(|why| format!("refused: {why}")));
        }
        if self.closed > 0 {
            failures.push(format!("{} of the online users are closed", self.closed));
        }
        if self.longest_turn.is_none() {
            failures.push("the server does not answer".into());
        }
        for (index, _) in self.totals.runs.iter().enumerate().filter(|(_, runs)| **runs == 0) {
            failures.extend(load.is_some_and(|load| load.ends).then(|| format!("script {index} never ends")));
        }
        failures
    }

    /// The bounds of time and memory that are exceeded.
    pub fn excesses(&mut self) -> Vec<String> {
        let mut excesses = Vec::new();
        if let Some(longest) = self.longest_turn.filter(|longest| *longest > LONGEST_TURN) {
            excesses.push(format!("a turn of {longest:.1?}"));
        }
        match self.record.percentile(99) {
            Some(p99) if p99 <= HEALTHY_P99 => {}
            p99 => excesses.push(format!("healthy p99 {p99:.1?}")),
        }
        if self.memory > MEMORY {
            excesses.push(format!("{} MiB", self.memory >> 20));
        }
        excesses
    }

    /// A row of the table.
    pub fn row(&mut self, name: &str) -> String {
        let millis = |time: Option<Duration>| {
            time.map_or("-".into(), |time| format!("{:.1} ms", time.as_secs_f64() * 1e3))
        };
        let (p50, p99) = (self.record.percentile(50), self.record.percentile(99));
        let came: usize = self.arrivals.came.iter().sum();
        let mut row =
            format!("| {name} | {} | {} / {} ", millis(self.longest_turn), millis(p50), millis(p99));
        let asked = came + self.arrivals.refused.len();
        let slowest = millis(Some(self.arrivals.slowest));
        let _ = write!(
            row,
            "| {} MiB | {} | {came} of {asked}, {slowest} |",
            self.memory >> 20,
            self.record.lost.len()
        );
        row
    }
}

pub const HEADING: &str = "| load | longest turn so far | healthy p50 / p99 | memory | lost | new users, slowest |\n\
    |---|--:|--:|--:|--:|--:|";
