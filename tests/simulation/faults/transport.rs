//! The client's transports: one WebSocket, or HTTP requests on connections that are used again, some of which become
//! a WebSocket later. Texts of the protocol above go in and come out.

use std::collections::VecDeque;

use super::frames;
use super::network::{LinkId, Network, Piece};
use super::polling::Polling;
use super::world::SessionId;
use super::{http, wire::Kind};

/// The server has closed what the transport cannot do without, or has answered with an error.
#[derive(Debug)]
pub struct Closed(pub String);

/// How a client reaches the server.
#[derive(Debug)]
pub enum Transport {
    WebSocket(WebSocket),
    Polling(Box<Polling>),
}

impl Transport {
    /// A transport that begins to connect.
    pub fn connect(kind: Kind, session: SessionId, network: &mut Network) -> Transport {
        match kind.socket_target() {
            Some(target) => {
                let socket = WebSocket::open(target, kind.is_bayeux(), session, network);
                network.links[socket.link].is_http = false;
                Transport::WebSocket(socket)
            }
            None => Transport::Polling(Box::new(Polling::open(kind, session, network))),
        }
    }

    /// Sends texts, or keeps them until they can be sent.
    pub fn send(&mut self, texts: Vec<String>, network: &mut Network) {
        match self {
            Transport::WebSocket(socket) => texts.iter().for_each(|text| socket.send(text, network)),
            Transport::Polling(polling) => polling.send(texts, network),
        }
    }

    /// Something has come over one of the connections. The texts of it, in order.
    pub fn receive(
        &mut self,
        link: LinkId,
        piece: Piece,
        network: &mut Network,
    ) -> Result<Vec<String>, Closed> {
        match self {
            Transport::WebSocket(socket) if socket.link == link => socket.receive(piece, network),
            // A connection that was left behind by a change of transports.
            Transport::WebSocket(_) => Ok(Vec::new()),
            Transport::Polling(polling) => {
                let texts = polling.receive(link, piece, network)?;
                if let Some(socket) = polling.take_socket(network) {
                    *self = Transport::WebSocket(socket);
                }
                Ok(texts)
            }
        }
    }

    /// Does what a client does by and by.
    pub fn act(&mut self, network: &mut Network) {
        if let Transport::Polling(polling) = self {
            polling.act(network);
        }
    }

    /// The connections that are open.
    pub fn links(&self) -> Vec<LinkId> {
        match self {
            Transport::WebSocket(socket) => vec![socket.link],
            Transport::Polling(polling) => polling.links(),
        }
    }

    /// Closes all connections.
    pub fn close(&mut self, network: &mut Network) {
        self.links().into_iter().for_each(|link| network.close(link));
    }
}

/// The client's end of a WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    pub link: LinkId,
    is_bayeux: bool,
    is_open: bool,
    inbound: Vec<u8>,
    /// Payloads of the pings whose pongs have not come.
    pings: VecDeque<Vec<u8>>,
    /// What is sent once the server has accepted.
    queue: Vec<String>,
}

impl WebSocket {
    /// Asks for a WebSocket.
    pub fn open(target: &str, is_bayeux: bool, session: SessionId, network: &mut Network) -> WebSocket {
        let link = network.open(session);
        network.send(link, &http::upgrade(target));
        let (inbound, pings, queue) = (Vec::new(), VecDeque::new(), Vec::new());
        WebSocket { link, is_bayeux, is_open: false, inbound, pings, queue }
    }

    /// Sends a text: a Bayeux message as a batch of one.
    pub fn send(&mut self, text: &str, network: &mut Network) {
        if !self.is_open {
            return self.queue.push(text.into());
        }
        let text = if self.is_bayeux { format!("[{text}]") } else { text.to_owned() };
        let mut bytes = Vec::new();
        frames::write_text(&mut bytes, &text, &mut self.pings, &mut network.random);
        network.send(self.link, &bytes);
    }

    /// Begins to close.
    pub fn send_close(&mut self, network: &mut Network) {
        let code = if network.random.bool() { &[3, 232][..] } else { &[] };
        let mut bytes = Vec::new();
        let header = frames::header(frames::CLOSE, true, &mut network.random);
        frames::write(&mut bytes, &header, code);
        network.send(self.link, &bytes);
    }

    /// The texts of what has come.
    pub fn receive(&mut self, piece: Piece, network: &mut Network) -> Result<Vec<String>, Closed> {
        let Piece::Bytes(bytes) = piece else {
            return Err(Closed("the server has closed".into()));
        };
        self.inbound.extend(bytes);
        if !self.is_open {
            let Some(response) = http::read(&mut self.inbound, false) else {
                return Ok(Vec::new());
            };
            if response.status != 101 {
                return Err(Closed(format!("{response:?} to an upgrade")));
            }
            self.is_open = true;
            for text in std::mem::take(&mut self.queue) {
                self.send(&text, network);
            }
        }
        let mut texts = Vec::new();
        while let Some((opcode, payload)) = frames::read(&mut self.inbound) {
            match opcode {
                frames::CLOSE => return Err(Closed(format!("a close frame: {payload:?}"))),
                frames::TEXT => {
                    let text = String::from_utf8(payload).expect("text is UTF-8");
                    if self.is_bayeux {
                        texts.extend(super::bayeux::messages(&text))
                    } else {
                        texts.push(text)
                    }
                }
                frames::PONG => assert_eq!(self.pings.pop_front(), Some(payload), "a pong to no ping"),
                opcode => panic!("the server sends no {opcode:?}"),
            }
        }
        Ok(texts)
    }

    /// Whether the server has accepted.
    pub fn is_open(&self) -> bool {
        self.is_open
    }
}
