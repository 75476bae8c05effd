//! Connections and sessions by protocol and transport, counted on request: what can be counted then is not kept up to
//! date with every message.

use super::Endpoint;
use super::connection::{Binding, State};
use super::sessions::Transport;
use crate::chat::id::ClientId;
use crate::metrics::CounterVec;
use crate::protocols::{KINDS, Kind, SHARED_SOCKET_PROTOCOL};

const REQUEST: Kind = ("http", "request");
const CLOSING: Kind = ("http", "closing");
/// Counted where there are any: most builds have no such path.
const ECHO: Kind = ("echo", "websocket");
/// Connections without a protocol.
const OTHERS: [Kind; 2] = [REQUEST, CLOSING];

/// What there is now.
#[derive(Debug)]
pub struct Gauges {
    /// Open sockets. That of a client that polls is one of `http` between its requests.
    pub connections: CounterVec<Kind>,
    /// Sessions, also those that poll and are between two requests.
    pub clients: CounterVec<Kind>,
}

impl Endpoint {
    /// Counts all connections and clients.
    pub(super) fn gauges(&self) -> Gauges {
        let (mut connections, mut clients) =
            (CounterVec::of(&[&OTHERS[..], &KINDS].concat()), CounterVec::of(&KINDS));
        for (_, connection) in self.connections.iter() {
            connections.add(self.kind(&connection.state));
        }
        for (_, client) in self.sessions.iter() {
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
            self.sessions.get(client).map_or(CLOSING, |client| (client.protocol.name(), transport))
        };
        match state {
            State::Http | State::AwaitingTurn => REQUEST,
            State::Held(held) => of(held.client, "polling"),
            State::WebSocket(Binding::Owned(client) | Binding::Probe(client), _) => of(*client, "websocket"),
            State::WebSocket(Binding::Shared(_), _) => (SHARED_SOCKET_PROTOCOL, "websocket"),
            State::WebSocket(Binding::Echo, _) => ECHO,
            State::Closing(_) | State::Closed => CLOSING,
        }
    }
}
