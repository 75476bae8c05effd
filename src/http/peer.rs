//! Who a peer is, as far as limits for each peer go.

use core::net::{IpAddr, Ipv6Addr};

use super::request::Request;

/// A peer: an IPv4 address, or the /64 network of an IPv6 address, within which one subscriber can choose
/// addresses freely (RFC 6177, 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(IpAddr);

impl Peer {
    /// The peer at this address. An IPv4 address that is mapped into IPv6 is an IPv4 address.
    pub fn of(address: IpAddr) -> Peer {
        Peer(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

/// The proxies in front of the server whose word about their clients' addresses is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrustedProxies(Vec<IpAddr>);

impl TrustedProxies {
    /// Trusts one more proxy. The error says what is expected.
    pub fn add(&mut self, address: &str) -> Result<(), String> {
        let parsed: IpAddr = address.parse().map_err(|_| format!("'{address}' is not an IP address"))?;
        self.0.push(parsed.to_canonical());
        Ok(())
    }

    /// The address from which a request comes. If that is a trusted proxy, it is the last address in
    /// `X-Forwarded-For` that is not one: each proxy appends the address of its peer, and what stands before those of
    /// the trusted proxies may be invented. If the header holds no valid address there, it is the proxy's own.
    pub fn client(&self, address: IpAddr, request: &Request<'_>) -> IpAddr {
        if !self.0.contains(&address.to_canonical()) {
            return address;
        }
        let forwarded: Vec<_> = request.tokens("x-forwarded-for").collect();
        let mut client = address;
        for token in forwarded.iter().rev() {
            let Some(forwarded) = parse_address(token) else {
                break;
            };
            client = forwarded;
            if !self.0.contains(&client) {
                break;
            }
        }
        client
    }
}

/// An address as proxies write it: some put the port behind it, and IPv6 into brackets then.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse().map(|address: core::net::SocketAddr| address.ip()));
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.ok().or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_one_subscriber_are_one_peer() {
        for (one, other, is_same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.2", false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            assert_eq!(Peer::of(address(one)) == Peer::of(address(other)), is_same, "{one} {other}");
        }
    }

    #[test]
    fn only_a_trusted_proxys_word_is_taken() {
        let mut proxies = TrustedProxies::default();
        for proxy in ["10.0.0.1", "::1"] {
            proxies.add(proxy).unwrap();
        }
        assert!(proxies.add("proxy.example").is_err());
        let header = |value: &str| format!("X-Forwarded-For: {value}\r\n");
        for (peer, headers, client) in [
            ("192.0.2.1", header("198.51.100.1"), "192.0.2.1"),
            ("10.0.0.1", String::new(), "10.0.0.1"),
            ("10.0.0.1", header("198.51.100.1"), "198.51.100.1"),
            ("::ffff:10.0.0.1", header("198.51.100.1"), "198.51.100.1"),
            ("::1", header("2001:db8::1"), "2001:db8::1"),
            // The client has invented the first.
            ("10.0.0.1", header("203.0.113.9, 198.51.100.1"), "198.51.100.1"),
            ("10.0.0.1", header("203.0.113.9") + &header("198.51.100.1"), "198.51.100.1"),
            // Through two trusted proxies.
            ("10.0.0.1", header("198.51.100.1, ::1"), "198.51.100.1"),
            ("10.0.0.1", header("::1"), "::1"),
            ("10.0.0.1", header("198.51.100.1:4711"), "198.51.100.1"),
            ("10.0.0.1", header("[2001:db8::1]:4711"), "2001:db8::1"),
            ("10.0.0.1", header("[2001:db8::1]"), "2001:db8::1"),
            ("10.0.0.1", header("unknown"), "10.0.0.1"),
            ("10.0.0.1", header("198.51.100.1, unknown"), "10.0.0.1"),
            ("10.0.0.1", header(""), "10.0.0.1"),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
            let (request, _) = Request::parse(text.as_bytes(), 0).unwrap().unwrap();
            assert_eq!(proxies.client(address(peer), &request), address(client), "{peer} {headers}");
        }
    }
}
