//! Who is connected how, counted when somebody asks: what can be counted then is not kept up to date with
//! every message.

use super::Endpoint;
use super::clients::Link;
use super::connection::State;
use crate::metrics::Tally;
use crate::models::id::ClientId;

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
pub struct Census {
    /// Open sockets. That of a client that polls is one of `http` between its requests.
    pub connections: Tally<Kind>,
    /// Clients, also those that poll and are between two requests.
    pub clients: Tally<Kind>,
}

impl Endpoint {
    /// Counts all connections and clients.
    pub(super) fn census(&self) -> Census {
        let (mut connections, mut clients) = (Tally::of(&KINDS), Tally::of(&KINDS[2..]));
        for (_, connection) in self.connections.iter() {
            connections.add(self.kind(&connection.state));
        }
        for (_, client) in self.clients.iter() {
            let transport = match &client.link {
                Link::Socket(_) => "websocket",
                Link::Polling(_) => "polling",
            };
            clients.add((client.protocol.name(), transport));
        }
        Census { connections, clients }
    }

    fn kind(&self, state: &State) -> Kind {
        let of = |client: ClientId, transport| {
            self.clients.get(client).map_or(CLOSING, |client| (client.protocol.name(), transport))
        };
        match state {
            State::Http => REQUEST,
            State::Parked(parked) => of(parked.client, "polling"),
            State::Probe(..) => SOCKET_IO,
            State::WebSocket(client, _) => of(*client, "websocket"),
            State::Bayeux(..) => BAYEUX,
            State::Echo(_) => ECHO,
            State::Lingering => CLOSING,
        }
    }
}
