//! From which pages a browser may reach the chat (RFC 6454).

use super::request::Request;
use super::response::{Response, Status};

/// The origins that are let in; any, if none is named, as in the original servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<Box<str>>);

impl Origins {
    /// Names an origin as browsers send it, such as `https://chat.example` or `null`. The error says what is
    /// wrong with it.
    pub fn allow(&mut self, origin: &str) -> Result<(), String> {
        if !is_sent(&origin.to_ascii_lowercase()) {
            return Err(format!("'{origin}' is not an origin such as https://chat.example:8443"));
        }
        self.0.push(origin.into());
        Ok(())
    }

    /// Whether only some origins are let in.
    pub fn are_limited(&self) -> bool {
        !self.0.is_empty()
    }

    /// Lets a request pass that comes from one of the origins, or from no page at all. The error is the answer
    /// to one that does not.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Response> {
        let is_known =
            |origin: &[u8]| self.0.iter().any(|known| origin.eq_ignore_ascii_case(known.as_bytes()));
        if self.are_limited() && !request.all("origin").all(is_known) {
            return Err(Origins::refusal());
        }
        Ok(())
    }

    /// The answer to a page that is not let in.
    pub fn refusal() -> Response {
        Response::error(Status::FORBIDDEN, "this origin is not allowed here")
    }
}

/// Whether a browser may send this as a page's origin: nothing else would ever match.
fn is_sent(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return origin == "null";
    };
    // The brackets of an IPv6 address are around colons of its own.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    is_scheme(scheme) && is_host(host) && port.is_none_or(|port| is_port(scheme, port))
}

/// A page comes over `http`, and opens its sockets over `ws`.
fn is_scheme(scheme: &str) -> bool {
    let is_clean = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_clean && !matches!(scheme, "" | "ws" | "wss")
}

/// Other alphabets are sent as `xn--`.
fn is_host(host: &str) -> bool {
    let is_address = host.starts_with('[') && host.ends_with(']');
    let is_clean = host.is_ascii() && !host.contains(|c: char| "/?#,*@ ".contains(c));
    !host.is_empty() && is_clean && (is_address || !host.contains(':'))
}

/// A port that is the scheme's own is not sent.
fn is_port(scheme: &str, port: &str) -> bool {
    let is_default = matches!((scheme, port), ("http", "80") | ("https", "443"));
    !is_default && port.parse().is_ok_and(|number: u16| number.to_string() == port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(origins: &[&str], headers: &str) -> bool {
        let mut allowed = Origins::default();
        origins.iter().for_each(|origin| allowed.allow(origin).unwrap());
        let text = format!("GET /ws HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let (request, _) = Request::parse(text.as_bytes(), 0).unwrap().unwrap();
        allowed.check(&request).is_ok()
    }

    #[test]
    fn only_the_named_if_any_is_named() {
        let origins = ["https://a.example", "http://localhost:4000"];
        for (headers, expected) in [
            ("", true),
            ("Origin: https://a.example\r\n", true),
            ("Origin: HTTPS://A.example\r\n", true),
            ("Origin: http://localhost:4000\r\n", true),
            ("Origin: http://localhost\r\n", false),
            ("Origin: https://a.example.evil\r\n", false),
            ("Origin: null\r\n", false),
            ("Origin:\r\n", false),
            ("Origin: https://a.example\r\nOrigin: https://b.example\r\n", false),
        ] {
            assert_eq!(is_let_in(&origins, headers), expected, "{headers}");
            assert!(is_let_in(&[], headers));
        }
        assert!(is_let_in(&["null"], "Origin: null\r\n"));
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
        ] {
            assert!(Origins::default().allow(origin).is_err(), "{origin}");
        }
        for origin in [
            "https://a.example:443",
            "http://a.example:80",
            "HTTPS://a.example:443",
            "https://a.example:",
            "https://a.example:080",
            "https://a.example:70000",
            "https://:8443",
            "https://::1",
            "https://b\u{fc}cher.example",
            "wss://a.example",
            "a b://c",
        ] {
            assert!(Origins::default().allow(origin).is_err(), "{origin}");
        }
        for origin in ["https://a.example:80", "http://[::1]", "http://[::1]:4000", "app://local"] {
            assert!(Origins::default().allow(origin).is_ok(), "{origin}");
        }
    }
}
