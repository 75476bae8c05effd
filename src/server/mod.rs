//! The loop: one thread, one poll, everything that lives.
//!
//! A turn is: wait; read the ready sockets and carry out what they say; do what time asks for; write
//! once to each connection that has something to be told; free what closed; take in who waits at the
//! door. Writing comes last, so that one write carries all that a turn has for a connection, also what
//! timers add.

mod bayeux;
mod clients;
mod clock;
mod connection;
mod connections;
mod engine_io;
mod http;
mod listeners;
mod mailbox;
mod polling;
mod receive;
mod timers;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use log::{debug, info, warn};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use tungstenite::protocol::frame::coding::CloseCode;
use uuid::Uuid;

use crate::app::{App, Limits};
use crate::models::Millis;
use crate::models::id::ClientId;
use crate::options::Options;
use crate::protocols::{Outgoing, Protocol, Wake};
use crate::websocket;

use clients::{Clients, Link, Outbox};
use clock::Clock;
use connection::{Flush, State};
use connections::Connections;
use listeners::{Accepted, Listeners};

// A token holds a slot and its generation, 32 bits each.
const _: () = assert!(usize::BITS >= 64);

/// Tokens that no connection has: its generation would have to be the last one.
const SIGNALS: Token = Token(usize::MAX);
const FIRST_LISTENER: Token = Token(usize::MAX - 1024);

/// What a connection can send in one turn. One buffer serves all connections.
const READ_BUFFER: usize = 64 * 1024;
/// Events taken from the kernel at once, and connections taken in in one turn.
const BATCH: usize = 1024;
/// How long to wait when there is no descriptor even to refuse with.
const ACCEPT_RETRY: Millis = 100;
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
    clock: Clock,
    buffer: Box<[u8]>,
    connections: Connections,
    clients: Clients,
    /// Bayeux clients by clientId.
    client_ids: HashMap<Box<str>, ClientId>,
    app: App,
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
        Ok(Server {
            poll,
            signals,
            listeners,
            crowded: Vec::new(),
            accept_retry: None,
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            connections: Connections::new(options.max_backlog, clock.now()),
            clients: Clients::new(clock.now()),
            client_ids: HashMap::new(),
            app: App::new(limits, Uuid::new_v4),
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
            for event in &events {
                self.dispatch(event);
            }
            self.read_unread();
            self.run_timers();
            self.flush();
            self.connections.free_closed();
            self.accept();
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = self.timeout();
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.clock.tick();
        Ok(())
    }

    /// How long the poll may sleep: not at all while there is work that no event will tell of.
    fn timeout(&mut self) -> Option<Duration> {
        if self.connections.has_unread() || !self.crowded.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = [
            self.connections.next_deadline(),
            self.clients.next_wakeup(),
            self.app.next_wakeup(),
            self.accept_retry,
            self.stop_at,
        ];
        let next = due.into_iter().flatten().min()?;
        self.clock.tick();
        Some(Duration::from_millis(next.saturating_sub(self.clock.now())))
    }

    fn dispatch(&mut self, event: &Event) {
        match event.token() {
            SIGNALS => self.stop(),
            Token(token) if token >= FIRST_LISTENER.0 => self.crowd(token - FIRST_LISTENER.0),
            token => {
                if let Some(slot) = self.connections.slot(token) {
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
        let connection = self.connections.get(slot);
        if connection.is_paused() {
            self.connections.read_again(slot);
        } else if !connection.is_unread {
            // One that is has input to be dealt with first, which an end would cut off.
            self.read(slot, event.is_read_closed() || event.is_error());
        }
    }

    fn read_unread(&mut self) {
        for slot in self.connections.take_unread() {
            if !self.connections.get(slot).is_closed {
                self.resume(slot);
            }
        }
    }

    /// Does what is due by now.
    fn run_timers(&mut self) {
        let now = self.clock.now();
        for slot in self.connections.expire(now) {
            self.time_out(slot);
        }
        for client in self.clients.expire(now) {
            self.wake(client);
        }
        if self.app.next_wakeup().is_some_and(|due| due <= now) {
            let mut outbox = Outbox { connections: &mut self.connections, clients: &mut self.clients };
            self.app.wake(now, &mut outbox);
        }
        if self.accept_retry.is_some_and(|due| due <= now) {
            self.accept_retry = None;
            self.crowded = (0..self.listeners.len()).collect();
        }
    }

    fn time_out(&mut self, slot: u32) {
        let connection = self.connections.get(slot);
        let is_answered = connection.outbound.is_empty();
        if matches!(connection.state, State::Http) && is_answered && !connection.inbound.is_empty() {
            self.request_timeout(slot);
        } else {
            self.drop_connection(slot);
        }
    }

    /// Lets a client's protocol do what it does by the clock.
    fn wake(&mut self, id: ClientId) {
        let now = self.clock.now();
        let Some(client) = self.clients.get(id) else {
            return;
        };
        let heard = match client.link {
            // What it has sent is left unread until it has read itself: that is no silence of its.
            Link::Socket(slot) if self.connections.get(slot).is_unread => now,
            _ => client.heard,
        };
        let wake = |protocol: &mut Protocol, out: &mut Outgoing| protocol.wake(heard, now, out);
        match self.clients.speak(id, &mut self.connections, wake) {
            Some(Wake::At(time)) => self.clients.wake_at(id, time),
            Some(Wake::Answer) => {
                self.answer_held(id);
                self.wake(id);
            }
            Some(Wake::Close(code, reason)) => self.close_client(id, code, reason),
            None => {}
        }
    }

    /// Writes to each connection that has something to be told. Cutting one off may give others
    /// something to be told, which is written in the same turn.
    fn flush(&mut self) {
        loop {
            self.deliver_mail();
            let Some(slot) = self.connections.next_dirty() else {
                break;
            };
            match self.connections.flush(slot, self.clock.now()) {
                Flush::Done => {}
                Flush::Over => self.drop_connection(slot),
                Flush::Blocked if self.connections.is_too_far_behind(slot) => self.cut_off(slot),
                Flush::Blocked => {}
            }
        }
    }

    /// Drops a connection whose peer does not read. What it misses by that is lost, so its client ends even
    /// if it could outlive the connection.
    fn cut_off(&mut self, slot: u32) {
        debug!("connection {slot} reads too slowly and is cut off");
        if let State::Bayeux(Some(client), _) = self.connections.get(slot).state {
            self.client_gone(client);
        }
        self.drop_connection(slot);
    }

    fn crowd(&mut self, listener: usize) {
        if !self.crowded.contains(&listener) {
            self.crowded.push(listener);
        }
    }

    /// Takes in who waits, a batch at most: whoever is left waits for the next turn.
    fn accept(&mut self) {
        let mut room = BATCH;
        while let (Some(&listener), 1..) = (self.crowded.last(), room) {
            room -= 1;
            match self.listeners.accept(listener) {
                Accepted::Connection(stream) if self.connections.len() >= self.max_connections => {
                    warn!("a connection is refused: there are {} already", self.max_connections);
                    listeners::refuse(stream);
                }
                Accepted::Connection(stream) => {
                    let now = self.clock.now();
                    if let Err(error) = self.connections.insert(stream, self.poll.registry(), now) {
                        debug!("a connection is lost as it comes in: {error}");
                    }
                }
                Accepted::Refused => {}
                Accepted::Nobody => {
                    self.crowded.pop();
                }
                Accepted::Exhausted => {
                    self.crowded.clear();
                    self.accept_retry = Some(self.clock.now() + ACCEPT_RETRY);
                }
            }
        }
    }

    /// A signal: stops accepting and tells everybody. A second one leaves at once.
    fn stop(&mut self) {
        for _ in self.signals.pending() {
            let now = self.clock.now();
            if self.stop_at.is_some() {
                info!("stopping at once");
                self.stop_at = Some(now);
                continue;
            }
            info!("stopping: {} connections to close", self.connections.len());
            self.stop_at = Some(now + self.drain_timeout);
            self.connections.set_close_timeout(self.drain_timeout);
            self.listeners.close();
            self.crowded.clear();
            for client in self.clients.ids() {
                self.dismiss(client);
            }
            for slot in self.connections.slots() {
                self.say_goodbye(slot);
            }
        }
    }

    /// What was relayed so far comes first, then the close frame; nothing is half written. That others
    /// leave is not told any more: everybody leaves. Whoever only asks over HTTP may go on asking, how the
    /// server's health is, until the others are gone.
    fn say_goodbye(&mut self, slot: u32) {
        let connection = self.connections.get(slot);
        match connection.state {
            State::WebSocket(..) | State::Probe(..) | State::Bayeux(..) => {
                let outbound = self.connections.outbound(slot);
                websocket::write_close(outbound, Some(CloseCode::Away), "server is stopping");
            }
            State::Http if connection.outbound.is_empty() => return,
            State::Http | State::Parked(_) => {}
            State::Lingering => return,
        }
        self.connections.linger(slot, self.clock.now());
    }

    fn is_done(&self) -> bool {
        self.stop_at.is_some_and(|due| self.connections.lingering() == 0 || due <= self.clock.now())
    }

    /// Drops a connection, and with it its client.
    fn drop_connection(&mut self, slot: u32) {
        self.hang_up(slot);
        self.connections.close(slot);
    }

    /// A connection is at its end. A client whose WebSocket it was is gone with it, and so is one whose
    /// held request it was; one that only tried it polls on.
    fn hang_up(&mut self, slot: u32) {
        match self.connections.set_state(slot, State::Lingering, self.clock.now()) {
            State::WebSocket(client, _) => self.client_gone(client),
            State::Parked(parked) => self.poll_lost(parked.client),
            State::Probe(client, _) => self.probe_failed(client),
            State::Bayeux(Some(client), _) => self.unbind(client),
            State::Bayeux(None, _) | State::Http | State::Lingering => {}
        }
    }

    /// A request that was held is lost. That ends an Engine.IO session, and no Bayeux client.
    fn poll_lost(&mut self, client: ClientId) {
        match self.clients.get(client).map(|client| &client.protocol) {
            Some(Protocol::Bayeux(_)) => self.unbind(client),
            _ => self.client_gone(client),
        }
    }

    /// A client is gone, however it went: its users go off line at once.
    fn client_gone(&mut self, client: ClientId) {
        self.remove_client(client);
        self.users_gone(client);
    }

    fn remove_client(&mut self, client: ClientId) {
        if let Some(Protocol::Bayeux(bayeux)) = self.clients.remove(client).map(|client| client.protocol) {
            self.client_ids.remove(bayeux.id());
        }
    }

    /// Whether there are so many clients that no session may begin which holds no connection. Requests come
    /// and go faster than sessions expire.
    fn has_no_room(&self) -> bool {
        self.clients.len() >= self.max_connections.saturating_mul(2)
    }

    /// All users that a client holds go off line.
    fn users_gone(&mut self, client: ClientId) {
        let mut outbox = Outbox { connections: &mut self.connections, clients: &mut self.clients };
        self.app.gone(client, self.clock.now(), &mut outbox);
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
