//! The loop: one thread, one poll, everything that lives.
//!
//! A turn is: wait; read the ready sockets and carry out what they say; do what time asks for; write
//! once to each connection that has something to be told; free what closed; take in who waits at the
//! door. Writing comes last, so that one write carries all that a turn has for a connection, also what
//! timers add.

mod accept;
mod batch;
mod bayeux;
mod census;
mod clients;
mod clock;
mod connection;
mod connections;
mod costly;
mod deadlines;
mod departure;
mod echo;
mod engine_io;
mod http;
mod input;
mod links;
mod listeners;
mod mailbox;
mod metrics;
mod overload;
mod payload;
mod polling;
mod receive;
mod sessions;
mod shutdown;
mod timers;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use uuid::Uuid;

use crate::app::{App, Limits};
use crate::http::origins::Origins;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::models::Millis;
use crate::models::id::ClientId;
use crate::options::Options;
use crate::snapshot::Snapshot;

use crate::http::peer::TrustedProxies;
use clients::Clients;
use clock::{Clock, Heard};
use connection::Flush;
use connections::Connections;
use costly::CostlyResponses;
use listeners::Listeners;
use sessions::DetachedSessions;

// A token holds a slot and its generation, 32 bits each.
const _: () = assert!(usize::BITS >= 64);

/// Tokens that no connection has: its generation would have to be the last one.
const SIGNALS: Token = Token(usize::MAX);
const FIRST_LISTENER: Token = Token(usize::MAX - 1024);

/// What a connection can send in one turn. One buffer serves all connections.
const READ_BUFFER: usize = 64 * 1024;
/// How long a turn reads what has just come, then what there was no time for, and then what is left of floods; and how
/// long it has taken when it leaves off writing. The rest waits for the next turn, so that whoever sends little is answered soon.
const EVENTS_BUDGET: Duration = Duration::from_millis(1);
const UNREAD_BUDGET: Duration = Duration::from_millis(1);
const TURN_BUDGET: Duration = Duration::from_millis(10);
/// Writes after which the time is looked at.
const WRITES: u32 = 16;
/// Events taken from the kernel at once.
const BATCH: usize = 1024;
/// Descriptors that are not for connections: the standard three, poll, signals, listeners, the spare.
const RESERVED_DESCRIPTORS: u64 = 32;

/// The server: every socket, every client, and the chat.
pub struct Server {
    poll: Poll,
    signals: Signals,
    listeners: Listeners,
    /// Those at whose door somebody may be waiting, by index.
    crowded: Vec<usize>,
    accept_retry: Option<Millis>,
    /// When it may be logged again that there is no room.
    next_warning: Millis,
    clock: Clock,
    heard: Heard,
    buffer: Box<[u8]>,
    connections: Connections,
    clients: Clients,
    detached: DetachedSessions,
    /// Bayeux clients by clientId.
    client_ids: HashMap<Box<str>, ClientId>,
    app: App,
    memory: Memory,
    metrics: Metrics,
    costly: CostlyResponses,
    /// The snapshot as it was last made, and the turn in which that was.
    snapshot: Option<(u64, Snapshot)>,
    /// The metrics as they were last told, and the turn in which that was.
    scrape: (u64, String),
    origins: Origins,
    trusted_proxies: TrustedProxies,
    /// What is left of the work that the connection whose input is read may cause in this turn.
    work: u32,
    max_connections: usize,
    max_message_size: usize,
    max_backlog: usize,
    idle_timeout: Millis,
    drain_timeout: Millis,
    /// When to leave, once the server was told to stop.
    stop_at: Option<Millis>,
}

impl Server {
    /// Listens as the options say. Nothing is accepted until [`Server::run`].
    pub fn bind(options: &Options) -> io::Result<Server> {
        let max_connections = options.max_connections.map_or_else(descriptor_limit, Ok)?;
        let poll = Poll::new()?;
        let mut listeners = Listeners::bind(&options.hosts, options.port)?;
        listeners.register(poll.registry(), |index| Token(FIRST_LISTENER.0 + index))?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let clock = Clock::start();
        let limits = Limits {
            students_per_teacher: options.students_per_teacher,
            status_interval: millis(options.status_interval),
            chat_history: options.chat_history,
        };
        let memory = Memory::new(options.max_memory);
        Ok(Server {
            poll,
            signals,
            listeners,
            crowded: Vec::new(),
            accept_retry: None,
            next_warning: 0,
            heard: Heard::new(clock.now()),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            connections: Connections::new(options.max_backlog, memory.clone(), clock.now()),
            clients: Clients::new(clock.now()),
            detached: DetachedSessions::new(max_connections),
            client_ids: HashMap::new(),
            app: App::new(limits, &memory, Uuid::new_v4),
            memory,
            metrics: Metrics::new(),
            costly: CostlyResponses::default(),
            snapshot: None,
            scrape: (0, String::new()),
            origins: options.origins.clone(),
            trusted_proxies: options.trusted_proxies.clone(),
            work: 0,
            max_connections,
            max_message_size: options.max_message_size,
            max_backlog: options.max_backlog,
            idle_timeout: millis(options.idle_timeout),
            drain_timeout: millis(options.drain_timeout),
            stop_at: None,
            clock,
        })
    }

    /// The addresses that the server listens on.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.addresses()
    }

    /// Serves until a signal says to stop, and all connections are closed or the time for that is over.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(BATCH);
        while !self.is_done() {
            self.wait(&mut events)?;
            let left = self.connections.unread_len();
            for event in &events {
                self.dispatch(event);
            }
            self.read_unread(left);
            self.answer_waiting();
            self.continue_leaving();
            self.run_timers();
            self.limit_detached();
            self.flush();
            self.limit_memory();
            self.connections.free_closed();
            self.debug_check_links();
            self.accept();
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        self.clock.tick();
        self.metrics.turns.end(self.clock.uptime());
        let timeout = self.timeout();
        self.heard.ask(self.clock.now());
        match self.poll.poll(events, timeout) {
            Ok(()) => {
                let count = events.iter().count();
                self.metrics.turns.batch(count);
                self.heard.take(count, count == BATCH, self.connections.len() + self.listeners.len() + 1);
            }
            // A signal, or the whole process was stopped: nobody was heard.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        self.clock.tick();
        self.metrics.turns.begin(self.clock.uptime());
        Ok(())
    }

    /// How long the poll may sleep: not at all while there is work that no event will tell of.
    fn timeout(&self) -> Option<Duration> {
        let has_input = self.connections.has_unread() || !self.crowded.is_empty();
        let has_output = self.costly.has_waiting() || self.connections.has_dirty();
        let has_ended = self.app.next_leaving().is_some() || self.detached.has_excess();
        if has_input || has_output || has_ended {
            return Some(Duration::ZERO);
        }
        let due = [
            self.connections.next_deadline(),
            self.clients.next_wakeup(),
            self.app.next_wakeup(),
            self.app.stats_due(),
            self.accept_retry,
            self.stop_at,
        ];
        let next = due.into_iter().flatten().min()?;
        Some(Duration::from_millis(next.saturating_sub(self.clock.now())))
    }

    fn dispatch(&mut self, event: &Event) {
        match event.token() {
            SIGNALS => self.stop(),
            Token(token) if token >= FIRST_LISTENER.0 => self.crowd(token - FIRST_LISTENER.0),
            token => {
                if let Some(slot) = self.connections.find(token.into()) {
                    self.ready(slot, event);
                }
            }
        }
    }

    fn ready(&mut self, slot: u32, event: &Event) {
        if event.is_writable() {
            self.connections.writable(slot);
        }
        if !event.is_readable() && !event.is_read_closed() && !event.is_error() {
            return;
        }
        let is_end = event.is_read_closed() || event.is_error();
        self.connections.get_mut(slot).has_ended |= is_end;
        let connection = self.connections.get(slot);
        if connection.is_held_in_vain() {
            self.end_of_input(slot);
        } else if connection.is_paused() || connection.is_heavy {
            self.connections.read_again(slot);
        } else if self.is_over(EVENTS_BUDGET) {
            self.connections.defer(slot);
        } else if !connection.is_unread {
            // One that is has input to be dealt with first, which an end would cut off.
            self.read(slot, is_end);
        }
    }

    /// Goes on with what there was no time for: first with connections that have sent little, then with the first
    /// `left` of those that have sent much and of which something is left from earlier turns.
    fn read_unread(&mut self, left: usize) {
        self.resume_each(self.connections.deferred_len(), Connections::next_deferred);
        self.resume_each(left, Connections::next_unread);
    }

    /// Goes on with the input of so many connections, as far as there is time.
    fn resume_each(&mut self, count: usize, next: fn(&mut Connections) -> Option<u32>) {
        let began = self.clock.uptime();
        for _ in 0..count {
            if let Some(slot) = next(&mut self.connections) {
                self.resume(slot);
                self.clock.tick();
            }
            if self.clock.uptime() - began > UNREAD_BUDGET {
                break;
            }
        }
    }

    /// Whether this turn has taken so long already, as of the last time that the clock was read.
    fn is_over(&self, budget: Duration) -> bool {
        self.clock.uptime().saturating_sub(self.metrics.turns.began()) > budget
    }

    /// Writes to each connection that has something to be told, as far as there is time. Cutting one off may give
    /// others something to be told, which is written in the same turn.
    fn flush(&mut self) {
        for written in 1.. {
            self.deliver_mail();
            if written % WRITES == 0 {
                self.clock.tick();
                if self.is_over(TURN_BUDGET) {
                    break;
                }
            }
            let Some(slot) = self.connections.next_dirty() else {
                break;
            };
            match self.connections.flush(slot, self.clock.now()) {
                Flush::Done => {}
                Flush::CaughtUp => self.send_late_status(slot),
                // One that has said good-bye has its reason.
                Flush::Over => self.drop_connection(slot, receive::PEER_GONE),
                Flush::Blocked if self.connections.is_too_far_behind(slot) => self.cut_off(slot),
                Flush::Blocked => {}
            }
        }
    }
}

fn millis(duration: Duration) -> Millis {
    duration.as_millis() as Millis
}

/// As many connections as the process may have descriptors, whose soft limit is raised to the hard one.
fn descriptor_limit() -> io::Result<usize> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    Ok(limit.saturating_sub(RESERVED_DESCRIPTORS).max(1) as usize)
}
