//! Where connections come in, and what happens when there is no descriptor for one more.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use log::warn;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

/// What one look at a listener gave.
pub enum Accepted {
    /// With the address of the peer.
    Connection(TcpStream, IpAddr),
    /// There was no descriptor left; the connection was told and closed.
    Refused,
    /// The peer had given up already: the next one may be there.
    GivenUp,
    /// No connection is waiting.
    WouldBlock,
    /// No descriptor is left at all: try again later.
    Exhausted,
}

/// The listening sockets.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<TcpListener>,
    /// A descriptor to give up when there is no other, so that a connection can be accepted and refused.
    /// With edge-triggered polling it would otherwise wait for an edge that does not come.
    spare: Option<File>,
}

impl Listeners {
    /// Listens on every address of every host. An address that this machine does not have is passed over
    /// as long as one remains: `localhost` may name IPv6 where there is none.
    pub fn bind(hosts: &[String], port: u16) -> io::Result<Listeners> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for host in hosts {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let found = (host, port).to_socket_addrs();
            let found = found.map_err(|error| named(error, &format!("cannot resolve {host}")))?;
            addresses.extend(found);
        }
        let mut listeners: Vec<TcpListener> = Vec::new();
        let mut seen = Vec::new();
        let mut failed = None;
        for mut address in addresses {
            if seen.contains(&address) {
                continue;
            }
            seen.push(address);
            // The port that the first address was given is the port of all.
            if let (0, Some(first)) = (port, listeners.first()) {
                address.set_port(first.local_addr()?.port());
            }
            match TcpListener::bind(address) {
                Ok(listener) => listeners.push(listener),
                Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                    failed = Some(named(error, &format!("cannot listen on {address}")));
                }
                Err(error) => return Err(named(error, &format!("cannot listen on {address}"))),
            }
        }
        match failed {
            Some(error) if listeners.is_empty() => Err(error),
            _ => Ok(Listeners { listeners, spare: spare() }),
        }
    }

    /// The addresses that are listened on, with the actual port.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Registers each listener under the token that `token` makes of its index.
    pub fn register(&mut self, registry: &Registry, token: impl Fn(usize) -> Token) -> io::Result<()> {
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            registry.register(listener, token(index), Interest::READABLE)?;
        }
        Ok(())
    }

    /// How many listeners there are.
    pub fn len(&self) -> usize {
        self.listeners.len()
    }

    /// Stops listening.
    pub fn close(&mut self) {
        self.listeners.clear();
    }

    /// Takes the next connection that waits at a listener.
    pub fn accept(&mut self, index: usize) -> Accepted {
        let Some(listener) = self.listeners.get(index) else {
            return Accepted::WouldBlock;
        };
        match listener.accept() {
            Ok((stream, address)) => Accepted::Connection(stream, address.ip()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Accepted::WouldBlock,
            Err(error) if is_exhausted(&error) => self.refuse_next(index),
            Err(error) if is_of_the_peer(&error) => Accepted::GivenUp,
            Err(error) => {
                warn!("no connection can be accepted: {error}");
                Accepted::Exhausted
            }
        }
    }

    /// Accepts with the spare descriptor, says that there is no room, and gets the spare one back.
    fn refuse_next(&mut self, index: usize) -> Accepted {
        if self.spare.take().is_none() {
            self.spare = spare();
            return Accepted::Exhausted;
        }
        let accepted = self.listeners[index].accept();
        let outcome = match accepted {
            Ok((stream, _)) => {
                refuse(stream);
                Accepted::Refused
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Accepted::WouldBlock,
            Err(_) => Accepted::Exhausted,
        };
        self.spare = spare();
        outcome
    }
}

/// Tells a connection that there is no room for it, as far as it listens.
pub fn refuse(mut stream: TcpStream) {
    // What has come is read, since closing with unread input resets the connection and takes the answer
    // with it. Neither matters enough to wait for.
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write(
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 21\r\nContent-Type: text/plain\r\n\
          X-Content-Type-Options: nosniff\r\nConnection: close\r\nRetry-After: 1\r\n\r\ntoo many connections\n",
    );
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | TimedOut)
}

/// EMFILE and ENFILE, which are the same numbers on Linux and macOS; std has no kind for them.
fn is_exhausted(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

fn named(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
