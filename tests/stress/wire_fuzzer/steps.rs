//! The steps of a run, each picked by chance: valid ones, nearly valid ones, and faults.

use fastrand::Rng;
use serde_json::Value;

use super::marks::{ClientKey, ConnectionKey};
use super::talk::{self, Command, ROLES, Role, Speech};
use super::wire::Manner;
use super::world::{Client, Expected, World};
use crate::support::bayeux;
use crate::support::socket_io::encode;

/// Connections and clients that are open at once; more are closed by chance. Few enough for slots to be used again
/// soon.
const CONNECTIONS: usize = 40;
const CLIENTS: usize = 40;
/// Ids of users that several clients ask for.
const SHARED_IDS: u64 = 4;
/// A step, and how often it is taken in proportion to the others.
type Step<'a> = (u32, fn(&mut Fuzzer<'a>));

pub struct Fuzzer<'a> {
    pub world: World<'a>,
    pub rng: Rng,
    /// All steps so far.
    pub log: Vec<String>,
    next_user: u64,
}

impl<'a> Fuzzer<'a> {
    const STEPS: [Step<'a>; 21] = [
        (4, Fuzzer::open_phoenix),
        (4, Fuzzer::open_engine_socket),
        (4, Fuzzer::open_bayeux_socket),
        (4, Fuzzer::engine_handshake),
        (6, Fuzzer::bayeux_handshake),
        (50, Fuzzer::progress),
        (20, Fuzzer::talk),
        (14, Fuzzer::engine_poll),
        (16, Fuzzer::bayeux_connect),
        (3, Fuzzer::bayeux_batch),
        (3, Fuzzer::begin_upgrade),
        (3, Fuzzer::finish_upgrade),
        (10, Fuzzer::trespass),
        (4, Fuzzer::guess_an_id),
        (5, Fuzzer::nearly_valid),
        (2, Fuzzer::garbage),
        (2, Fuzzer::half_close),
        (3, Fuzzer::reset),
        (3, Fuzzer::close),
        (2, Fuzzer::change_reading),
        (2, Fuzzer::plain_request),
    ];

    pub fn new(world: World<'a>, seed: u64) -> Fuzzer<'a> {
        Fuzzer { world, rng: Rng::with_seed(seed), log: Vec::new(), next_user: 100 }
    }

    /// One step, and most often all that follows from it.
    pub fn step(&mut self) -> Result<(), String> {
        let mut at = self.rng.u32(..Self::STEPS.iter().map(|(weight, _)| weight).sum::<u32>());
        for (weight, step) in Self::STEPS {
            if at < weight {
                step(self);
                break;
            }
            at -= weight;
        }
        self.make_room();
        if self.rng.u8(..4) > 0 {
            self.world.settle()?;
        }
        if self.rng.u8(..20) == 0 { self.world.look_around() } else { Ok(()) }
    }

    pub fn note(&mut self, what: String) {
        self.log.push(what);
    }

    fn make_room(&mut self) {
        while self.world.connections.len() > CONNECTIONS {
            self.close();
        }
        while self.world.clients.len() > CLIENTS {
            let key = self.pick_client(|_| true).unwrap();
            self.note(format!("client {key} is left alone"));
            self.world.forget_client(key);
        }
    }

    pub fn manner(&mut self) -> Manner {
        let piece = *self.rng.choice(&[1, 7, 100, usize::MAX, usize::MAX, usize::MAX]).unwrap();
        let window = self.rng.choice(&[None, None, None, Some(1024)]).copied().flatten();
        Manner { piece, window }
    }

    /// A client that was picked.
    pub fn client(&mut self, key: ClientKey) -> &mut Client {
        self.world.clients.get_mut(&key).expect("the client is there")
    }

    pub fn pick_client(&mut self, condition: impl Fn(&Client) -> bool) -> Option<ClientKey> {
        let fitting = self.world.clients.iter().filter(|(_, client)| condition(client));
        let keys: Vec<_> = fitting.map(|(key, _)| *key).collect();
        self.rng.choice(keys)
    }

    pub fn pick_socket(&mut self, condition: impl Fn(Speech) -> bool) -> Option<ConnectionKey> {
        let sockets = self.world.connections.iter();
        let keys: Vec<_> =
            sockets.filter(|(_, it)| it.speech.is_some_and(&condition)).map(|(key, _)| *key).collect();
        self.rng.choice(keys)
    }

    /// A connection for a request: mostly one with nothing under way, at times one behind whose request this one
    /// waits, at times a new one. Clients share them, as behind a proxy.
    pub fn requests(&mut self) -> ConnectionKey {
        let is_choosy = self.rng.u8(..8) > 0;
        let fits = |it: &super::world::Connection| {
            it.speech.is_none()
                && !it.expected.iter().any(|expected| matches!(expected, Expected::Upgrade(_)))
                && (!is_choosy || it.expected.is_empty() && it.is_in_step)
        };
        let all = self.world.connections.iter();
        let keys: Vec<_> = all.filter(|(_, it)| fits(it)).map(|(key, _)| *key).collect();
        match self.rng.choice(keys) {
            Some(key) if self.rng.u8(..8) > 0 => key,
            _ => {
                let manner = self.manner();
                self.world.open(manner)
            }
        }
    }

    /// A client takes its next proper step: it connects a user, claims or enters.
    fn progress(&mut self) {
        let Some(key) = self.pick_client(|client| client.socket.is_some() || client.id.is_some()) else {
            return;
        };
        let client = &self.world.clients[&key];
        let to_enter = client.seats.iter().find(|seat| !seat.has_entered).cloned();
        let teacher = client.users.iter().rfind(|(role, _)| *role == "teacher").map(|(_, user)| *user);
        let has_users = !client.users.is_empty();
        if let Some(seat) = to_enter {
            let seats = &mut self.client(key).seats;
            seats.iter_mut().filter(|it| it.chat == seat.chat).for_each(|it| it.has_entered = true);
            self.ask(key, &Command::Enter { chat: seat.chat, role: seat.role, user: seat.user });
        } else if let (Some(teacher), true) = (teacher, self.rng.bool()) {
            self.ask(key, &Command::Claim { teacher });
        } else if !has_users || self.rng.u8(..8) == 0 {
            let (role, user) = self.user();
            self.ask(key, &Command::Connect { role, user });
        } else if self.rng.u8(..16) == 0 {
            self.finish(key);
        } else {
            self.talk();
        }
    }

    /// An unused user id, or one that other clients use too.
    pub fn user(&mut self) -> (Role, u64) {
        let role = *self.rng.choice(&ROLES).unwrap();
        self.next_user += 1;
        let user = if self.rng.u8(..6) == 0 { self.rng.u64(..SHARED_IDS) } else { self.next_user };
        (role, user)
    }

    /// The end of a chat, or of a user.
    fn finish(&mut self, key: ClientKey) {
        let client = &self.world.clients[&key];
        let command = match (client.seats.last().cloned(), client.users.last().copied()) {
            (Some(seat), _) if self.rng.bool() => Command::Terminate { chat: seat.chat, role: seat.role },
            (_, Some((role, user))) => Command::Leave { role, user },
            _ => return,
        };
        self.ask(key, &command);
    }

    /// Messages in a chat, at times many at once.
    fn talk(&mut self) {
        let Some(key) = self.pick_client(|client| client.seats.iter().any(|seat| seat.has_entered)) else {
            return;
        };
        let seats = &self.world.clients[&key].seats;
        let seat = self.rng.choice(seats.iter().rev().take(2)).unwrap().clone();
        for _ in 0..*self.rng.choice(&[1, 1, 2, 10]).unwrap() {
            self.say(key, &seat.chat, seat.role);
        }
    }

    pub fn say(&mut self, key: ClientKey, chat: &str, role: Role) {
        let over = self.carrier(key);
        let mark = self.world.ledger.mark(key, over, chat, role);
        self.ask_over(key, &Command::Say { chat: chat.into(), role, mark }, Some(over));
    }

    /// The connection for a client's texts: its own, or one for requests.
    fn carrier(&mut self, key: ClientKey) -> ConnectionKey {
        let client = &self.world.clients[&key];
        let (socket, is_bayeux) = (client.socket, client.speech == Speech::Bayeux);
        let own = socket.filter(|_| !is_bayeux || self.rng.u8(..4) > 0);
        if let Some(own) = own {
            return own;
        }
        // Bayeux messages may come over any of its sockets, whichever client is connected there.
        if is_bayeux
            && self.rng.u8(..4) == 0
            && let Some(socket) = self.pick_socket(|speech| speech == Speech::Bayeux)
        {
            return socket;
        }
        self.requests()
    }

    pub fn ask(&mut self, key: ClientKey, command: &Command) {
        self.ask_over(key, command, None);
    }

    fn ask_over(&mut self, key: ClientKey, command: &Command, over: Option<ConnectionKey>) {
        if let Command::Connect { role, user } = *command {
            self.world.ledger.ask(key, role, user);
            self.client(key).users.push((role, user));
        }
        let over = over.unwrap_or_else(|| self.carrier(key));
        self.note(format!("client {key} on connection {over}: {command:?}"));
        let client = &self.world.clients[&key];
        let (speech, id, is_socket) =
            (client.speech, client.id.clone().unwrap_or_default(), client.socket.is_some());
        match speech {
            Speech::Phoenix(version) => {
                talk::phoenix(version, command).iter().for_each(|text| self.world.send_text(over, text));
            }
            Speech::Engine(_) if is_socket => {
                talk::socket_io(command).iter().for_each(|text| self.world.send_text(over, text));
            }
            Speech::Engine(revision) => {
                let mut texts = talk::socket_io(command);
                if revision == 4 && !std::mem::replace(&mut self.client(key).has_connected, true) {
                    texts.insert(0, "40".into());
                }
                let packets: Vec<_> = texts.iter().map(String::as_str).collect();
                let path = format!("/socket.io/?EIO={revision}&transport=polling&sid={id}");
                self.world.post_packets(over, key, &path, &encode(revision, &packets));
            }
            Speech::Bayeux => {
                let batch = Value::from(talk::bayeux(&id, command));
                let is_socket = self.world.connections.get(&over).is_some_and(|it| it.speech.is_some());
                // Nothing but replies comes back over a connection that the client is not connected by.
                if is_socket {
                    self.world.send_text(over, &batch.to_string());
                } else {
                    let expected = Expected::Clients(Speech::Bayeux, vec![]);
                    self.world.request(over, &bayeux::batch(&batch.to_string()), expected);
                }
            }
        }
    }
}
