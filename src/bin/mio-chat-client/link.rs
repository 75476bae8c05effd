//! One connection: its socket, how far it has come, and the incomplete frame that it waits to finish.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use mio::net::TcpStream;

use crate::frames;
use crate::handshake;
use crate::outbox::Outbox;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Connecting,
    Upgrading,
    Open,
}

#[derive(Debug)]
pub struct Link {
    pub socket: TcpStream,
    pub phase: Phase,
    pub began: Instant,
    partial: Vec<u8>,
}

/// What a connection's bytes mean to its user.
#[derive(Debug)]
pub enum Inbound<'a> {
    Opened,
    Text(&'a str),
    Ping(&'a [u8]),
}

/// Why a connection is of no use any more: a kind and its words.
pub type Fault = (&'static str, String);

impl Link {
    pub fn new(socket: TcpStream, began: Instant) -> Self {
        Self {
            socket,
            phase: Phase::Connecting,
            began,
            partial: Vec::new(),
        }
    }

    /// Whether the connection has just been made. A refused one is an error.
    pub fn connected(&mut self) -> Result<bool, Fault> {
        if let Ok(Some(error)) | Err(error) = self.socket.take_error() {
            return Err(("connect", error.to_string()));
        }
        match self.socket.peer_addr() {
            Ok(_) => {
                self.phase = Phase::Upgrading;
                let nodelay = self.socket.set_nodelay(true);
                nodelay
                    .map(|()| true)
                    .map_err(|e| ("connect", e.to_string()))
            }
            Err(e) if e.kind() == ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(("connect", e.to_string())),
        }
    }

    /// Writes what waits for `user`, as far as the socket takes it.
    pub fn flush(&mut self, user: usize, outbox: &mut Outbox) -> Result<(), Fault> {
        while !outbox.pending(user).is_empty() {
            match self.socket.write(outbox.pending(user)) {
                Ok(bytes) => outbox.written(user, bytes),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(("closed", e.to_string())),
            }
        }
        Ok(())
    }

    /// Reads until the socket is drained. Edge-triggered polling reports new bytes only, so a short read is the end
    /// unless the peer has closed.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        closed: bool,
        mut each: impl FnMut(Inbound<'_>),
    ) -> Result<(), Fault> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(("closed", "the server closed the connection".into())),
                Ok(bytes) => {
                    self.take(&buffer[..bytes], &mut each)?;
                    if bytes < buffer.len() && !closed {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(("closed", e.to_string())),
            }
        }
    }

    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(Inbound<'_>)) -> Result<(), Fault> {
        if self.partial.is_empty() {
            let used = self.parse(bytes, each)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(bytes);
        let used = self.parse(&whole, each)?;
        if used < whole.len() {
            whole.drain(..used);
            self.partial = whole;
        }
        Ok(())
    }

    /// Takes all that is complete; how many bytes that was.
    fn parse(&mut self, bytes: &[u8], each: &mut impl FnMut(Inbound<'_>)) -> Result<usize, Fault> {
        let mut used = 0;
        if self.phase == Phase::Upgrading {
            match handshake::accepted(bytes).map_err(|e| ("handshake", e))? {
                Some(size) => used = size,
                None => return Ok(0),
            }
            self.phase = Phase::Open;
            each(Inbound::Opened);
        }
        while let Some(frame) = frames::parse(&bytes[used..]).map_err(|e| ("framing", e.into()))? {
            used += frame.size;
            match frame.opcode {
                frames::TEXT => match std::str::from_utf8(frame.payload) {
                    Ok(text) => each(Inbound::Text(text)),
                    Err(e) => return Err(("framing", e.to_string())),
                },
                frames::PING => each(Inbound::Ping(frame.payload)),
                frames::PONG => {}
                frames::CLOSE => return Err(("closed", close_reason(frame.payload))),
                other => return Err(("framing", format!("opcode {other}"))),
            }
        }
        Ok(used)
    }
}

fn close_reason(payload: &[u8]) -> String {
    match payload {
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            format!("closed with {code} {}", String::from_utf8_lossy(reason))
        }
        _ => "closed without a code".into(),
    }
}
