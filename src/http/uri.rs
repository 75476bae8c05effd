//! The grammar of what a request names: its target and its host (RFC 9112, 3.2, and RFC 3986).

use core::net::Ipv6Addr;

/// A target in origin form: a path, and a query without its question mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The authority of a target in absolute form.
    pub authority: Option<&'a str>,
    pub path: &'a str,
    pub query: &'a str,
}

impl<'a> Target<'a> {
    /// Reads the target of a request with this method; `None` if it is in no form that an origin server takes:
    /// that for proxies (`host:port`), a relative one, or one with a fragment or a byte outside the grammar.
    pub fn parse(method: &str, target: &'a str) -> Option<Target<'a>> {
        if target == "*" {
            return (method == "OPTIONS").then_some(Target { authority: None, path: "*", query: "" });
        }
        let (authority, rest) = match target.split_once("://") {
            Some((scheme, rest)) if !target.starts_with('/') => {
                let is_http = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
                let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
                let is_host = split_host(authority).is_some_and(|(host, _)| !host.is_empty());
                if !is_http || !is_host {
                    return None;
                }
                (Some(authority), rest)
            }
            _ => (None, target),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = if path.is_empty() && authority.is_some() { "/" } else { path };
        let is_path = path.starts_with('/') && is_made_of(path, b"/:@");
        (is_path && is_made_of(query, b"/:@?")).then_some(Target { authority, path, query })
    }
}

/// The host of an authority without user information, and its port if it has one; `None` if it does not follow
/// the grammar (RFC 3986, 3.2.2 and 3.2.3). The host may be empty.
pub fn split_host(authority: &str) -> Option<(&str, Option<&str>)> {
    let end = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    let (host, port) = match authority[end..].split_once(':') {
        Some((_, port)) => (&authority[..authority.len() - port.len() - 1], Some(port)),
        None => (authority, None),
    };
    let is_port = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    (is_port && is_host(host)).then_some((host, port))
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(is_ip_literal),
        None => is_made_of(host, b""),
    }
}

/// What stands in brackets: an IPv6 address, or one of a version to come.
fn is_ip_literal(text: &str) -> bool {
    let is_future = text.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.')).is_some_and(
        |(version, address)| {
            let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_version && !address.is_empty() && !address.contains('%') && is_made_of(address, b":")
        },
    );
    is_future || text.parse::<Ipv6Addr>().is_ok()
}

/// Whether a text has only characters that are unreserved, sub-delimiters, percent-encoded, or among these.
fn is_made_of(text: &str, others: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_one = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte) || others.contains(&byte),
        };
        if !is_one {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let target = |authority, path, query| Some(Target { authority, path, query });
        for (method, text, expected) in [
            ("GET", "/", target(None, "/", "")),
            ("GET", "/a/b?c=d/?:@", target(None, "/a/b", "c=d/?:@")),
            ("GET", "//a", target(None, "//a", "")),
            ("GET", "/a://b", target(None, "/a://b", "")),
            ("GET", "/%00-._~!$&'()*+,;=:@", target(None, "/%00-._~!$&'()*+,;=:@", "")),
            ("GET", "http://h", target(Some("h"), "/", "")),
            ("GET", "HTTPS://h:1?q", target(Some("h:1"), "/", "q")),
            ("GET", "http://[::1]:80/a?b", target(Some("[::1]:80"), "/a", "b")),
            ("OPTIONS", "*", target(None, "*", "")),
            ("GET", "*", None),
            ("GET", "", None),
            ("GET", "a", None),
            ("GET", "?a", None),
            ("CONNECT", "h:80", None),
            ("GET", "ftp://h/", None),
            ("GET", "http://", None),
            ("GET", "http:///", None),
            ("GET", "http://:80/", None),
            ("GET", "http://u@h/", None),
            ("GET", "http://h#f", None),
            ("GET", "/a#f", None),
            ("GET", "/a?b#f", None),
            ("GET", "/\u{e9}", None),
            ("GET", "/a\"b", None),
            ("GET", "/a|b", None),
            ("GET", "/a?{}", None),
            ("GET", "/%", None),
            ("GET", "/%0", None),
            ("GET", "/%0g", None),
        ] {
            assert_eq!(Target::parse(method, text), expected, "{method} {text}");
        }
    }

    #[test]
    fn hosts() {
        for (text, expected) in [
            ("", Some(("", None))),
            ("a.example", Some(("a.example", None))),
            ("a:80", Some(("a", Some("80")))),
            ("a:", Some(("a", Some("")))),
            ("127.0.0.1:4000", Some(("127.0.0.1", Some("4000")))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:80", Some(("[::1]", Some("80")))),
            ("[v1.a:b]", Some(("[v1.a:b]", None))),
            ("a_b%20c", Some(("a_b%20c", None))),
            ("a, b", None),
            ("a b", None),
            ("u@h", None),
            ("a/b", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[]", None),
            ("[a]", None),
            ("[v.a]", None),
            ("::1", None),
            ("x:80:80", None),
            ("x:8a", None),
            ("x:-1", None),
            ("a%2", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(split_host(text), expected, "{text}");
        }
    }
}
