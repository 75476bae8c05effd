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
        let (scheme, host) = origin.split_once("://").unwrap_or_default();
        // A port that is the scheme's own is not sent, and other alphabets are sent as `xn--`.
        let is_default = matches!(
            (scheme, host.rsplit_once(':')),
            ("http", Some((_, "80"))) | ("https", Some((_, "443")))
        );
        let is_whole = !scheme.is_empty() && !host.is_empty();
        let is_clean = origin.is_ascii() && !host.contains(|c: char| "/?#,*@ ".contains(c));
        let is_origin = is_whole && is_clean && !is_default;
        if !is_origin && origin != "null" {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(origins: &[&str], headers: &str) -> bool {
        let mut allowed = Origins::default();
        origins.iter().for_each(|origin| allowed.allow(origin).unwrap());
        let text = format!("GET /ws HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let (request, _) = Request::parse(text.as_bytes()).unwrap().unwrap();
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
        for origin in ["https://a.example:443", "http://a.example:80", "https://b\u{fc}cher.example"] {
            assert!(Origins::default().allow(origin).is_err(), "{origin}");
        }
        for origin in ["https://a.example:80", "http://[::1]:4000", "app://local"] {
            assert!(Origins::default().allow(origin).is_ok(), "{origin}");
        }
    }
}
