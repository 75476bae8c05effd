//! The server as the simulation has it: the app, the protocols and the framing are the real ones, and what
//! the loop does between them with sockets is done here with byte strings, turn by turn.

use std::collections::{BTreeMap, BTreeSet};

use mio_chat_server::Millis;
use mio_chat_server::chat::Limits;
use mio_chat_server::chat::event::{Deliver, Event};
use mio_chat_server::chat::id::{ClientId, Role};
use mio_chat_server::protocols::{Decoded, Protocol, Wake};
use mio_chat_server::websocket::{self, FrameReader, Message, Read};
use tungstenite::protocol::frame::coding::CloseCode;
use uuid::Uuid;

use super::speech::Kind;
use crate::checked::CheckedApp;

pub const MAX_MESSAGE: usize = 64 * 1024;
const LIMITS: Limits = Limits { students_per_teacher: 5, status_interval: 200, chat_history: 4096 };
/// How exact the loop's timers are.
const TICK: Millis = 100;

/// The number of a connection, which no other ever has.
pub type LinkId = usize;

/// What a client and its socket are to the server.
struct Socket {
    client: ClientId,
    kind: Kind,
    protocol: Protocol,
    reader: FrameReader,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    heard: Millis,
    /// The same, by the time that the server has been awake.
    heard_awake: Millis,
    wake_at: Millis,
}

/// All sockets, and where events go.
#[derive(Default)]
struct Room {
    sockets: BTreeMap<LinkId, Socket>,
    links: BTreeMap<ClientId, LinkId>,
    /// Those with something to write.
    dirty: BTreeSet<LinkId>,
    news: Vec<News>,
}

/// What users are to hear of.
#[derive(Debug)]
pub enum News {
    /// A chat of the users on these connections, the teacher's first.
    Begun(Uuid, [LinkId; 2]),
    Ended(Uuid),
}

/// How a connection ended by the server's doing.
#[derive(Debug)]
pub struct Closed {
    pub link: LinkId,
    pub is_timeout: bool,
    pub reason: &'static str,
    /// The last words.
    pub outbound: Vec<u8>,
}

pub struct House {
    pub app: CheckedApp,
    room: Room,
    free: BTreeSet<u32>,
    generation: u32,
    pub now: Millis,
    pub awake: Millis,
    pub closed: Vec<Closed>,
    pub refusals: u64,
}

impl Deliver for Room {
    fn deliver(&mut self, to: ClientId, event: &Event<'_>) -> bool {
        let link = self.links.get(&to).copied();
        match (event, link) {
            (Event::NewChat { to: Role::Teacher, chat, .. }, Some(link)) => {
                self.news.push(News::Begun(*chat, [link; 2]));
            }
            (Event::NewChat { to: Role::Student, .. }, Some(link)) => {
                let Some(News::Begun(_, links)) = self.news.last_mut() else { panic!("no teacher") };
                links[1] = link;
            }
            (Event::ChatTerminated { to: Role::Teacher, chat }, _) => self.news.push(News::Ended(*chat)),
            _ => {}
        }
        let Some(link) = link else {
            return true;
        };
        self.dirty.insert(link);
        let socket = self.sockets.get_mut(&link).unwrap();
        let out = &mut socket.outbound;
        socket.protocol.deliver(event, &mut |parts| websocket::write_text(out, parts))
    }
}

impl House {
    pub fn new(seed: u64, now: Millis) -> House {
        House {
            app: CheckedApp::new(seed, LIMITS),
            room: Room::default(),
            free: (0..1000).collect(),
            generation: 0,
            now,
            awake: 0,
            closed: Vec::new(),
            refusals: 0,
        }
    }

    /// Takes a connection in; slots are used again, as the server's are.
    pub fn accept(&mut self, link: LinkId, kind: Kind) {
        let slot = self.free.pop_first().expect("a free slot");
        self.generation += 1;
        let client = ClientId { slot, generation: self.generation };
        let mut outbound = Vec::new();
        let protocol = kind.accept(self.now, &mut |parts| websocket::write_text(&mut outbound, parts));
        let (heard, heard_awake, wake_at) = (self.now, self.awake, self.now);
        let (reader, inbound) = (FrameReader::default(), Vec::new());
        let socket =
            Socket { client, kind, protocol, reader, inbound, outbound, heard, heard_awake, wake_at };
        self.room.sockets.insert(link, socket);
        self.room.dirty.insert(link);
        self.room.links.insert(client, link);
    }

    /// Takes the chats that have begun or ended.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.room.news)
    }

    pub fn is_empty(&self) -> bool {
        self.room.sockets.is_empty() && self.room.links.is_empty() && self.free.len() == 1000
    }

    /// Works off the whole frames of what a connection has sent so far.
    pub fn receive(&mut self, link: LinkId, bytes: &[u8]) {
        let Some(socket) = self.room.sockets.get_mut(&link) else {
            return;
        };
        let mut input = std::mem::take(&mut socket.inbound);
        input.extend(bytes);
        self.room.dirty.insert(link);
        let mut at = 0;
        while at < input.len() {
            match self.frame(link, &mut input[at..]) {
                0 => break,
                used => at += used,
            }
        }
        input.drain(..at);
        if let Some(socket) = self.room.sockets.get_mut(&link) {
            socket.inbound = input;
        }
    }

    /// The peer has shut its side, or is known to be gone.
    pub fn end_of_input(&mut self, link: LinkId) {
        self.close(link, None, "end of input", false);
    }

    fn frame(&mut self, link: LinkId, input: &mut [u8]) -> usize {
        let length = input.len();
        let Some(socket) = self.room.sockets.get_mut(&link) else {
            return length;
        };
        match socket.reader.read(input, MAX_MESSAGE) {
            Ok(Read::Incomplete) => 0,
            Ok(Read::Frame { consumed, message }) => {
                (socket.heard, socket.heard_awake) = (self.now, self.awake);
                match message {
                    None | Some(Message::Pong) => {}
                    Some(Message::Ping(payload)) => websocket::write_pong(&mut socket.outbound, payload),
                    Some(Message::Close(code)) => self.close(link, Some(code), "peer closes", false),
                    Some(Message::Text(text)) => self.text(link, &text),
                    Some(Message::Binary(_)) => {
                        let decoded = socket.protocol.binary();
                        self.decoded(link, decoded);
                    }
                }
                consumed
            }
            Err(violation) => {
                self.close(link, Some(Some(violation.code)), violation.reason, false);
                length
            }
        }
    }

    fn text(&mut self, link: LinkId, text: &str) {
        let House { app, room, now, .. } = self;
        let socket = room.sockets.get_mut(&link).unwrap();
        let (client, out) = (socket.client, &mut socket.outbound);
        let mut speak = |parts: &[&str]| websocket::write_text(out, parts);
        match socket.protocol.decode(text, &mut speak) {
            Decoded::Request(request) => {
                let follow_up = request.command.follow_up();
                let mut commands = request.first.into_iter().chain([request.command]);
                let result = commands.try_for_each(|command| app.handle(client, command, *now, room));
                self.refusals += u64::from(result.is_err());
                let socket = room.sockets.get_mut(&link).unwrap();
                let out = &mut socket.outbound;
                let mut speak = |parts: &[&str]| websocket::write_text(out, parts);
                socket.protocol.answer(request.context, result, &mut speak);
                if let Some(command) = follow_up.filter(|_| result.is_ok()) {
                    app.handle(client, command, *now, room).unwrap();
                }
            }
            decoded => self.decoded(link, decoded),
        }
    }

    fn decoded(&mut self, link: LinkId, decoded: Decoded<'_>) {
        let client = self.room.sockets[&link].client;
        match decoded {
            Decoded::Request(_) | Decoded::Done | Decoded::WatchFigures(..) => {}
            Decoded::Refused(_) => self.refusals += 1,
            Decoded::Leave => self.app.gone(client, self.now, &mut self.room),
            Decoded::Close(code, reason) => self.close(link, Some(Some(code)), reason, false),
        }
    }

    /// Forgets a connection and its client; a code goes out as the last word.
    fn close(
        &mut self,
        link: LinkId,
        code: Option<Option<CloseCode>>,
        reason: &'static str,
        is_timeout: bool,
    ) {
        let Some(mut socket) = self.room.sockets.remove(&link) else {
            return;
        };
        self.room.links.remove(&socket.client);
        self.free.insert(socket.client.slot);
        self.app.gone(socket.client, self.now, &mut self.room);
        if let Some(code) = code {
            websocket::write_close(&mut socket.outbound, code, reason);
        }
        self.closed.push(Closed { link, is_timeout, reason, outbound: socket.outbound });
    }

    /// Does what is due by now.
    pub fn run_timers(&mut self) {
        let due = self.room.sockets.iter().filter(|(_, socket)| socket.wake_at <= self.now);
        for link in due.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.room.dirty.insert(link);
            let socket = self.room.sockets.get_mut(&link).unwrap();
            let out = &mut socket.outbound;
            let mut speak = |parts: &[&str]| websocket::write_text(out, parts);
            match socket.protocol.wake(socket.heard, self.now, &mut speak) {
                Wake::At(time) => socket.wake_at = time.div_ceil(TICK).max(self.now / TICK + 1) * TICK,
                Wake::Close(code, reason) => self.close(link, Some(Some(code)), reason, true),
                Wake::Answer => panic!("only Bayeux holds answers"),
            }
        }
        if self.app.next_wakeup().is_some_and(|due| due <= self.now) {
            self.app.wake(self.now, &mut self.room);
        }
    }

    /// When something is due that no bytes tell of.
    pub fn next_wakeup(&self) -> Option<Millis> {
        self.room.sockets.values().map(|socket| socket.wake_at).chain(self.app.next_wakeup()).min()
    }

    /// Takes what is to be written.
    pub fn flush(&mut self) -> Vec<(LinkId, Vec<u8>)> {
        let Room { sockets, dirty, .. } = &mut self.room;
        let written = std::mem::take(dirty).into_iter().filter_map(|link| {
            let bytes = std::mem::take(&mut sockets.get_mut(&link)?.outbound);
            (!bytes.is_empty()).then_some((link, bytes))
        });
        written.collect()
    }

    /// All that is to be true between turns.
    pub fn check(&self) {
        let clients: Vec<_> = self.room.links.keys().copied().collect();
        self.app.check_links(&clients);
        for (link, socket) in &self.room.sockets {
            let silence = self.awake - socket.heard_awake;
            // A ping and the judgement on it may each be late by a tick.
            let longest = socket.kind.longest_silence() + 3 * TICK;
            assert!(silence <= longest, "connection {link} ({:?}) is silent for {silence} ms", socket.kind);
        }
    }
}
