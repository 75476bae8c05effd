//! Who is connected how, counted when somebody asks: what can be counted then is not kept up to date with
//! every message.

use super::Endpoint;
use super::clients::Transport;
use super::connection::State;
use crate::chat::id::ClientId;
use crate::metrics::CounterVec;

/// A protocol and its transport, as they are called in the figures.
pub type Kind = (&'static str, &'static str);

const REQUEST: Kind = ("http", "request");
const CLOSING: Kind = ("http", "closing");
const SOCKET_IO: Kind = ("socket.io", "websocket");
const BAYEUX: Kind = ("bayeux", "websocket");
/// Counted where there are any: most builds have no such path.
const ECHO: Kind = ("echo", "websocket");
/// Those that are no client's come first.
const KINDS: [Kind; 7] = [
    REQUEST,
    CLOSING,
    ("phoenix", "websocket"),
    SOCKET_IO,
    ("socket.io", "polling"),
    BAYEUX,
    ("bayeux", "polling"),
];

/// What there is now.
#[derive(Debug)]
pub struct Gauges {
    /// Open sockets. That of a client that polls is one of `http` between its requests.
    pub connections: CounterVec<Kind>,
    /// Clients, also those that poll and are between two requests.
    pub clients: CounterVec<Kind>,
}

impl Endpoint {
    /// Counts all connections and clients.
    pub(super) fn gauges(&self) -> Gauges {
        let (mut connections, mut clients) = (CounterVec::of(&KINDS), CounterVec::of(&KINDS[2..]));
        for (_, connection) in self.connections.iter() {
            connections.add(self.kind(&connection.state));
        }
        for (_, client) in self.clients.iter() {
            let transport = match &client.transport {
                Transport::WebSocket(_) => "websocket",
                Transport::Polling(_) => "polling",
            };
            clients.add((client.protocol.name(), transport));
        }
        Gauges { connections, clients }
    }

    fn kind(&self, state: &State) -> Kind {
        let of = |client: ClientId, transport| {
            self.clients.get(client).map_or(CLOSING, |client| (client.protocol.name(), transport))
        };
        match state {
            State::Http => REQUEST,
            State::Held(held_request) => of(held_request.client, "polling"),
            State::Probe(..) => SOCKET_IO,
            State::WebSocket(client, _) => of(*client, "websocket"),
            State::Bayeux(..) => BAYEUX,
            State::Echo(_) => ECHO,
            State::Closing => CLOSING,
        }
    }
}
