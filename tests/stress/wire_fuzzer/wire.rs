//! A connection that never blocks, with the faults that a network or a careless client brings.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::support::PATIENCE;

/// How a connection moves bytes.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The most bytes of one write, so that the server gets requests and frames in pieces.
    pub piece: usize,
    /// The size of the kernel's receive buffer, in bytes; the kernel's own choice if there is none.
    pub window: Option<usize>,
}

pub struct Wire {
    stream: TcpStream,
    manner: Manner,
    /// What is still to be written.
    out: Vec<u8>,
    /// What has come and is not parsed yet.
    pub got: Vec<u8>,
    /// A reader that has stopped leaves what comes to the kernels' buffers.
    pub is_reading: bool,
    /// The server has closed the connection, or it was reset.
    pub is_ended: bool,
}

impl Wire {
    pub fn connect(address: SocketAddr, manner: Manner) -> Wire {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        if let Some(window) = manner.window {
            socket.set_recv_buffer_size(window).unwrap();
        }
        socket.connect_timeout(&address.into(), PATIENCE).expect("the server accepts");
        socket.set_tcp_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        let stream = socket.into();
        Wire { stream, manner, out: Vec::new(), got: Vec::new(), is_reading: true, is_ended: false }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    /// Writes a piece and reads what is there; says whether anything moved.
    pub fn pump(&mut self) -> bool {
        let has_written = !self.out.is_empty() && self.write();
        let has_read = self.is_reading && !self.is_ended && self.read();
        has_written || has_read
    }

    fn write(&mut self) -> bool {
        let length = self.out.len().min(self.manner.piece);
        match self.stream.write(&self.out[..length]) {
            Ok(length) => {
                self.out.drain(..length);
                length > 0
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(_) => {
                self.out.clear();
                false
            }
        }
    }

    fn read(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.is_ended = true,
            Ok(length) => self.got.extend(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => self.is_ended = true,
        }
        true
    }

    /// Sends a FIN and goes on reading.
    pub fn end_writing(&mut self) {
        self.out.clear();
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sends an RST.
    pub fn reset(&mut self) {
        self.out.clear();
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}
