//! The connections and clients of a run, and what has come to them.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::marks::{ClientKey, ConnectionKey, Ledger};
use super::stream::{Unit, next_unit};
use super::talk::{ROLES, Role, Speech, new_chat};
use super::wire::{Manner, Wire};
use crate::support::raw::{Bystander, frame, handshake};
use crate::support::socket_io::{decode, request};
use crate::support::{Server, phoenix::Version};

/// A text that stands in each message of the healthy pairs, and in nothing else.
const HEALTHY: &str = "padding";

/// What the next response on a connection answers.
pub enum Expected {
    /// Nothing that concerns a client.
    Other,
    /// A HEAD: the response has no body.
    Head,
    Upgrade(Speech),
    /// Requests of these clients.
    Clients(Speech, Vec<ClientKey>),
}

pub struct Connection {
    pub wire: Wire,
    /// What a WebSocket carries; nothing while the connection carries requests.
    pub speech: Option<Speech>,
    /// All clients that have ever been reached over this connection.
    pub clients: Vec<ClientKey>,
    pub expected: VecDeque<Expected>,
    /// Each response belongs to the request whose turn it is. Not so once a request was malformed.
    pub is_in_step: bool,
}

/// A user's place in a chat.
#[derive(Clone, Debug)]
pub struct Seat {
    pub chat: String,
    pub role: Role,
    pub user: u64,
    pub has_entered: bool,
}

pub struct Client {
    pub speech: Speech,
    /// The WebSocket over which it is reached, if there is one.
    pub socket: Option<ConnectionKey>,
    /// Its clientId or session id, once the server has assigned it.
    pub id: Option<String>,
    /// A client of Engine.IO 4 that polls has sent its CONNECT packet.
    pub has_connected: bool,
    /// The users that it has asked to be.
    pub users: Vec<(Role, u64)>,
    pub seats: Vec<Seat>,
}

impl Client {
    /// Whether it is reached by requests.
    pub fn polls(&self) -> bool {
        self.socket.is_none() && self.id.is_some() && !matches!(self.speech, Speech::Phoenix(_))
    }
}

pub struct World<'a> {
    pub server: &'a Server,
    bystander: Bystander,
    /// Those that are open, by keys that are never used twice.
    pub connections: BTreeMap<ConnectionKey, Connection>,
    /// Those that may still be spoken for.
    pub clients: BTreeMap<ClientKey, Client>,
    pub ledger: Ledger,
    /// All chats that were seen in the snapshot or announced.
    pub chats: Vec<String>,
    /// Ids of clients and sessions that are over or were dropped.
    pub old_ids: Vec<(Speech, String, ClientKey)>,
    /// The protocol of every client that ever was.
    pub speeches: Vec<Speech>,
    next_connection: ConnectionKey,
}

impl<'a> World<'a> {
    pub fn new(server: &'a Server) -> World<'a> {
        World {
            server,
            bystander: Bystander::new(server),
            connections: BTreeMap::new(),
            clients: BTreeMap::new(),
            ledger: Ledger::default(),
            chats: Vec::new(),
            old_ids: Vec::new(),
            speeches: Vec::new(),
            next_connection: 0,
        }
    }

    /// A connection for requests.
    pub fn open(&mut self, manner: Manner) -> ConnectionKey {
        let wire = Wire::connect(self.server.address, manner);
        let key = self.next_connection;
        self.next_connection += 1;
        let expected = VecDeque::new();
        let connection = Connection { wire, speech: None, clients: vec![], expected, is_in_step: true };
        self.connections.insert(key, connection);
        key
    }

    /// A connection on which a WebSocket is asked for.
    pub fn open_socket(&mut self, manner: Manner, path: &str, speech: Speech) -> ConnectionKey {
        let key = self.open(manner);
        self.request(key, &handshake(path), Expected::Upgrade(speech));
        key
    }

    pub fn add_client(&mut self, speech: Speech, socket: Option<ConnectionKey>) -> ClientKey {
        let key = self.speeches.len();
        self.speeches.push(speech);
        if let Some(socket) = socket {
            self.attach(socket, key);
        }
        self.clients.insert(
            key,
            Client { speech, socket, id: None, has_connected: false, users: vec![], seats: vec![] },
        );
        key
    }

    /// From now on a client may be reached over this connection.
    pub fn attach(&mut self, connection: ConnectionKey, client: ClientKey) {
        if let Some(connection) = self.connections.get_mut(&connection)
            && !connection.clients.contains(&client)
        {
            connection.clients.push(client);
        }
    }

    pub fn forget_client(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.remove(&key)
            && let Some(id) = client.id
        {
            self.old_ids.push((client.speech, id, key));
        }
    }

    /// Sends a request, whose response is to come.
    pub fn request(&mut self, key: ConnectionKey, text: &str, expected: Expected) {
        if let Expected::Clients(_, clients) = &expected {
            clients.clone().into_iter().for_each(|client| self.attach(key, client));
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.wire.send(text.as_bytes());
            connection.expected.push_back(expected);
        }
    }

    /// Sends bytes behind which responses cannot be told apart any more.
    pub fn send_malformed(&mut self, key: ConnectionKey, bytes: &[u8]) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.wire.send(bytes);
            connection.is_in_step = false;
        }
    }

    pub fn send_text(&mut self, key: ConnectionKey, text: &str) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.wire.send(&frame(0x81, text.as_bytes()));
        }
    }

    pub fn post_packets(&mut self, key: ConnectionKey, client: ClientKey, path: &str, body: &str) {
        self.request(
            key,
            &request("POST", path, "", body),
            Expected::Clients(Speech::Engine(4), vec![client]),
        );
    }

    pub fn close(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.remove(&key) {
            self.closed(key, &connection);
        }
    }

    /// Clients whose connection is the client are over with it; one of Bayeux goes on.
    fn closed(&mut self, key: ConnectionKey, connection: &Connection) {
        for &client in &connection.clients {
            let Some(state) = self.clients.get_mut(&client) else { continue };
            if state.socket == Some(key) {
                state.socket = None;
                if state.speech != Speech::Bayeux {
                    self.forget_client(client);
                }
            }
        }
    }

    /// Goes on until nothing moves, and the server has dealt with all that was sent.
    pub fn settle(&mut self) -> Result<(), String> {
        while self.pump()? {}
        self.bystander.settle();
        while self.pump()? {}
        Ok(())
    }

    /// Moves what can be moved on all connections, and looks at what has come.
    fn pump(&mut self) -> Result<bool, String> {
        let mut has_moved = false;
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            let Some(mut connection) = self.connections.remove(&key) else { continue };
            has_moved |= connection.wire.pump();
            self.take_units(key, &mut connection)?;
            if connection.wire.is_ended {
                self.closed(key, &connection);
            } else {
                self.connections.insert(key, connection);
            }
        }
        Ok(has_moved)
    }

    fn take_units(&mut self, key: ConnectionKey, connection: &mut Connection) -> Result<(), String> {
        loop {
            let is_head = matches!(connection.expected.front(), Some(Expected::Head));
            let is_socket = connection.speech.is_some();
            let unit = next_unit(&mut connection.wire.got, is_socket, is_head)
                .map_err(|why| format!("connection {key}: {why}"))?;
            match unit {
                None => return Ok(()),
                Some(Unit::Text(text)) => {
                    let speech = connection.speech.ok_or("a frame without a WebSocket")?;
                    self.observe(key, speech, &text, &connection.clients)?;
                }
                Some(Unit::Control) => {}
                Some(Unit::Response { status, body }) => self.respond(key, connection, status, &body)?,
            }
        }
    }

    fn respond(
        &mut self,
        key: ConnectionKey,
        connection: &mut Connection,
        status: u16,
        body: &str,
    ) -> Result<(), String> {
        match connection.expected.pop_front() {
            Some(Expected::Upgrade(speech)) if status == 101 => {
                connection.speech = Some(speech);
                Ok(())
            }
            _ if status == 101 => Err(format!("connection {key}: an upgrade that was not asked for")),
            Some(Expected::Clients(speech, clients)) if connection.is_in_step => {
                self.observe(key, speech, body, &clients)
            }
            _ if !connection.is_in_step => self.check(key, body, &connection.clients),
            _ => self.check(key, body, &[]),
        }
    }

    /// No byte that came is for others than these clients.
    fn check(&mut self, key: ConnectionKey, text: &str, clients: &[ClientKey]) -> Result<(), String> {
        if text.contains(HEALTHY) {
            return Err(format!("a message of a healthy pair came to connection {key}: {text}"));
        }
        self.ledger.search(text, key, clients)
    }

    fn observe(
        &mut self,
        key: ConnectionKey,
        speech: Speech,
        text: &str,
        clients: &[ClientKey],
    ) -> Result<(), String> {
        for message in messages(speech, text) {
            self.note_id(speech, &message, clients);
            let Some(new) = new_chat(speech, &message) else {
                self.note_end(&message, clients);
                continue;
            };
            self.ledger.learn(&new.chat, new.role, new.user)?;
            let owner = self.ledger.evidence(&new.chat, new.role, clients).map_err(|why| {
                format!("{new:?} came to connection {key} of clients {clients:?}: {why}\n  in {text}")
            })?;
            self.note_chat(&new.chat);
            if let Some(client) = self.clients.get_mut(&owner) {
                let seat = Seat { chat: new.chat, role: new.role, user: new.user, has_entered: false };
                client.seats.push(seat);
            }
        }
        self.check(key, text, clients)
    }

    /// Keeps the id that a handshake is answered with.
    fn note_id(&mut self, speech: Speech, message: &str, clients: &[ClientKey]) {
        let is_handshake = message.starts_with("0{") || message.contains("/meta/handshake");
        if !is_handshake {
            return;
        }
        let value: Value = serde_json::from_str(message.trim_start_matches('0')).unwrap_or_default();
        let (id, client) = match speech {
            Speech::Bayeux => {
                let client = value["id"].as_str().and_then(|id| id.strip_prefix('h')?.parse().ok());
                (value["clientId"].as_str(), client)
            }
            _ => (value["sid"].as_str(), clients.first().copied()),
        };
        if let (Some(id), Some(client)) = (id, client)
            && let Some(client) = self.clients.get_mut(&client)
        {
            client.id = Some(id.to_owned());
        }
    }

    /// A chat is over.
    fn note_end(&mut self, message: &str, clients: &[ClientKey]) {
        if message.contains("terminated") && !message.contains("successful") {
            for client in clients {
                if let Some(client) = self.clients.get_mut(client) {
                    client.seats.retain(|seat| !message.contains(&seat.chat));
                }
            }
        }
    }

    fn note_chat(&mut self, chat: &str) {
        if !self.chats.iter().any(|known| known == chat) {
            self.chats.push(chat.into());
        }
    }

    /// Reads the public snapshot: which users chat with each other.
    pub fn look_around(&mut self) -> Result<(), String> {
        for row in self.server.snapshot()["chats"]["active"].as_array().into_iter().flatten() {
            let Some(chat) = row["id"].as_str() else { continue };
            for role in ROLES {
                let id = &row[format!("{role}_id")];
                if let Some(user) = id.as_u64() {
                    self.ledger.learn(chat, role, user)?;
                }
            }
            self.note_chat(chat);
        }
        Ok(())
    }
}

/// The frame, packets or messages of a text or a body.
fn messages(speech: Speech, text: &str) -> Vec<String> {
    let text = unwrap_script(text);
    match speech {
        Speech::Phoenix(_) => vec![text],
        // A frame is a packet; a body is of the revision's form, and an error is JSON.
        Speech::Engine(3) if text.starts_with(|c: char| c.is_ascii_digit()) && text.is_ascii() => {
            let is_body = text.split_once(':').is_some_and(|(length, _)| length.parse::<usize>().is_ok());
            if is_body { decode(3, &text) } else { vec![text] }
        }
        Speech::Engine(_) => text.split('\x1e').map(str::to_owned).collect(),
        Speech::Bayeux => match serde_json::from_str(&text) {
            Ok(Value::Array(messages)) => messages.iter().map(Value::to_string).collect(),
            _ => vec![],
        },
    }
}

/// The body in a response to a script: `___eio[0]("…");` or `/**/callback([…]);`.
fn unwrap_script(text: &str) -> String {
    let inner = |text: &str| Some(text.split_once('(')?.1.rsplit_once(')')?.0.to_owned());
    if text.starts_with("___eio[") {
        let string = inner(text).and_then(|text| serde_json::from_str(&text).ok());
        return string.unwrap_or_default();
    }
    if text.starts_with("/**/") { inner(text).unwrap_or_default() } else { text.to_owned() }
}

/// The path of a Phoenix socket.
pub fn phoenix_path(version: Version) -> &'static str {
    match version {
        Version::V1 => "/ws",
        Version::V2 => "/ws/websocket?vsn=2.0.0",
    }
}
