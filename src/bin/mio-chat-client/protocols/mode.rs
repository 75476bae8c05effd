//! The protocols by their names on the command line.

use std::str::FromStr;
use std::time::Duration;

use super::bayeux::Bayeux;
use super::socket_io::{Revision, SocketIo};
use super::{Protocol, phoenix};

/// A protocol by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    PhoenixV1,
    PhoenixV2,
    /// Socket.IO over Engine.IO 3.
    SocketIo,
    /// The same for node-chat-server itself, which tells everybody everything.
    Node,
    /// Socket.IO over Engine.IO 4.
    SocketIo4,
    /// Bayeux as Faye speaks it.
    Bayeux,
    /// Pings and pongs instead of a conversation, in Socket.IO over Engine.IO 3.
    Ping,
}

const NAMES: &str =
    "the modes are phoenix (or elixir), phoenix-v2, socket.io, node, socket.io-4, bayeux (or faye) and ping";

impl Mode {
    /// The name in summaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::PhoenixV1 => "phoenix",
            Self::PhoenixV2 => "phoenix-v2",
            Self::SocketIo => "socket.io",
            Self::Node => "node",
            Self::SocketIo4 => "socket.io-4",
            Self::Bayeux => "bayeux",
            Self::Ping => "ping",
        }
    }

    /// The URL in WebSocket's scheme, with the path that the protocol has on the original server if there is none.
    pub fn whole_url(self, url: &str) -> String {
        let url = match url.strip_prefix("http://") {
            Some(rest) => format!("ws://{rest}"),
            None => url.to_owned(),
        };
        let bare = url.strip_suffix('/').unwrap_or(&url);
        let has_path = bare.strip_prefix("ws://").unwrap_or(bare).contains(['/', '?', '#']);
        match self {
            _ if !has_path => format!("{bare}{}", self.path()),
            // Version 2 is asked for in the query, which phoenix.js adds itself.
            Self::PhoenixV2 if !url.contains("vsn=") => {
                format!("{url}{}vsn=2.0.0", if url.contains('?') { '&' } else { '?' })
            }
            _ => url,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::PhoenixV1 => "/ws",
            Self::PhoenixV2 => "/ws/websocket?vsn=2.0.0",
            Self::SocketIo | Self::Node | Self::Ping => "/socket.io/?EIO=3&transport=websocket",
            Self::SocketIo4 => "/socket.io/?EIO=4&transport=websocket",
            Self::Bayeux => "/faye",
        }
    }

    /// How often the protocol's own client says that it is still there.
    pub fn heartbeat_interval(self) -> Duration {
        match self {
            Self::PhoenixV1 | Self::PhoenixV2 => Duration::from_secs(30),
            Self::SocketIo | Self::Node | Self::SocketIo4 | Self::Ping => Duration::from_secs(25),
            // Half of the time that a connect is held.
            Self::Bayeux => Duration::from_millis(22_500),
        }
    }

    /// The protocol itself.
    pub fn protocol(self) -> Box<dyn Protocol> {
        match self {
            Self::PhoenixV1 => Box::new(phoenix::Phoenix::new(phoenix::V1)),
            Self::PhoenixV2 => Box::new(phoenix::Phoenix::new(phoenix::V2)),
            Self::SocketIo | Self::Ping => Box::new(SocketIo::new(Revision::V3)),
            Self::Node => Box::new(SocketIo::among_broadcasts(Revision::V3)),
            Self::SocketIo4 => Box::new(SocketIo::new(Revision::V4)),
            Self::Bayeux => Box::new(Bayeux),
        }
    }
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "elixir" | "phoenix" | "phoenix-v1" => Ok(Self::PhoenixV1),
            "phoenix-v2" => Ok(Self::PhoenixV2),
            "socket.io" | "socket.io-3" => Ok(Self::SocketIo),
            "node" => Ok(Self::Node),
            "socket.io-4" => Ok(Self::SocketIo4),
            "bayeux" | "faye" => Ok(Self::Bayeux),
            "ping" => Ok(Self::Ping),
            _ => Err(NAMES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for mode in [
            Mode::PhoenixV1,
            Mode::PhoenixV2,
            Mode::SocketIo,
            Mode::Node,
            Mode::SocketIo4,
            Mode::Bayeux,
            Mode::Ping,
        ] {
            assert_eq!(mode.name().parse(), Ok(mode));
        }
    }

    #[test]
    fn version_2_is_asked_for_if_the_url_does_not() {
        for (url, whole) in [
            ("ws://x/ws", "ws://x/ws?vsn=2.0.0"),
            ("ws://x/ws?a=1", "ws://x/ws?a=1&vsn=2.0.0"),
            ("ws://x/ws?vsn=2.0.0", "ws://x/ws?vsn=2.0.0"),
        ] {
            assert_eq!(Mode::PhoenixV2.whole_url(url), whole);
        }
    }

    #[test]
    fn a_url_without_a_path_gets_the_modes_own() {
        let path = "/socket.io/?EIO=3&transport=websocket";
        for url in ["ws://h:1", "ws://h:1/", "http://h:1"] {
            assert_eq!(Mode::SocketIo.whole_url(url), format!("ws://h:1{path}"), "{url}");
        }
        assert_eq!(Mode::Bayeux.whole_url("http://h:1/"), "ws://h:1/faye");
        assert!(Mode::SocketIo4.whole_url("ws://h").contains("?EIO=4&"));
        for url in ["ws://h/x", "ws://h?a=b", "wss://h/x"] {
            assert_eq!(Mode::Node.whole_url(url), url);
        }
        assert_eq!(Mode::PhoenixV1.whole_url("http://h/"), "ws://h/ws");
        assert_eq!(Mode::PhoenixV1.whole_url("ws://h/socket"), "ws://h/socket");
        assert_eq!(Mode::PhoenixV2.whole_url("ws://h"), "ws://h/ws/websocket?vsn=2.0.0");
    }
}
