//! Polling: one request is held for what comes, others carry what is sent. Engine.IO's clients try a WebSocket
//! meanwhile, and change over to it or go on to poll.

use std::collections::VecDeque;

use mio_chat_server::Millis;

use super::http::{self, Response};
use super::network::{LinkId, Network, Piece};
use super::shell::MAX_MESSAGE;
use super::transport::{Closed, WebSocket};
use super::wire::{BayeuxTransport, Kind};
use super::world::SessionId;
use super::{bayeux, socket_io};

/// How long a client keeps a connection that it does not use: less than the server does, less a stall.
const KEEP_ALIVE: Millis = 4_000;

/// Upgrades that a client abandons, by the step after which it does.
const ABANDONED: [&str; 4] = [
    "upgrades abandoned after the request",
    "upgrades abandoned after the response",
    "upgrades abandoned after the probe",
    "upgrades abandoned after the answer to it",
];

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Handshake,
    Poll,
    Post,
    /// A request for something else that is pipelined before another.
    Health,
}

/// A connection, and the requests on it that are not answered.
#[derive(Debug)]
struct Channel {
    link: LinkId,
    inbound: Vec<u8>,
    requests: VecDeque<(Purpose, Vec<u8>)>,
    /// Bytes sent before the first of these requests.
    sent_before: u64,
    idle_since: Millis,
    /// It is not used for another request.
    is_last: bool,
}

/// The way from polling to a WebSocket.
#[derive(Debug)]
enum Upgrade {
    /// Not tried at the moment.
    No,
    /// The client leaves the attempt after this many steps, if it leaves it.
    Probing(WebSocket, Option<usize>),
    /// The probe was answered: the client sends nothing, and changes over when nothing is under way.
    Pausing(WebSocket),
}

/// A client that polls.
#[derive(Debug)]
pub struct Polling {
    kind: Kind,
    session: SessionId,
    /// Engine.IO's session id, or Bayeux's client id, once it is known.
    id: Option<String>,
    channels: Vec<Channel>,
    /// What is not sent yet.
    queue: Vec<String>,
    upgrade: Upgrade,
}

impl Polling {
    /// Asks for a session.
    pub fn open(kind: Kind, session: SessionId, network: &mut Network) -> Polling {
        let (channels, queue) = (Vec::new(), Vec::new());
        let mut polling = Polling { kind, session, id: None, channels, queue, upgrade: Upgrade::No };
        match kind {
            Kind::Bayeux(..) => polling.request(Purpose::Handshake, &bayeux::handshake(), network),
            _ => polling.request(Purpose::Handshake, "", network),
        }
        polling
    }

    /// Posts texts as soon as nothing else is being posted.
    pub fn send(&mut self, texts: Vec<String>, network: &mut Network) {
        self.queue.extend(texts);
        self.go_on(network);
    }

    /// A request that posts this.
    pub fn post(&self, text: &str) -> Vec<u8> {
        self.http_request(Purpose::Post, text, true)
    }

    /// The connections that are open.
    pub fn links(&self) -> Vec<LinkId> {
        let socket = match &self.upgrade {
            Upgrade::No => None,
            Upgrade::Probing(socket, _) | Upgrade::Pausing(socket) => Some(socket.link),
        };
        self.channels.iter().map(|channel| channel.link).chain(socket).collect()
    }

    /// Tries a WebSocket now and then; closes connections that are idle.
    pub fn act(&mut self, network: &mut Network) {
        let now = network.now;
        self.channels.retain(|channel| {
            let is_kept = !channel.requests.is_empty() || now - channel.idle_since < KEEP_ALIVE;
            if !is_kept {
                network.close(channel.link);
            }
            is_kept
        });
        let (Some(id), Kind::SocketIoPolling(revision), Upgrade::No) = (&self.id, self.kind, &self.upgrade)
        else {
            return;
        };
        if network.random.u32(0..12) > 0 {
            return;
        }
        let target = format!("{}&transport=websocket&sid={id}", socket_io::target(revision));
        let socket = WebSocket::open(&target, false, self.session, network);
        network.links[socket.link].is_probe = true;
        let leaves_after = Some(network.random.usize(0..ABANDONED.len())).filter(|_| network.random.bool());
        self.upgrade = Upgrade::Probing(socket, leaves_after);
        self.leave_attempt(0, network);
    }

    /// The client leaves the attempt to upgrade, if it does after this step.
    fn leave_attempt(&mut self, step: usize, network: &mut Network) -> bool {
        match &self.upgrade {
            Upgrade::Probing(socket, Some(last)) if *last == step => {
                network.count(ABANDONED[step]);
                network.close(socket.link);
                self.upgrade = Upgrade::No;
                true
            }
            _ => false,
        }
    }

    /// The WebSocket that this has changed over to.
    pub fn take_socket(&mut self, network: &mut Network) -> Option<WebSocket> {
        let is_busy = self.channels.iter().any(|channel| !channel.requests.is_empty());
        let Upgrade::Pausing(_) = &self.upgrade else { return None };
        if is_busy {
            return None;
        }
        let Upgrade::Pausing(mut socket) = std::mem::replace(&mut self.upgrade, Upgrade::No) else {
            return None;
        };
        self.channels.iter().for_each(|channel| network.close(channel.link));
        (network.links[socket.link].is_http, network.links[socket.link].is_probe) = (false, false);
        network.count("upgrades");
        socket.send("5", network);
        for text in std::mem::take(&mut self.queue) {
            socket.send(&text, network);
        }
        Some(socket)
    }

    /// The texts of what has come over one of the connections.
    pub fn receive(
        &mut self,
        link: LinkId,
        piece: Piece,
        network: &mut Network,
    ) -> Result<Vec<String>, Closed> {
        if let Upgrade::Probing(socket, _) | Upgrade::Pausing(socket) = &mut self.upgrade
            && socket.link == link
        {
            self.probe(piece, network);
            return Ok(Vec::new());
        }
        let Some(index) = self.channels.iter().position(|channel| channel.link == link) else {
            return Ok(Vec::new());
        };
        let mut texts = Vec::new();
        match piece {
            Piece::Bytes(bytes) => self.channels[index].inbound.extend(bytes),
            _ => self.closed(index, network)?,
        }
        while let Some((purpose, response)) = self.response(link, network) {
            texts.extend(self.answered(purpose, response)?);
        }
        self.go_on(network);
        Ok(texts)
    }

    fn response(&mut self, link: LinkId, network: &Network) -> Option<(Purpose, Response)> {
        let channel = self.channels.iter_mut().find(|channel| channel.link == link)?;
        let &(purpose, ref request) = channel.requests.front()?;
        let response = http::read(&mut channel.inbound, false)?;
        channel.sent_before += request.len() as u64;
        channel.idle_since = network.now;
        channel.is_last |= !response.keep_alive;
        channel.requests.pop_front();
        Some((purpose, response))
    }

    /// The server has closed a connection. A request of which it has read nothing is sent again.
    fn closed(&mut self, index: usize, network: &mut Network) -> Result<(), Closed> {
        let mut channel = self.channels.remove(index);
        network.close(channel.link);
        let was_read = network.links[channel.link].read > channel.sent_before;
        if let Some((purpose, _)) = channel.requests.front()
            && was_read
        {
            return Err(Closed(format!("no response to a {purpose:?}")));
        }
        if !channel.requests.is_empty() {
            network.count("requests sent again");
            channel.link = network.open(self.session);
            (channel.sent_before, channel.inbound) = (0, Vec::new());
            for (_, request) in &channel.requests {
                network.send(channel.link, request);
            }
            self.channels.push(channel);
        }
        Ok(())
    }

    fn answered(&mut self, purpose: Purpose, response: Response) -> Result<Vec<String>, Closed> {
        if response.status != 200 {
            return Err(Closed(format!("{response:?} to a {purpose:?}")));
        }
        let texts = match (purpose, self.kind) {
            (Purpose::Health, _) => {
                assert_eq!(response.body, r#"{"status":"ok"}"#);
                return Ok(Vec::new());
            }
            (Purpose::Post, Kind::SocketIoPolling(_)) => {
                assert_eq!(response.body, "ok");
                return Ok(Vec::new());
            }
            (_, Kind::SocketIoPolling(revision)) => socket_io::packets(revision, &response.body),
            _ => bayeux::messages(bayeux::unwrap(&response.body)),
        };
        if purpose == Purpose::Handshake {
            self.id = Some(match self.kind {
                Kind::SocketIoPolling(_) => socket_io::session_id(&texts[0]),
                _ => bayeux::client_id(&texts[0]),
            });
        }
        Ok(texts)
    }

    /// Something has come over the WebSocket that is tried.
    fn probe(&mut self, piece: Piece, network: &mut Network) {
        let Upgrade::Probing(socket, _) = &mut self.upgrade else {
            assert!(matches!(piece, Piece::End | Piece::Reset), "something behind the probe's answer");
            self.upgrade = Upgrade::No;
            return self.go_on(network);
        };
        let was_open = socket.is_open();
        let Ok(texts) = socket.receive(piece, network) else {
            // The server has closed it: the client goes on to poll.
            network.close(socket.link);
            self.upgrade = Upgrade::No;
            return;
        };
        if !was_open && socket.is_open() {
            if self.leave_attempt(1, network) {
                return;
            }
            if let Upgrade::Probing(socket, _) = &mut self.upgrade {
                socket.send("2probe", network);
            }
            self.leave_attempt(2, network);
        }
        if texts.is_empty() || self.leave_attempt(3, network) {
            return;
        }
        assert_eq!(texts, ["3probe"]);
        if let Upgrade::Probing(socket, _) = std::mem::replace(&mut self.upgrade, Upgrade::No) {
            self.upgrade = Upgrade::Pausing(socket);
        }
    }

    /// Polls, and posts what waits to be sent.
    fn go_on(&mut self, network: &mut Network) {
        let is_under_way = |purpose, channels: &[Channel]| {
            channels.iter().flat_map(|channel| &channel.requests).any(|(of, _)| *of == purpose)
        };
        if self.id.is_none() || matches!(self.upgrade, Upgrade::Pausing(_)) {
            return;
        }
        if !is_under_way(Purpose::Poll, &self.channels) {
            let id = self.id.clone().unwrap_or_default();
            let body =
                if self.kind.is_bayeux() { bayeux::connect(&id, "long-polling") } else { String::new() };
            self.request(Purpose::Poll, &body, network);
        }
        if !self.queue.is_empty() && !is_under_way(Purpose::Post, &self.channels) {
            // A query has less room than a body.
            let mut room = if self.is_script() { 1 } else { MAX_MESSAGE / 2 };
            let fits = |text: &&String| {
                let has_room = room > 0;
                room = room.saturating_sub(text.len());
                has_room
            };
            let count = self.queue.iter().take_while(fits).count();
            let texts: Vec<_> = self.queue.drain(..count).collect();
            let body = match self.kind {
                Kind::SocketIoPolling(revision) => socket_io::payload(revision, &texts),
                _ => texts.join(","),
            };
            self.request(Purpose::Post, &body, network);
        }
    }

    /// Sends a request on a connection that is free, or on a new one.
    fn request(&mut self, purpose: Purpose, body: &str, network: &mut Network) {
        let is_last = purpose != Purpose::Poll && network.random.u32(0..20) == 0;
        let request = self.http_request(purpose, body, !is_last);
        let now = network.now;
        let free = |channel: &Channel| {
            channel.requests.is_empty() && !channel.is_last && now - channel.idle_since < KEEP_ALIVE
        };
        let index = self.channels.iter().position(free).unwrap_or_else(|| {
            let (inbound, requests) = (Vec::new(), VecDeque::new());
            let link = network.open(self.session);
            let idle_since = now;
            self.channels.push(Channel {
                link,
                inbound,
                requests,
                sent_before: 0,
                idle_since,
                is_last: false,
            });
            self.channels.len() - 1
        });
        let channel = &mut self.channels[index];
        log::trace!("{now} session {} requests over {}: {purpose:?}", self.session, channel.link);
        let mut bytes = Vec::new();
        if network.random.u32(0..20) == 0 {
            network.count("pipelined requests");
            let health = http::request("GET", "/health", "", true);
            bytes.extend(&health);
            channel.requests.push_back((Purpose::Health, health));
        }
        bytes.extend(&request);
        channel.requests.push_back((purpose, request));
        channel.is_last = is_last;
        network.send(channel.link, &bytes);
        // To shut the side that is done with is allowed, and the response comes all the same.
        if is_last && network.random.bool() {
            network.count("half-closed requests");
            network.shut(channel.link);
        }
    }

    fn is_script(&self) -> bool {
        self.kind == Kind::Bayeux(BayeuxTransport::Script)
    }

    fn http_request(&self, purpose: Purpose, body: &str, keep_alive: bool) -> Vec<u8> {
        if let Kind::SocketIoPolling(revision) = self.kind {
            let sid = self.id.as_ref().map_or(String::new(), |id| format!("&sid={id}"));
            let target = format!("{}&transport=polling{sid}", socket_io::target(revision));
            let method = if purpose == Purpose::Post { "POST" } else { "GET" };
            return http::request(method, &target, body, keep_alive);
        }
        let batch = format!("[{body}]");
        if self.is_script() {
            let target = format!("/faye?message={}&jsonp=answer", http::percent_encoded(&batch));
            return http::request("GET", &target, "", keep_alive);
        }
        http::request("POST", "/faye", &batch, keep_alive)
    }
}
