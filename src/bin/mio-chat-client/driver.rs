//! The poll loop: sockets and clocks around the conversation.

mod run;
mod watch;

use std::io;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use crate::connector::Connector;
use crate::conversation::Conversation;
use crate::frames;
use crate::handshake::{self, Target};
use crate::link::Link;
use crate::options::Options;
use crate::reader::Inbound;

pub use run::{Outcome, run};
pub use watch::Track;

const READ_BUFFER: usize = 64 << 10;
const EVENTS: usize = 1024;
/// Descriptors besides the connections: the standard streams, the poll, signals, files that are read.
const SPARE_DESCRIPTORS: u64 = 20;

/// Sockets and what drives them; a user's index is its connection's token.
struct Driver {
    poll: Poll,
    links: Vec<Option<Link>>,
    connector: Connector,
    target: Target,
    conversation: Conversation,
    signals: Signals,
    interrupted: bool,
    buffer: Vec<u8>,
    dirty: Vec<usize>,
}

impl Driver {
    fn new(options: &Options, now: Instant) -> Result<Self, String> {
        let users = options.teachers + options.students;
        raise_descriptor_limit(users)?;
        let target = handshake::resolve(&options.url)?;
        let poll = Poll::new().map_err(|e| format!("no poll: {e}"))?;
        let signals = watch_signals(&poll, Token(users)).map_err(|e| format!("no signals: {e}"))?;
        Ok(Self {
            poll,
            links: (0..users).map(|_| None).collect(),
            connector: Connector::new(options.connections_per_second, now),
            target,
            conversation: Conversation::new(options, now),
            signals,
            interrupted: false,
            buffer: vec![0; READ_BUFFER],
            dirty: Vec::new(),
        })
    }

    /// Waits for the sockets at most that long and handles what they report.
    fn turn(&mut self, events: &mut Events, timeout: Duration) -> Result<(), String> {
        match self.poll.poll(events, Some(timeout)) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(format!("poll: {e}")),
            _ => {}
        }
        for event in events.iter() {
            let user = event.token().0;
            if user == self.links.len() {
                self.interrupted |= self.signals.pending().count() > 0;
            } else {
                self.ready(user, event);
            }
        }
        Ok(())
    }

    fn ready(&mut self, user: usize, event: &mio::event::Event) {
        let Self { links, conversation, target, connector, buffer, .. } = self;
        let Some(link) = &mut links[user] else { return };
        let now = Instant::now();
        let was_open = link.is_open();
        let done = (|| {
            if !link.connected {
                if !link.connect()? {
                    return Ok(());
                }
                conversation.outbox.raw(user, &target.request);
            } else if event.is_writable() {
                link.flush(user, &mut conversation.outbox)?;
            }
            if !event.is_readable() {
                return Ok(());
            }
            let began = link.began;
            link.read(buffer, event.is_read_closed(), |inbound| match inbound {
                Inbound::Text(text) => conversation.text(user, text, now),
                Inbound::Ping(data) => conversation.outbox.frame(user, frames::PONG, data),
                Inbound::Opened => {
                    conversation.connect_time(now - began);
                    conversation.opened(user, now);
                }
            })
        })();
        if !was_open && link.is_open() {
            connector.done();
        }
        if let Err((kind, detail)) = done {
            self.drop_link(user, kind, detail);
        }
    }

    fn drop_link(&mut self, user: usize, kind: &'static str, detail: String) {
        if self.links[user].take().is_some_and(|link| !link.is_open()) {
            self.connector.done();
        }
        let pending = self.conversation.outbox.pending(user).len();
        self.conversation.outbox.written(user, pending);
        self.conversation.lost(user, kind, detail);
    }

    /// Begins the connections whose turn it is.
    fn connect(&mut self, now: Instant) {
        while let Some(user) = self.connector.take(now) {
            if let Err(e) = self.connect_one(user) {
                self.connector.done();
                self.conversation.lost(user, "connect", e.to_string());
            }
        }
    }

    fn connect_one(&mut self, user: usize) -> io::Result<()> {
        let began = Instant::now();
        let mut socket = TcpStream::connect(self.target.address)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(user), both)?;
        self.links[user] = Some(Link::new(socket, began));
        Ok(())
    }

    /// One write for each connection that has something new.
    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        self.conversation.outbox.take_dirty(&mut dirty);
        for user in dirty.drain(..) {
            let Some(link) = &mut self.links[user] else {
                continue;
            };
            if let Err((kind, detail)) = link.flush(user, &mut self.conversation.outbox) {
                self.drop_link(user, kind, detail);
            }
        }
        self.dirty = dirty;
    }
}

fn watch_signals(poll: &Poll, token: Token) -> io::Result<Signals> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    poll.registry().register(&mut signals, token, Interest::READABLE)?;
    Ok(signals)
}

fn raise_descriptor_limit(users: usize) -> Result<(), String> {
    let needed = users as u64 + SPARE_DESCRIPTORS;
    let limit = rlimit::increase_nofile_limit(needed).map_err(|e| format!("descriptor limit: {e}"))?;
    if limit < needed {
        return Err(format!(
            "{users} connections need {needed} descriptors, and the limit is {limit}: raise it with ulimit -Hn"
        ));
    }
    Ok(())
}
