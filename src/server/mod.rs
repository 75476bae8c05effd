//! The I/O shell: one thread, one poll, every socket. It reads and writes bytes for the [`Endpoint`], which knows what
//! they mean, and tells it the time.
//!
//! A turn is: wait; read the ready sockets and carry out what they say; do what time asks for; write
//! once to each connection that has output; free the slots that closed; accept. Writing comes after timers,
//! so that one write carries all that a turn has for a connection, also what timers add.

mod accept;
mod clock;
mod listeners;
mod socket;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use log::info;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use uuid::Uuid;

use crate::Millis;
use crate::endpoint::{ConnectionId, Endpoint, Next, Ready};
use crate::metrics::Warnings;
use crate::options::Options;
use crate::process::{Process, Usage};

use clock::{Clock, InputWatermark};
use listeners::Listeners;
use socket::Socket;

/// Tokens that no connection has: its generation would have to be the last one.
const SIGNALS: Token = Token(usize::MAX);
const FIRST_LISTENER: Token = Token(usize::MAX - 1024);

/// What a connection can send in one turn. One buffer serves all connections.
const READ_BUFFER: usize = 64 * 1024;
/// How long a turn reads what has just come, then what there was no time for, and then what is left of floods; and how
/// long it goes on with what time asks for, with writing (since the turn began), and with freeing memory. The rest waits
/// for the next turn, so that clients that send little are answered soon.
const EVENTS_BUDGET: Duration = Duration::from_millis(1);
const UNREAD_BUDGET: Duration = Duration::from_millis(1);
const TICK_BUDGET: Duration = Duration::from_millis(2);
const TURN_BUDGET: Duration = Duration::from_millis(10);
const MEMORY_BUDGET: Duration = Duration::from_millis(4);
/// Writes after which the time is looked at.
const WRITES: u32 = 16;
/// Events taken from the kernel at once.
const BATCH: usize = 1024;
/// Descriptors that are not for connections: the standard three, poll, signals, listeners, the spare.
const RESERVED_DESCRIPTORS: u64 = 32;

/// The server: every socket, and the endpoint that they belong to.
pub struct Server {
    poll: Poll,
    signals: Signals,
    listeners: Listeners,
    /// Listeners that may have connections to accept, by index.
    accept_ready: Vec<usize>,
    accept_retry: Option<Millis>,
    warnings: Warnings,
    clock: Clock,
    watermark: InputWatermark,
    buffer: Box<[u8]>,
    /// By slot: the socket of each connection.
    sockets: Vec<Option<Socket>>,
    endpoint: Endpoint,
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
        Ok(Server {
            poll,
            signals,
            listeners,
            accept_ready: Vec::new(),
            accept_retry: None,
            warnings: Warnings::default(),
            watermark: InputWatermark::new(clock.now()),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            sockets: Vec::new(),
            endpoint: Endpoint::new(options, max_connections, clock.now(), Uuid::new_v4, usage),
            drain_timeout: options.drain_timeout.as_millis() as Millis,
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
            let left = self.endpoint.unread_len();
            for event in &events {
                self.dispatch(event);
            }
            self.read_unread(left);
            self.endpoint.answer_waiting(self.clock.now());
            self.tick();
            self.flush();
            self.limit_memory();
            self.endpoint.free_closed(|id| self.sockets[id.slot() as usize] = None);
            self.accept();
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        self.clock.tick();
        self.endpoint.metrics.loop_stats.end(self.clock.uptime());
        let timeout = self.timeout();
        self.watermark.ask(self.clock.now());
        match self.poll.poll(events, timeout) {
            Ok(()) => {
                let count = events.iter().count();
                self.endpoint.metrics.loop_stats.batch(count);
                let sources = self.endpoint.connection_count() + self.listeners.len() + 1;
                self.watermark.take(count, count == BATCH, sources);
            }
            // A signal, or the whole process was stopped: no input was read.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        self.clock.tick();
        self.endpoint.metrics.loop_stats.begin(self.clock.uptime());
        Ok(())
    }

    /// How long the poll may sleep: not at all while there is work that no event will tell of.
    fn timeout(&self) -> Option<Duration> {
        if self.endpoint.has_work() || !self.accept_ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = [self.endpoint.next_deadline(), self.accept_retry, self.stop_at];
        let next = due.into_iter().flatten().min()?;
        Some(Duration::from_millis(next.saturating_sub(self.clock.now())))
    }

    fn dispatch(&mut self, event: &Event) {
        match event.token() {
            SIGNALS => self.stop(),
            Token(token) if token >= FIRST_LISTENER.0 => self.accept_later(token - FIRST_LISTENER.0),
            Token(token) => self.ready(token.into(), event),
        }
    }

    fn ready(&mut self, id: ConnectionId, event: &Event) {
        let ready = Ready {
            readable: event.is_readable(),
            writable: event.is_writable(),
            ended: event.is_read_closed() || event.is_error(),
        };
        if self.endpoint.ready(id, ready, self.is_over(EVENTS_BUDGET), self.clock.now()) == Next::Read {
            self.read(id, ready.ended);
        }
    }

    /// Reads once from a connection. One that has more has to wait for the next turn, so that one that sends much does
    /// not keep others waiting.
    fn read(&mut self, id: ConnectionId, until_empty: bool) {
        let Some(Some(socket)) = self.sockets.get_mut(id.slot() as usize) else {
            return;
        };
        match socket.read(&mut self.buffer) {
            Ok(Some(0)) => self.endpoint.input_ended(id, self.clock.now()),
            Ok(Some(length)) => {
                // What is read came before now. If the process was stopped in the middle of this turn, the turn's
                // time is long past, and no new edge will tell of what came meanwhile and is read here.
                self.clock.tick();
                // After a short read the socket is empty, unless the event says that an end follows.
                let is_more = length == self.buffer.len() || until_empty;
                self.endpoint.receive(id, &mut self.buffer[..length], is_more, self.clock.now());
            }
            Ok(None) => self.endpoint.drained(id),
            Err(_) => self.endpoint.lost(id, self.clock.now()),
        }
    }

    /// Goes on with what there was no time for: first with connections that have sent little, then with the first
    /// `left` of those that have sent much and of which something is left from earlier turns.
    fn read_unread(&mut self, left: usize) {
        self.resume_each(self.endpoint.deferred_len(), Endpoint::next_deferred);
        self.resume_each(left, Endpoint::next_unread);
    }

    /// Goes on with the input of so many connections, as far as there is time.
    fn resume_each(&mut self, count: usize, next: fn(&mut Endpoint) -> Option<ConnectionId>) {
        let began = self.clock.uptime();
        for _ in 0..count {
            if let Some(id) = next(&mut self.endpoint) {
                if self.endpoint.resume(id, self.clock.now()) == Next::Read {
                    // The edge is spent: read on until nothing is left, not even an end.
                    self.read(id, true);
                }
                self.clock.tick();
            }
            if self.clock.uptime() - began > UNREAD_BUDGET {
                break;
            }
        }
    }

    /// Does what time asks for, as far as there is time.
    fn tick(&mut self) {
        let began = self.clock.uptime();
        let read_until = self.watermark.until(!self.accept_ready.is_empty());
        while self.endpoint.tick(self.clock.now(), read_until) {
            self.clock.tick();
            if self.clock.uptime() - began > TICK_BUDGET {
                break;
            }
        }
        if self.accept_retry.is_some_and(|due| due <= self.clock.now()) {
            self.accept_retry = None;
            self.accept_ready = (0..self.listeners.len()).collect();
        }
    }

    /// Whether this turn has taken so long already, as of the last time that the clock was read.
    fn is_over(&self, budget: Duration) -> bool {
        self.clock.uptime().saturating_sub(self.endpoint.metrics.loop_stats.began()) > budget
    }

    /// Writes to each connection that has something to be told, as far as there is time. Cutting one off may give
    /// others something to be told, which is written in the same turn.
    fn flush(&mut self) {
        for written in 1.. {
            if written % WRITES == 0 {
                self.clock.tick();
                if self.is_over(TURN_BUDGET) {
                    break;
                }
            }
            let now = self.clock.now();
            let Some((id, output)) = self.endpoint.next_to_write(now) else {
                break;
            };
            let Some(Some(socket)) = self.sockets.get_mut(id.slot() as usize) else {
                continue;
            };
            let Ok((write, calls)) = socket.write(output) else {
                self.endpoint.lost(id, now);
                continue;
            };
            if self.endpoint.written(id, write, calls, now) == Next::Shut && socket.shut().is_err() {
                self.endpoint.lost(id, now);
            }
        }
    }

    /// Frees memory if too much is used, as far as there is time.
    fn limit_memory(&mut self) {
        if !self.endpoint.uses_too_much() {
            return;
        }
        let began = self.clock.uptime();
        while self.endpoint.limit_memory(self.clock.now()) {
            self.clock.tick();
            if self.clock.uptime() - began > MEMORY_BUDGET {
                break;
            }
        }
        self.flush();
    }

    /// A signal: stops accepting and tells all clients. A second one leaves at once.
    fn stop(&mut self) {
        for _ in self.signals.pending() {
            let now = self.clock.now();
            if self.stop_at.is_some() {
                info!("stopping at once");
                self.stop_at = Some(now);
                continue;
            }
            info!("stopping: {} connections to close", self.endpoint.connection_count());
            self.stop_at = Some(now + self.drain_timeout);
            self.listeners.close();
            self.accept_ready.clear();
            self.endpoint.stop(self.drain_timeout, now);
        }
    }

    /// Whether the server was told to stop and all has been said.
    fn is_done(&self) -> bool {
        self.endpoint.has_stopped() || self.stop_at.is_some_and(|due| due <= self.clock.now())
    }
}

/// As many connections as the process may have descriptors, whose soft limit is raised to the hard one.
fn descriptor_limit() -> io::Result<usize> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    Ok(limit.saturating_sub(RESERVED_DESCRIPTORS).max(1) as usize)
}

/// What this process uses, where to look costs little: the loop stands still meanwhile.
fn usage() -> Option<Usage> {
    if Process::CHEAP { Process::new(std::process::id()).usage() } else { None }
}
