//! Which pages may use the server in a browser: by the page's origin (RFC 6454), by the relation to it that the
//! browser states (Fetch Metadata's `Sec-Fetch-Site`), and by the name under which the browser reached the server.
//!
//! Without `--allow-origin` pages of any origin may use the server. With `--allow-origin https://chat.example` (as browsers
//! send it: `https` and not `wss`, no path, no default port):
//!
//! - A request of a chat protocol has to come with a listed `Origin`, with `Sec-Fetch-Site: same-origin` or `none`, or
//!   with neither header, as from a program that is no browser; else it gets 403. `/`, `/health` and `/metrics` are served
//!   to requests from other pages, which their browser keeps from reading the answer.
//! - JSONP has to come with one of those headers: only browsers load scripts, a page of any origin can read them, and
//!   browsers leave `Sec-Fetch-Site` out if the server is reached by plain `http` under another name than `localhost`.
//! - `Host` has to name the host of a listed origin, `localhost`, an IP address or an `--allow-host`, whatever the port;
//!   else any request gets 403. This stops a page whose own name is pointed at the server's address (DNS rebinding).
//!
//! The live page needs its origin listed too, since not every browser sends `Sec-Fetch-Site` with a WebSocket's handshake.
//! A proxy that passes another name on than browsers ask for needs `--allow-host`; so does a health check by name.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::request::Request;
use super::response::{Response, Status};
use super::uri::split_host;

/// The origins whose pages may use the server, and the names that the server has beside theirs. Without origins
/// there is no limit, as in the original servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    origins: Vec<Box<str>>,
    hosts: Vec<Box<str>>,
}

/// What the headers of a request tell of the page that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A page of a listed origin, a page of this server, or the user, by the address bar.
    Allowed,
    /// Another page.
    Foreign,
    /// No browser, or one that does not tell: an old one, or one to which the server is neither `https` nor local.
    Unstated,
}

impl Origins {
    /// Replaces the listed origins. Each is written as browsers send it, such as `https://chat.example` or `null`;
    /// the error says what is wrong with one.
    pub fn set_origins<'a>(&mut self, origins: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let check = |origin: &'a str| {
            let error = || format!("'{origin}' is not an origin such as https://chat.example:8443");
            is_sent(&origin.to_ascii_lowercase()).then(|| origin.into()).ok_or_else(error)
        };
        self.origins = origins.map(check).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Replaces the names that the server is reached by beside those of the origins. Each is a host without a
    /// port; the error says what is wrong with one.
    pub fn set_hosts<'a>(&mut self, hosts: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let check = |host: &'a str| {
            let error = || format!("'{host}' is not a host without a port, such as chat.internal");
            is_host(host).then(|| host.into()).ok_or_else(error)
        };
        self.hosts = hosts.map(check).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Whether only pages of some origins may use the server.
    pub fn are_limited(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether names are listed that have no effect, since no origin is.
    pub fn has_unused_hosts(&self) -> bool {
        !self.are_limited() && !self.hosts.is_empty()
    }

    /// Checks the name that a request is addressed to, which any request has to pass. A page whose own name was
    /// pointed at this server's address (DNS rebinding) is of the same origin as the server to its browser, and is
    /// recognised by that name alone. An IP address needs no name to be looked up, and `localhost` is never looked
    /// up elsewhere. The error is the answer to a request that does not pass.
    pub fn check_host(&self, request: &Request<'_>) -> Result<(), Response> {
        let host = request.host().and_then(split_host).map(|(host, _)| host);
        if !self.are_limited() || host.is_some_and(|host| self.is_known_host(host)) {
            return Ok(());
        }
        Err(Response::error(Status::FORBIDDEN, "this host is not allowed here"))
    }

    /// Checks where a request of a chat protocol comes from. It passes if it comes from a page that may use the
    /// server, or does not tell, as those of programs that are no browser. The error is the answer to one that
    /// does not pass.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Response> {
        if self.source(request) == Source::Foreign { Err(refusal()) } else { Ok(()) }
    }

    /// Checks where a request comes from that a page makes by loading a script (JSONP). Only browsers do that, and
    /// a page of any origin can read the answer, so one that does not tell where it comes from does not pass.
    pub fn check_script(&self, request: &Request<'_>) -> Result<(), Response> {
        if self.source(request) == Source::Allowed { Ok(()) } else { Err(refusal()) }
    }

    /// Browsers set both headers themselves and let no page change them. They leave `Origin` out of most requests
    /// to the page's own origin, and of those for images and scripts.
    fn source(&self, request: &Request<'_>) -> Source {
        if !self.are_limited() {
            return Source::Allowed;
        }
        let is_listed =
            |origin: &[u8]| self.origins.iter().any(|known| origin.eq_ignore_ascii_case(known.as_bytes()));
        let is_own = |site: &[u8]| matches!(site, b"same-origin" | b"none");
        let (origins, sites) = (request.all("origin"), request.all("sec-fetch-site"));
        match (all_or_none(origins, is_listed), all_or_none(sites, is_own)) {
            (Some(true), _) | (_, Some(true)) => Source::Allowed,
            (None, None) => Source::Unstated,
            _ => Source::Foreign,
        }
    }

    fn is_known_host(&self, host: &str) -> bool {
        let of_origins = self.origins.iter().filter_map(|origin| origin.split_once("://"));
        let of_origins = of_origins.filter_map(|(_, authority)| split_host(authority)).map(|(host, _)| host);
        let mut known = of_origins.chain(self.hosts.iter().map(|host| &**host)).chain(["localhost"]);
        is_address(host) || known.any(|known| known.eq_ignore_ascii_case(host))
    }
}

/// The answer to a page that may not use the server.
fn refusal() -> Response {
    Response::error(Status::FORBIDDEN, "this origin is not allowed here")
}

/// Whether a condition is true of all values; `None` if there are none.
fn all_or_none<T>(values: impl Iterator<Item = T>, condition: impl Fn(T) -> bool) -> Option<bool> {
    values.map(condition).reduce(|all, one| all && one)
}

/// Whether a host is an IP address in the form that it has in a URL.
fn is_address(host: &str) -> bool {
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Whether a browser may send this as a page's origin: nothing else would ever match.
fn is_sent(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return origin == "null";
    };
    split_host(authority).is_some_and(|(host, port)| {
        is_scheme(scheme) && is_host(host) && port.is_none_or(|port| is_port(scheme, port))
    })
}

/// A page comes over `http`, and opens its sockets over `ws`.
fn is_scheme(scheme: &str) -> bool {
    let is_clean = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_clean && !matches!(scheme, "" | "ws" | "wss")
}

/// Other alphabets are sent as `xn--`.
fn is_host(host: &str) -> bool {
    let is_clean = host.is_ascii() && !host.contains(|c: char| "/?#,*@[]: ".contains(c));
    is_address(host) || (!host.is_empty() && is_clean)
}

/// A port that is the scheme's own is not sent.
fn is_port(scheme: &str, port: &str) -> bool {
    let is_default = matches!((scheme, port), ("http", "80") | ("https", "443"));
    !is_default && port.parse().is_ok_and(|number: u16| number.to_string() == port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "Origin: https://a.example\r\n";
    const THEIRS: &str = "Origin: https://evil.example\r\n";

    fn origins(origins: &[&str], hosts: &[&str]) -> Origins {
        let mut allowed = Origins::default();
        allowed.set_origins(origins.iter().copied()).unwrap();
        allowed.set_hosts(hosts.iter().copied()).unwrap();
        allowed
    }

    fn is_origin(origin: &str) -> bool {
        Origins::default().set_origins([origin].into_iter()).is_ok()
    }

    /// What a request with these headers passes: the check of any request of a chat protocol, and that of JSONP.
    fn passes(allowed: &Origins, headers: &str) -> (bool, bool) {
        let text = format!("GET /ws HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let (request, _) = Request::parse(text.as_bytes(), 0).unwrap().unwrap();
        (allowed.check(&request).is_ok(), allowed.check_script(&request).is_ok())
    }

    fn passes_host(allowed: &Origins, text: &str) -> bool {
        let (request, _) = Request::parse(text.as_bytes(), 0).unwrap().unwrap();
        allowed.check_host(&request).is_ok()
    }

    #[test]
    fn only_listed_origins_if_any_is_listed() {
        let allowed = origins(&["https://a.example", "http://localhost:4000"], &[]);
        for (headers, expected) in [
            (OURS, true),
            ("Origin: HTTPS://A.example\r\n", true),
            ("Origin: http://localhost:4000\r\n", true),
            ("Origin: http://localhost\r\n", false),
            ("Origin: https://a.example.evil\r\n", false),
            ("Origin: null\r\n", false),
            ("Origin:\r\n", false),
            ("Origin: https://a.example\r\nOrigin: https://b.example\r\n", false),
        ] {
            assert_eq!(passes(&allowed, headers), (expected, expected), "{headers}");
            assert_eq!(passes(&Origins::default(), headers), (true, true), "{headers}");
        }
        assert_eq!(passes(&origins(&["null"], &[]), "Origin: null\r\n"), (true, true));
        assert_eq!(passes(&allowed, ""), (true, false));
        assert_eq!(passes(&Origins::default(), ""), (true, true));
    }

    #[test]
    fn the_browser_says_where_a_request_without_an_origin_comes_from() {
        let allowed = origins(&["https://a.example"], &[]);
        for (site, alone, with_theirs) in [
            ("Sec-Fetch-Site: same-origin\r\n", true, true),
            ("sec-fetch-site: none\r\n", true, true),
            ("Sec-Fetch-Site: same-site\r\n", false, false),
            ("Sec-Fetch-Site: cross-site\r\n", false, false),
            ("Sec-Fetch-Site:\r\n", false, false),
            ("Sec-Fetch-Site: Same-Origin\r\n", false, false),
            ("Sec-Fetch-Site: same-origin, none\r\n", false, false),
            ("Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n", false, false),
        ] {
            assert_eq!(passes(&allowed, site), (alone, alone), "{site}");
            let headers = format!("{site}{THEIRS}");
            assert_eq!(passes(&allowed, &headers), (with_theirs, with_theirs), "{headers}");
            assert_eq!(passes(&allowed, &format!("{site}{OURS}")), (true, true), "{site} and ours");
            assert_eq!(passes(&Origins::default(), &headers), (true, true), "{headers}");
        }
    }

    #[test]
    fn only_known_hosts_if_origins_are_limited() {
        let allowed = origins(&["https://a.example:8443", "http://[::1]:4000", "null"], &["Proxy.internal"]);
        let no_limit = origins(&[], &["proxy.internal"]);
        for (host, expected) in [
            ("a.example", true),
            ("A.Example:1", true),
            ("a.example:", true),
            ("proxy.internal:80", true),
            ("localhost:4000", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("192.168.1.5:4000", true),
            ("[::1]:4000", true),
            ("[2001:db8::5]", true),
            ("", false),
            (":80", false),
            ("evil.example", false),
            ("evil.a.example", false),
            ("a.example.evil", false),
            ("a.example.", false),
            ("a.example:80x", false),
            ("a.example:evil", false),
            ("evil.example:8443", false),
            ("app.localhost", false),
            ("null", false),
            ("127.0.0.1.evil", false),
            ("127.1", false),
            ("::1", false),
            ("[127.0.0.1]", false),
            ("[evil.example]", false),
        ] {
            // The parser may refuse what is no host at all.
            let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            if !expected && Request::parse(text.as_bytes(), 0).is_err() {
                continue;
            }
            assert_eq!(passes_host(&allowed, &text), expected, "{host}");
            assert!(passes_host(&no_limit, &text), "{host}");
        }
        assert!(!passes_host(&allowed, "GET / HTTP/1.0\r\n\r\n"));
        assert!(passes_host(&no_limit, "GET / HTTP/1.0\r\n\r\n"));
    }

    #[test]
    fn the_host_of_an_absolute_target_goes_before_the_header() {
        let allowed = origins(&["https://a.example"], &[]);
        let to = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert!(passes_host(&allowed, &to("http://a.example/", "evil.example")));
        assert!(passes_host(&allowed, &to("http://localhost:80?x", "evil.example")));
        assert!(!passes_host(&allowed, &to("http://evil.example/", "a.example")));
        assert!(!passes_host(&allowed, &to("HTTP://evil.example?@a.example/", "a.example")));
    }

    #[test]
    fn what_no_browser_sends_is_no_origin() {
        for origin in [
            "",
            "*",
            "a.example",
            "https://",
            "https://a.example/",
            "https://*.example",
            "https://a b",
            "://a",
            "https://a.example:443",
            "http://a.example:80",
            "HTTPS://a.example:443",
            "https://a.example:",
            "https://a.example:080",
            "https://a.example:70000",
            "https://:8443",
            "https://::1",
            "https://[a.example]",
            "https://b\u{fc}cher.example",
            "wss://a.example",
            "a b://c",
        ] {
            assert!(!is_origin(origin), "{origin}");
        }
        for origin in ["https://a.example:80", "http://[::1]", "http://[::1]:4000", "app://local"] {
            assert!(is_origin(origin), "{origin}");
        }
    }

    #[test]
    fn a_host_has_no_port() {
        for host in ["", "*", "a.example:80", "https://a.example", "::1", "a b", "a/b", "[a]"] {
            assert!(Origins::default().set_hosts([host].into_iter()).is_err(), "{host}");
        }
        for host in ["a.example", "chat_internal", "10.0.0.1", "[::1]"] {
            assert!(Origins::default().set_hosts([host].into_iter()).is_ok(), "{host}");
        }
    }
}
