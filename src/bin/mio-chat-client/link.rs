//! One connection: its socket and how far it has come.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use mio::net::TcpStream;

use crate::outbox::Outbox;
use crate::reader::{Fault, Inbound, Reader};

#[derive(Debug)]
pub struct Link {
    pub socket: TcpStream,
    pub began: Instant,
    pub connected: bool,
    reader: Reader,
}

impl Link {
    pub fn new(socket: TcpStream, began: Instant) -> Self {
        Self { socket, began, connected: false, reader: Reader::default() }
    }

    /// Whether the server has agreed to the upgrade.
    pub fn is_open(&self) -> bool {
        self.reader.is_open()
    }

    /// Whether the connection has just been made. A refused one is an error.
    pub fn connect(&mut self) -> Result<bool, Fault> {
        if let Ok(Some(error)) | Err(error) = self.socket.take_error() {
            return Err(("connect", error.to_string()));
        }
        match self.socket.peer_addr() {
            Ok(_) => {
                self.connected = true;
                let nodelay = self.socket.set_nodelay(true);
                nodelay.map(|()| true).map_err(|e| ("connect", e.to_string()))
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
                    self.reader.take(&buffer[..bytes], &mut each)?;
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
}
