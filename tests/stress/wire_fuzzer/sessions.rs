//! Steps that open connections, sessions and clients, and that keep them.

use serde_json::{Value, json};

use super::marks::{ClientKey, ConnectionKey};
use super::steps::Fuzzer;
use super::talk::Speech;
use super::world::{Client, Expected, phoenix_path};
use crate::support::bayeux::{self, connect};
use crate::support::phoenix::Version::{V1, V2};
use crate::support::socket_io::request;

impl Fuzzer<'_> {
    pub fn open_phoenix(&mut self) {
        let version = *self.rng.choice(&[V1, V2]).unwrap();
        let manner = self.manner();
        let speech = Speech::Phoenix(version);
        let socket = self.world.open_socket(manner, phoenix_path(version), speech);
        let client = self.world.add_client(speech, Some(socket));
        self.note(format!("client {client}: {speech:?} on connection {socket}, {manner:?}"));
    }

    pub fn open_engine_socket(&mut self) {
        let revision = *self.rng.choice(&[3, 4]).unwrap();
        let manner = self.manner();
        let speech = Speech::Engine(revision);
        let path = format!("/socket.io/?EIO={revision}&transport=websocket");
        let socket = self.world.open_socket(manner, &path, speech);
        let client = self.world.add_client(speech, Some(socket));
        if revision == 4 {
            self.world.send_text(socket, "40");
        }
        self.note(format!("client {client}: {speech:?} on connection {socket}, {manner:?}"));
    }

    pub fn open_bayeux_socket(&mut self) {
        let manner = self.manner();
        let socket = self.world.open_socket(manner, "/faye", Speech::Bayeux);
        self.note(format!("connection {socket}: a WebSocket for Bayeux, {manner:?}"));
    }

    pub fn engine_handshake(&mut self) {
        let revision = *self.rng.choice(&[3, 4]).unwrap();
        let speech = Speech::Engine(revision);
        let at = self.requests();
        let client = self.world.add_client(speech, None);
        let script = if self.rng.u8(..4) == 0 { "&j=0" } else { "" };
        let path = format!("/socket.io/?EIO={revision}&transport=polling{script}");
        self.world.request(at, &request("GET", &path, "", ""), Expected::Clients(speech, vec![client]));
        self.note(format!("client {client}: {path} on connection {at}"));
    }

    pub fn bayeux_handshake(&mut self) {
        let client = self.world.add_client(Speech::Bayeux, None);
        let message = json!([{"channel": "/meta/handshake", "version": "1.0", "id": format!("h{client}"),
            "supportedConnectionTypes": ["websocket", "long-polling", "callback-polling"]}]);
        let at = self.send_batch(None, vec![], &message);
        self.note(format!("client {client}: a Bayeux handshake on connection {at}"));
    }

    /// Sends a batch over a WebSocket, or over HTTP in one of its forms. Its clients may be reached over that
    /// connection.
    pub fn send_batch(
        &mut self,
        socket: Option<ConnectionKey>,
        clients: Vec<ClientKey>,
        batch: &Value,
    ) -> ConnectionKey {
        if let Some(socket) = socket {
            clients.into_iter().for_each(|client| self.world.attach(socket, client));
            self.world.send_text(socket, &batch.to_string());
            return socket;
        }
        let at = self.requests();
        let text = match self.rng.u8(..6) {
            0 => {
                let message: String = form_urlencoded::byte_serialize(batch.to_string().as_bytes()).collect();
                request("GET", &format!("/faye?message={message}&jsonp=cb"), "", "")
            }
            1 => {
                let body = form_urlencoded::byte_serialize(batch.to_string().as_bytes()).collect::<String>();
                let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
                request("POST", "/faye", kind, &format!("message={body}"))
            }
            _ => bayeux::batch(&batch.to_string()),
        };
        self.world.request(at, &text, Expected::Clients(Speech::Bayeux, clients));
        at
    }

    pub fn engine_poll(&mut self) {
        let Some(key) = self.pick_client(|client| client.polls() && client.speech != Speech::Bayeux) else {
            return;
        };
        let client = &self.world.clients[&key];
        let (Speech::Engine(revision), Some(id)) = (client.speech, client.id.clone()) else { return };
        let at = self.requests();
        let script = if self.rng.u8(..6) == 0 { "&j=3" } else { "" };
        let path = format!("/socket.io/?EIO={revision}&transport=polling&sid={id}{script}");
        let expected = Expected::Clients(Speech::Engine(revision), vec![key]);
        self.world.request(at, &request("GET", &path, "", ""), expected);
        self.note(format!("client {key} polls on connection {at}"));
    }

    pub fn is_connectable(client: &Client) -> bool {
        client.speech == Speech::Bayeux && client.id.is_some()
    }

    /// A Bayeux client connects over its socket, or over that of another, or over HTTP.
    pub fn bayeux_connect(&mut self) {
        let Some(key) = self.pick_client(Self::is_connectable) else { return };
        let own = self.world.clients[&key].socket;
        let socket = match self.rng.u8(..8) {
            0..3 => None,
            3..5 => self.pick_socket(|speech| speech == Speech::Bayeux),
            _ => own.or_else(|| self.pick_socket(|speech| speech == Speech::Bayeux)),
        };
        let message = self.connect_message(key, socket.is_some());
        let at = self.send_batch(socket, vec![key], &json!([message]));
        self.client(key).socket = socket;
        self.note(format!("client {key} connects on connection {at}: {message}"));
    }

    pub fn connect_message(&mut self, key: ClientKey, is_socket: bool) -> Value {
        let id = self.world.clients[&key].id.clone().unwrap_or_default();
        let mut message = connect(&id, if is_socket { "websocket" } else { "long-polling" });
        if self.rng.bool() {
            message["advice"] = json!({"timeout": *self.rng.choice(&[0, 5, 50]).unwrap()});
        }
        message
    }

    /// One batch of several clients: connects, disconnects, and what is left out.
    pub fn bayeux_batch(&mut self) {
        let socket = self.pick_socket(|speech| speech == Speech::Bayeux).filter(|_| self.rng.bool());
        let (mut batch, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..self.rng.usize(1..5) {
            let Some(key) = self.pick_client(Self::is_connectable) else { return };
            let id = self.world.clients[&key].id.clone();
            match self.rng.u8(..6) {
                0 => {
                    batch.push(json!({"channel": "/meta/disconnect", "clientId": id, "id": "d"}));
                    self.world.forget_client(key);
                }
                1 => batch.push(json!({"clientId": id})),
                _ => {
                    batch.push(self.connect_message(key, socket.is_some()));
                    self.client(key).socket = socket;
                    clients.push(key);
                }
            }
        }
        let batch = Value::from(batch);
        let at = self.send_batch(socket, clients, &batch);
        self.note(format!("a batch on connection {at}: {batch}"));
    }

    /// A polling client begins to change over to a WebSocket; at times all of it at once.
    pub fn begin_upgrade(&mut self) {
        let Some(key) = self.pick_client(|client| client.polls() && client.speech != Speech::Bayeux) else {
            return;
        };
        let client = &self.world.clients[&key];
        let (Speech::Engine(revision), Some(id)) = (client.speech, client.id.clone()) else { return };
        let manner = self.manner();
        let path = format!("/socket.io/?EIO={revision}&transport=websocket&sid={id}");
        let socket = self.world.open_socket(manner, &path, Speech::Engine(revision));
        self.world.attach(socket, key);
        self.world.send_text(socket, "2probe");
        let is_hasty = self.rng.u8(..4) == 0;
        if is_hasty {
            self.world.send_text(socket, "5");
            self.client(key).socket = Some(socket);
        }
        self.note(format!("client {key} probes connection {socket}, upgrades at once: {is_hasty}"));
    }

    pub fn finish_upgrade(&mut self) {
        let Some(socket) = self.pick_socket(|speech| matches!(speech, Speech::Engine(_))) else { return };
        let Some(&key) = self.world.connections[&socket].clients.first() else { return };
        self.world.send_text(socket, "5");
        if let Some(client) = self.world.clients.get_mut(&key) {
            client.socket = Some(socket);
        }
        self.note(format!("client {key} upgrades to connection {socket}"));
    }
}
