//! Rules of RFC 9112, and of RFC 9110 and 6455 where these say more, one request each.

use crate::support;

use std::io::Write;

use support::raw::{Bystander, read_head, read_response, read_to_end};
use support::{Server, raw};

/// The limits of a request: bytes of its head, header fields, and bytes of its body.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 100;
const MAX_BODY: usize = 64 * 1024;

/// The section, the request, and the status of the answer.
type Rule<'a> = (&'a str, &'a str, u16);

fn check(rules: &[Rule]) {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    for (section, request, status) in rules {
        let mut stream = server.connect();
        // What is refused may be closed before all of it is written.
        let _ = stream.write_all(request.as_bytes());
        let head = read_head(&mut stream);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{section}: {request:.200?}: {head}");
        bystander.settle();
    }
}

#[test]
fn request_lines() {
    check(&[
        ("9112 2.2", "\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ("9112 2.2", "GET /health HTTP/1.1\nHost: x\n\n", 200),
        ("9112 2.2", "GET /health HTTP/1.1\rHost: x\r\n\r\n", 400),
        ("9112 2.2", "GET /health HTTP/1.1\r\n Host: x\r\n\r\n", 400),
        ("9112 2.2", "\r\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("9112 2.2", "GET /health HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
        ("9112 3", "GET  /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("9112 3", "GET /health  HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("9112 3", " GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("9112 3", "GET /health HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
        ("9112 3", "GET\t/health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("9112 3", "G@T /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("9112 2.3", "GET /health http/1.1\r\nHost: x\r\n\r\n", 400),
        ("9112 2.3", "GET /health HTTP/1\r\nHost: x\r\n\r\n", 400),
        ("9112 2.3", "GET /health HTTP/1.10\r\nHost: x\r\n\r\n", 400),
        ("9112 2.3", "GET /health HTTP/0.9\r\nHost: x\r\n\r\n", 400),
        ("9112 2.3", "GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        ("9110 2.5", "GET /health HTTP/1.2\r\nHost: x\r\n\r\n", 200),
        ("9110 2.5", "GET /health HTTP/1.9\r\nHost: x\r\n\r\n", 200),
        ("9110 2.5", "GET /health HTTP/1.2\r\n\r\n", 400),
        ("9110 9.1", "BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("9110 9.1", "get /health HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ]);
}

#[test]
fn targets() {
    let rules = [
        ("9112 3.2.1", "GET", "/health?a=b/?:@-._~!$&'()*+,;=%20", 200),
        ("9112 3.2.2", "GET", "http://x/health", 200),
        ("9112 3.2.2", "GET", "HTTP://x:80/health?a", 200),
        ("9112 3.2.2", "GET", "http://[::1]:80/health", 200),
        ("9110 4.2.1", "GET", "http:///health", 400),
        ("9110 4.2.1", "GET", "http://:80/health", 400),
        ("9110 4.2.4", "GET", "http://u:p@x/health", 400),
        ("9112 3.2.2", "GET", "ftp://x/health", 400),
        ("9112 3.2.3", "CONNECT", "x:80", 400),
        ("9112 3.2.3", "GET", "x:80", 400),
        ("9112 3.2.4", "GET", "*", 400),
        ("9112 3.2.4", "OPTIONS", "*", 404),
        ("9112 3.2", "GET", "health", 400),
        ("9112 3.2", "GET", "?health", 400),
        ("9110 4.2.5", "GET", "/health#a", 400),
        ("9110 4.2.5", "GET", "/health?a#b", 400),
        ("9110 4.2.5", "GET", "http://x/health#a", 400),
        ("3986 3.3", "GET", "/health?\"", 400),
        ("3986 3.3", "GET", "/health?{}", 400),
        ("3986 3.3", "GET", "/health?a|b", 400),
        ("3986 3.3", "GET", "/health?a\\b", 400),
        ("3986 3.3", "GET", "/health?\u{e9}", 400),
        ("3986 3.3", "GET", "/health?\u{7f}", 400),
        ("3986 2.1", "GET", "/health?%", 400),
        ("3986 2.1", "GET", "/health?%2", 400),
        ("3986 2.1", "GET", "/health?%2x", 400),
    ];
    let requests = rules.map(|(section, method, target, status)| {
        (section, format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n"), status)
    });
    check(&requests.each_ref().map(|(section, request, status)| (*section, &request[..], *status)));
}

#[test]
fn hosts() {
    let rules = [
        ("9112 3.2", "1.1", "", 400),
        ("9112 3.2", "1.0", "", 200),
        ("9112 3.2", "1.1", "Host:\r\n", 200),
        ("9112 3.2", "1.1", "Host: x\r\nHost: x\r\n", 400),
        ("9112 3.2", "1.1", "Host: x\r\nHost: y\r\n", 400),
        ("9112 3.2", "1.0", "Host: x\r\nHost: y\r\n", 400),
        ("9112 3.2", "1.0", "Host: a, b\r\n", 400),
        ("9110 7.2", "1.1", "Host: a.example:4000\r\n", 200),
        ("9110 7.2", "1.1", "Host: a.example:\r\n", 200),
        ("9110 7.2", "1.1", "Host: [::1]:4000\r\n", 200),
        ("9110 7.2", "1.1", "Host: [v1.x]\r\n", 200),
        ("9110 7.2", "1.1", "Host: a, b\r\n", 400),
        ("9110 7.2", "1.1", "Host: user@h\r\n", 400),
        ("9110 7.2", "1.1", "Host: a/b\r\n", 400),
        ("9110 7.2", "1.1", "Host: a b\r\n", 400),
        ("9110 7.2", "1.1", "Host: [::1\r\n", 400),
        ("9110 7.2", "1.1", "Host: ::1\r\n", 400),
        ("9110 7.2", "1.1", "Host: [::1]x\r\n", 400),
        ("9110 7.2", "1.1", "Host: [x]\r\n", 400),
        ("9110 7.2", "1.1", "Host: x:80:80\r\n", 400),
        ("9110 7.2", "1.1", "Host: x:http\r\n", 400),
        ("9110 7.2", "1.1", "Host: \u{e9}\r\n", 400),
        ("9110 5.6.3", "1.1", "Host: \t x \t\r\n", 200),
        ("9110 5.6.3", "1.1", "Host: \u{a0}x\r\n", 400),
        ("9110 5.6.3", "1.1", "Host: x\u{85}\r\n", 400),
        ("9112 5.1", "1.1", "Host : x\r\n", 400),
        ("9112 5.2", "1.1", "Host: x\r\nA: 1\r\n 2\r\n", 400),
        ("9110 5.1", "1.1", "Host: x\r\nA@: 1\r\n", 400),
        ("9110 5.5", "1.1", "Host: x\r\nA: \0\r\n", 400),
    ];
    let requests = rules.map(|(section, version, headers, status)| {
        (section, format!("GET /health HTTP/{version}\r\n{headers}\r\n"), status)
    });
    check(&requests.each_ref().map(|(section, request, status)| (*section, &request[..], *status)));
}

#[test]
fn bodies() {
    let rules = [
        ("9112 6.2", "Content-Length: 2", "ab", 405),
        ("9110 8.6", "Content-Length: 2\r\nContent-Length: 2", "ab", 405),
        ("9110 8.6", "Content-Length: 2, 2", "ab", 400),
        ("9112 6.3", "Content-Length: 1\r\nContent-Length: 2", "ab", 400),
        ("9112 6.3", "Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n", 400),
        ("9112 6.3", "Transfer-Encoding: gzip", "", 400),
        ("9112 6.3", "Transfer-Encoding: chunked, gzip", "0\r\n\r\n", 400),
        ("9112 6.3", "Transfer-Encoding: identity", "", 400),
        ("9112 6.3", "Transfer-Encoding:", "", 400),
        ("9112 6.1", "Transfer-Encoding: chunked, chunked", "0\r\n\r\n", 400),
        ("9112 6.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n", 400),
        ("9112 6.1", "Transfer-Encoding: gzip, chunked", "0\r\n\r\n", 501),
        ("9112 6.1", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "0\r\n\r\n", 501),
        ("9112 7", "Transfer-Encoding: chunked;a=b", "0\r\n\r\n", 400),
        ("9110 5.6.3", "Transfer-Encoding: \u{a0}chunked", "0\r\n\r\n", 400),
        ("9110 5.6.3", "Transfer-Encoding: chunked\u{2003}", "0\r\n\r\n", 400),
        ("9112 7", "Transfer-Encoding: CHUNKED", "0\r\n\r\n", 405),
        ("9110 5.6.1", "Transfer-Encoding: , chunked,", "0\r\n\r\n", 405),
        ("9112 7.1", "Transfer-Encoding: chunked", "2\r\nab\r\n000\r\n\r\n", 405),
        ("9112 7.1", "Transfer-Encoding: chunked", "\r\n", 400),
        ("9112 7.1", "Transfer-Encoding: chunked", "2\nab\r\n0\r\n\r\n", 400),
        ("9112 7.1", "Transfer-Encoding: chunked", "2\r\nab\n0\r\n\r\n", 400),
        ("9112 7.1", "Transfer-Encoding: chunked", "2\r\nabc\r\n0\r\n\r\n", 400),
        ("9112 7.1", "Transfer-Encoding: chunked", "2 \r\nab\r\n0\r\n\r\n", 400),
        ("9112 7.1", "Transfer-Encoding: chunked", "0x2\r\nab\r\n0\r\n\r\n", 400),
        ("9112 7.1.1", "Transfer-Encoding: chunked", "2;a=b ; c=\"d;\\\"\"\r\nab\r\n0;e\r\n\r\n", 405),
        ("9112 7.1.1", "Transfer-Encoding: chunked", "2;a\nb\r\nab\r\n0\r\n\r\n", 400),
        ("9112 7.1.1", "Transfer-Encoding: chunked", "2;\r\nab\r\n0\r\n\r\n", 400),
        ("9112 7.1.1", "Transfer-Encoding: chunked", "2abc;d e\r\n", 400),
        ("9112 7.1.2", "Transfer-Encoding: chunked", "0\r\nA: b\r\nHost: y\r\n\r\n", 405),
        ("9112 7.1.2", "Transfer-Encoding: chunked", "0\r\nA: b\n\r\n", 400),
        ("9112 7.1.2", "Transfer-Encoding: chunked", "0\r\nA\r\n\r\n", 400),
        ("9112 7.1.2", "Transfer-Encoding: chunked", "0\r\nA : b\r\n\r\n", 400),
        ("9112 7.1.2", "Transfer-Encoding: chunked", "0\r\n A: b\r\n\r\n", 400),
    ];
    let requests = rules.map(|(section, headers, body, status)| {
        (section, format!("POST /health HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}"), status)
    });
    check(&requests.each_ref().map(|(section, request, status)| (*section, &request[..], *status)));
    check(&[("9112 6.1", "POST /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)]);
}

/// Each limit at its edge, and one beyond.
#[test]
fn limits() {
    let head = |length: usize| {
        let begin = "GET /health HTTP/1.1\r\nHost: x\r\nA: ";
        format!("{begin}{}\r\n\r\n", "x".repeat(length - begin.len() - 4))
    };
    let line = |length: usize| {
        let (begin, end) = ("GET /health?", " HTTP/1.1\r\nHost: x\r\n\r\n");
        format!("{begin}{}{end}", "x".repeat(length - begin.len() - end.len()))
    };
    let fields =
        |count: usize| format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    let post =
        |header: &str, body: &str| format!("POST /health HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n{body}");
    let counted = |length: usize| post(&format!("Content-Length: {length}"), &"x".repeat(length));
    let chunked = |body: String| post("Transfer-Encoding: chunked", &body);
    let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "x".repeat(size));
    let framing = |chunks: usize| chunked(chunk(1).repeat(chunks) + "0\r\n\r\n");
    let extension =
        |length: usize| chunked(format!("64;{}\r\n{}\r\n0\r\n\r\n", "x".repeat(length - 5), "x".repeat(100)));
    let rules = [
        ("9112 3", line(MAX_HEAD), 200),
        ("9112 3", line(MAX_HEAD + 1), 431),
        ("9110 5.4", head(MAX_HEAD), 200),
        ("9110 5.4", head(MAX_HEAD + 1), 431),
        ("9110 5.4", fields(MAX_FIELDS), 200),
        ("9110 5.4", fields(MAX_FIELDS + 1), 431),
        ("9110 8.6", counted(MAX_BODY), 405),
        ("9110 8.6", counted(MAX_BODY + 1), 413),
        ("9110 8.6", post("Content-Length: 18446744073709551616", ""), 413),
        ("9112 7.1", chunked(chunk(MAX_BODY) + "0\r\n\r\n"), 405),
        ("9112 7.1", chunked(chunk(MAX_BODY + 1)), 413),
        ("9112 7.1", chunked(chunk(MAX_BODY - 1) + &chunk(1) + "0\r\n\r\n"), 405),
        ("9112 7.1", chunked(chunk(MAX_BODY - 1) + &chunk(2)), 413),
        ("9112 7.1", chunked("10000000000000000\r\n".into()), 413),
        ("9112 7.1.1", extension(MAX_HEAD), 405),
        ("9112 7.1.1", extension(MAX_HEAD + 1), 400),
        ("9112 7.1.1", framing((MAX_HEAD - 5) / 4), 405),
        ("9112 7.1.1", framing((MAX_HEAD - 5) / 4 + 1), 413),
    ];
    check(&rules.each_ref().map(|(section, request, status)| (*section, &request[..], *status)));
}

#[test]
fn upgrades() {
    let handshake = raw::handshake("/ws");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let with = |line: &str| handshake.replacen("Host:", &format!("{line}Host:"), 1);
    let old = |method: &str| {
        raw::handshake("/faye").replacen("GET", method, 1).replacen("Version: 13", "Version: 8", 1)
    };
    check(&[
        ("6455 4.2.2", &handshake, 101),
        ("6455 11.3.1", &with(key), 400),
        ("6455 11.3.5", &with("Sec-WebSocket-Version: 13\r\n"), 400),
        ("6455 4.1", &handshake.replacen("GET", "HEAD", 1), 426),
        ("9110 15.5.22", "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        ("9110 9.3.2", "HEAD /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        ("9110 9.3.2", &old("GET"), 426),
        ("9110 9.3.2", &old("HEAD"), 426),
        ("9110 7.8", &handshake.replacen("HTTP/1.1", "HTTP/1.0", 1), 400),
        ("9110 2.5", &handshake.replacen("HTTP/1.1", "HTTP/1.2", 1), 101),
    ]);
}

#[test]
fn connections_that_close() {
    let server = Server::start(&[]);
    for (section, version, headers, keeps) in [
        ("9112 9.3", "1.1", "", true),
        ("9112 9.3", "1.1", "Connection: keep-alive, close\r\n", false),
        ("9112 9.3", "1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("9112 9.3", "1.0", "", false),
        ("9112 9.3", "1.0", "Connection: keep-alive\r\n", true),
        ("9112 9.3", "1.0", "Connection: keep-alive, close\r\n", false),
        ("9112 9.3", "1.0", "Connection: close\r\nConnection: keep-alive\r\n", false),
    ] {
        let mut stream = server.connect();
        stream
            .write_all(format!("GET /health HTTP/{version}\r\nHost: x\r\n{headers}\r\n").as_bytes())
            .unwrap();
        let expected = if keeps { "keep-alive" } else { "close" };
        let response = read_response(&mut stream);
        assert_eq!(response.header("connection"), Some(expected), "{section}: {version} {headers}");
    }
}

/// A response to HEAD has no content, also if nothing more of the request is in order (RFC 9110, 9.3.2).
#[test]
fn a_refused_head_has_no_content() {
    let server = Server::start(&[]);
    for (request, status) in [
        ("HEAD / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("\r\nHEAD a HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        (format!("HEAD /{} HTTP/1.1\r\n", "x".repeat(MAX_HEAD)), 431),
        ("HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n".to_owned(), 413),
        ("HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx".to_owned(), 400),
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut stream);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.200?}: {head}");
        assert_eq!(read_to_end(&mut stream), b"", "{request:.200?}");
    }
}

/// What a proxy takes for one message must not be two here.
#[test]
fn what_follows_a_body_is_the_next_request() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    let post = "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let get = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(format!("{post}2;a=b\r\nab\r\n0\r\nT: u\r\n\r\n{get}{get}").as_bytes()).unwrap();
    for status in [405, 200, 200] {
        assert_eq!(read_response(&mut stream).status, status);
    }
}
