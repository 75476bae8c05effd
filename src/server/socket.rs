//! One socket, read and written without blocking.

use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::endpoint::Write;

/// A socket of the loop.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
}

impl Socket {
    /// Registers a stream, once for both directions: its interest never changes.
    pub fn register(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket { stream })
    }

    /// One read. `Ok(None)` if nothing has come, `Ok(Some(0))` if the peer has shut its side.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
                Ok(length) => return Ok(Some(length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes as much as the kernel takes. Returns how much that was, and how many calls took something.
    pub fn write(&mut self, output: &[u8]) -> io::Result<(Write, u64)> {
        let (mut written, mut calls) = (0, 0);
        while written < output.len() {
            match io::Write::write(&mut self.stream, &output[written..]) {
                Ok(length) => {
                    calls += 1;
                    written += length;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok((Write::Blocked(written), calls));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((Write::Done, calls))
    }

    /// Shuts the write side: the peer reads an end behind what was written.
    pub fn shut(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}
