//! Steps that a healthy user does not take: other users' chats and ids, damaged bytes, faults of the network.

use serde_json::{Value, json};

use super::marks::ConnectionKey;
use super::steps::Fuzzer;
use super::talk::{self, Command, ROLES, Role, Speech};
use super::wire::Manner;
use super::world::{Expected, World};
use crate::healthy_pairs::FIRST_ID;
use crate::support::Server;
use crate::support::bayeux::{self, connect};
use crate::support::raw::{frame, handshake};
use crate::support::socket_io::request;

/// The student of a healthy pair whose client has no connection between two polls: a client that has one
/// may then take over the id.
const UNCONNECTED_STUDENT: u64 = FIRST_ID + 4;

impl Fuzzer<'_> {
    /// A client acts for others: in their chats, under their ids.
    pub fn trespass(&mut self) {
        let Some(key) = self.pick_client(|client| client.socket.is_some() || client.id.is_some()) else {
            return;
        };
        let Some(chat) = self.rng.choice(self.world.chats.iter().rev().take(20)).cloned() else { return };
        let role = *self.rng.choice(&ROLES).unwrap();
        let Some(user) = self.world.ledger.user(&chat, role) else { return };
        let command = match self.rng.u8(..7) {
            0 => return self.say(key, &chat, role),
            1 => Command::Enter { chat, role, user },
            2 if !self.is_unconnected(role, user) => Command::Connect { role, user },
            3 => Command::Terminate { chat, role },
            4 => Command::Leave { role, user },
            5 => Command::Claim { teacher: user },
            _ => Command::Listen { role, user },
        };
        self.ask(key, &command);
    }

    pub fn is_unconnected(&self, role: Role, user: u64) -> bool {
        (role, user) == ("student", UNCONNECTED_STUDENT)
    }

    /// A session id or clientId that is over, or nearly another's.
    pub fn guess_an_id(&mut self) {
        let known = self.world.clients.values();
        let guesses = known.filter_map(|client| Some((client.speech, altered(client.id.clone()?), None)));
        let old = self.world.old_ids.iter().rev().take(20).cloned();
        let ids: Vec<_> = guesses.chain(old.map(|(speech, id, client)| (speech, id, Some(client)))).collect();
        let Some((speech, id, owner)) = self.rng.choice(ids) else { return };
        // A client is identified by its id alone, so one that has no connection can be taken over.
        let answer = owner.map_or(Expected::Other, |client| Expected::Clients(speech, vec![client]));
        let (text, expected) = match speech {
            Speech::Engine(revision) if self.rng.u8(..4) == 0 => {
                let path = format!("/socket.io/?EIO={revision}&transport=websocket&sid={id}");
                (handshake(&path), owner.map_or(Expected::Other, |_| Expected::Upgrade(speech)))
            }
            Speech::Engine(revision) => {
                let path = format!("/socket.io/?EIO={revision}&transport=polling&sid={id}");
                (request("GET", &path, "", ""), answer)
            }
            _ => (bayeux::batch(&json!([connect(&id, "long-polling")]).to_string()), answer),
        };
        let at = self.requests();
        self.note(format!("a guess at {speech:?} {id} of {owner:?} on connection {at}"));
        owner.into_iter().for_each(|client| self.world.attach(at, client));
        self.world.request(at, &text, expected);
    }

    /// A valid text with a byte changed, left out, or the rest missing.
    pub fn nearly_valid(&mut self) {
        let Some(key) = self.pick_client(|client| client.socket.is_some()) else { return };
        let (role, user) = self.user();
        self.world.ledger.ask(key, role, user);
        let client = &self.world.clients[&key];
        let (speech, id, socket) = (client.speech, client.id.clone(), client.socket);
        let command = Command::Connect { role, user };
        let text = match speech {
            Speech::Phoenix(version) => talk::phoenix(version, &command).join(""),
            Speech::Engine(_) => talk::socket_io(&command).join(""),
            Speech::Bayeux => Value::from(talk::bayeux(&id.unwrap_or_default(), &command)).to_string(),
        };
        let is_text = self.rng.bool();
        let mut bytes = if is_text { text.into_bytes() } else { frame(0x81, text.as_bytes()) };
        self.damage(&mut bytes);
        if let Some(socket) = socket.filter(|_| speech != Speech::Bayeux || is_text) {
            self.note(format!("connection {socket} gets {:?}", String::from_utf8_lossy(&bytes)));
            let bytes = if is_text { frame(0x81, &bytes) } else { bytes };
            self.world.send_malformed(socket, &bytes);
        } else {
            let at = self.requests();
            let mut bytes = bayeux::batch("[{}]").into_bytes();
            self.damage(&mut bytes);
            self.note(format!("connection {at} gets {:?}", String::from_utf8_lossy(&bytes)));
            self.world.send_malformed(at, &bytes);
        }
    }

    /// Digits stay as they are: they may be the id of a user.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.rng.usize(..bytes.len());
        match self.rng.u8(..4) {
            0 => bytes.truncate(at),
            _ if bytes[at].is_ascii_digit() => {}
            1 => {
                bytes.remove(at);
            }
            _ => bytes[at] = *self.rng.choice(b"\"{}[]:,/ \\\0\r\n\xff").unwrap(),
        }
    }

    pub fn garbage(&mut self) {
        let keys: Vec<_> = self.world.connections.keys().copied().collect();
        let Some(key) = self.rng.choice(keys) else { return };
        let garbage: Vec<u8> = (0..self.rng.usize(1..40)).map(|_| self.rng.u8(..)).collect();
        self.note(format!("connection {key} gets {garbage:?}"));
        self.world.send_malformed(key, &garbage);
    }

    pub fn pick_connection(&mut self) -> Option<ConnectionKey> {
        let keys: Vec<_> = self.world.connections.keys().copied().collect();
        self.rng.choice(keys)
    }

    pub fn half_close(&mut self) {
        let Some(key) = self.pick_connection() else { return };
        self.note(format!("connection {key} is half closed"));
        let connection = self.world.connections.get_mut(&key).unwrap();
        connection.wire.end_writing();
        connection.is_in_step = false;
    }

    pub fn reset(&mut self) {
        let Some(key) = self.pick_connection() else { return };
        self.note(format!("connection {key} is reset"));
        self.world.connections.get_mut(&key).unwrap().wire.reset();
        self.world.close(key);
    }

    pub fn close(&mut self) {
        let Some(key) = self.pick_connection() else { return };
        self.note(format!("connection {key} is closed"));
        self.world.close(key);
    }

    pub fn change_reading(&mut self) {
        let Some(key) = self.pick_connection() else { return };
        let wire = &mut self.world.connections.get_mut(&key).unwrap().wire;
        wire.is_reading = !wire.is_reading;
        let what = if wire.is_reading { "is read again" } else { "is not read" };
        self.note(format!("connection {key} {what}"));
    }

    pub fn plain_request(&mut self) {
        let at = self.requests();
        let (method, path) = *self
            .rng
            .choice(&[("GET", "/"), ("HEAD", "/?limit=3"), ("GET", "/health"), ("OPTIONS", "/faye")])
            .unwrap();
        self.ask_plainly(at, method, path);
    }

    /// A request that concerns no client. A response to HEAD can be told from others by the request only, so where
    /// it is not known which request a response answers, GET is sent in place of HEAD.
    fn ask_plainly(&mut self, at: ConnectionKey, method: &str, path: &str) {
        let is_in_step = self.world.connections[&at].is_in_step;
        let method = if method == "HEAD" && !is_in_step { "GET" } else { method };
        let expected = if method == "HEAD" { Expected::Head } else { Expected::Other };
        self.world.request(at, &request(method, path, "", ""), expected);
        self.note(format!("{method} {path} on connection {at}"));
    }
}

/// An id of which one character is another.
fn altered(id: String) -> String {
    let at = id.len() / 2;
    let other = if id[at..].starts_with('a') { "b" } else { "a" };
    id[..at].to_owned() + other + id.get(at + 1..).unwrap_or_default()
}

/// What is malformed may be answered on its own, or take in the request behind it, or not count at all.
#[test]
fn a_response_to_malformed_bytes_is_not_taken_for_that_to_a_request_behind_them() {
    let server = Server::start(&[]);
    for malformed in ["", "POST /faye HTTP/1.1\r\nHo", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "\0"] {
        let mut fuzzer = Fuzzer::new(World::new(&server), 1);
        let manner = Manner { piece: usize::MAX, window: None };
        let at = fuzzer.world.open(manner);
        fuzzer.world.send_malformed(at, malformed.as_bytes());
        fuzzer.ask_plainly(at, "HEAD", "/?limit=3");
        fuzzer.ask_plainly(at, "GET", "/health");
        fuzzer.world.settle().unwrap_or_else(|why| panic!("{malformed:?}: {why}"));
    }
}
