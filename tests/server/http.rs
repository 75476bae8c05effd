//! HTTP over real sockets: what is there, and what each request that is not in order gets.

use crate::support;

use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use support::phoenix::Phoenix;
use support::phoenix::Version::V2;
use support::raw::{Bystander, read_head, read_response, read_to_end, request};
use support::{Server, raw};

/// The largest head that is taken, in bytes.
const MAX_HEAD: usize = 16 * 1024;

fn get(server: &Server, target: &str) -> raw::Response {
    request(server, format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

/// Sends what has to be refused, checks that the server closes after its answer, and returns the status.
fn refusal(server: &Server, bytes: impl AsRef<[u8]>) -> u16 {
    let mut stream = server.connect();
    stream.write_all(bytes.as_ref()).unwrap();
    let response = read_response(&mut stream);
    assert_eq!(response.header("connection"), Some("close"), "{response:?}");
    assert_eq!(read_to_end(&mut stream), b"", "nothing follows");
    response.status
}

/// The server answers a proper request on this connection.
fn is_alive(stream: &mut TcpStream) {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_response(stream).body, r#"{"status":"ok"}"#);
}

#[test]
fn the_snapshot_is_json_in_the_original_shape() {
    let server = Server::start(&[]);
    let response = get(&server, "/");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json; charset=utf-8"));
    assert!(response.header("date").is_some_and(|date| date.ends_with(" GMT")), "{}", response.head);
    assert_eq!(
        response.body,
        r#"{"teachers":{"total":0,"teachers":[]},"students":{"total":0,"waiting":0,"chatting":0,"finished":0,"students":[]},"chats":{"total":0,"active":[],"finished":0}}"#
    );
}

#[test]
fn the_limit_bounds_the_lists_and_not_the_counts() {
    let server = Server::start(&[]);
    let _students = Phoenix::students(&server, V2, 1001);
    let rows = |target: &str| {
        let snapshot: Value = serde_json::from_str(&get(&server, target).body).unwrap();
        let students = &snapshot["students"];
        assert_eq!(students["total"], 1001);
        let rows = students["students"].as_array().unwrap().len();
        assert_eq!(students["truncated"], if rows < 1001 { json!(true) } else { Value::Null });
        rows
    };
    assert_eq!(rows("/"), 1000);
    for limit in [0, 1, 2, 1001] {
        assert_eq!(rows(&format!("/?limit={limit}")), limit);
        assert_eq!(rows(&format!("/?a=b&limit={limit}&c")), limit);
    }
    assert_eq!(rows("/?limit=5000"), 1001);
}

#[test]
fn a_limit_that_is_no_number_is_a_bad_request() {
    let server = Server::start(&[]);
    for limit in ["", "x", "-1", "1.5", "99999999999999999999999"] {
        assert_eq!(get(&server, &format!("/?limit={limit}")).status, 400, "{limit}");
    }
}

#[test]
fn health_is_ok() {
    let response = get(&Server::start(&[]), "/health");
    assert_eq!((response.status, response.body.as_str()), (200, r#"{"status":"ok"}"#));
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::start(&[]);
    for target in ["/", "/metrics", "/health", "/?limit=x", "/nothing"] {
        let mut stream = server.connect();
        stream.write_all(format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let head = read_head(&mut stream);
        let expected = get(&server, target);
        let line = format!("Content-Length: {}\r\n", expected.body.len());
        assert!(head.starts_with(&format!("HTTP/1.1 {}", expected.status)), "{head}");
        // A body that takes long to make is not made for its length (RFC 9110, 9.3.2).
        assert_eq!(head.contains("Content-Length"), !["/", "/metrics"].contains(&target), "{head}");
        assert!(!head.contains("Content-Length") || head.contains(&line), "{head}");
        is_alive(&mut stream);
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = Server::start(&[]);
    for target in ["/nothing", "/ws/", "/ws/websocket/x", "//", "/healthy", "/%00"] {
        assert_eq!(get(&server, target).status, 404, "{target}");
    }
}

#[test]
fn a_target_may_be_a_whole_url() {
    // A server has to take it, even though only proxies send it (RFC 9112, 3.2.2).
    let server = Server::start(&[]);
    let target = format!("http://{}/health", server.address);
    assert_eq!(get(&server, &target).status, 200);
}

#[test]
fn a_method_that_does_not_fit_is_told_what_would() {
    let server = Server::start(&[]);
    for (target, methods, allow) in [
        ("/", &["POST", "PUT", "DELETE", "OPTIONS", "get", "BREW"][..], "GET, HEAD"),
        ("/health", &["POST"], "GET, HEAD"),
        ("/ws", &["POST"], "GET, HEAD"),
        ("/ws/websocket", &["PUT"], "GET, HEAD"),
    ] {
        for method in methods {
            let mut stream = server.connect();
            let head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let head = read_head(&mut stream);
            assert!(head.starts_with("HTTP/1.1 405 "), "{method} {target}: {head}");
            assert!(head.contains(&format!("\r\nAllow: {allow}\r\n")), "{method} {target}: {head}");
        }
    }
}

#[test]
fn what_is_no_request_is_bad() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    for bytes in [
        &b"GET\r\n\r\n"[..],
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nname\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nna me: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\na: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\na: 1\r\n folded\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        b"{\"topic\":\"phoenix\"}",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    ] {
        assert_eq!(refusal(&server, bytes), 400, "{:?}", String::from_utf8_lossy(bytes));
    }
    bystander.settle();
}

#[test]
fn a_body_has_one_length_and_a_good_one() {
    let server = Server::start(&[]);
    for (headers, status) in [
        ("Content-Length: x", 400),
        ("Content-Length: -1", 400),
        ("Content-Length: +1", 400),
        ("Content-Length: 1 1", 400),
        ("Content-Length: 1, 2", 400),
        ("Content-Length:", 400),
        ("Content-Length: 1\r\nContent-Length: 2", 400),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1", 400),
        ("Content-Length: 65537", 413),
        ("Content-Length: 18446744073709551616", 413),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n");
        assert_eq!(refusal(&server, head), status, "{headers}");
    }
}

#[test]
fn a_chunked_body_that_is_not_in_order_is_refused() {
    let server = Server::start(&[]);
    for (body, status) in [
        ("x\r\n", 400),
        ("1\r\nabc", 400),
        ("-1\r\n", 400),
        ("10001\r\n", 413),
        ("ffffffffffffffff\r\n", 413),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(refusal(&server, head), status, "{body}");
    }
    let chunks = "8000\r\n".to_owned() + &"x".repeat(0x8000) + "\r\n";
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refusal(&server, format!("{head}{chunks}{chunks}1\r\n")), 413, "the sum counts");
}

#[test]
fn a_body_may_have_the_limit() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    let body = "x".repeat(65_536);
    let length = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n";
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n";
    stream.write_all(format!("{length}{body}{chunked}{body}\r\n0\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream).status, 405);
    assert_eq!(read_response(&mut stream).status, 405);
    is_alive(&mut stream);
}

#[test]
fn a_transfer_coding_is_named_in_any_case() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n").unwrap();
    assert_eq!(read_response(&mut stream).status, 405);
}

#[test]
fn the_wrapping_of_a_chunked_body_is_bounded_too() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    // Not ten bytes of body: all else is chunk extensions, which have to be kept until the body is whole.
    let chunk = format!("1;{}\r\nx\r\n", "e".repeat(15_000));
    let mut bystander = Bystander::new(&server);
    for _ in 0..9 {
        stream.write_all(chunk.as_bytes()).unwrap();
    }
    for _ in 0..300 {
        bystander.settle();
        if stream.write_all(chunk.as_bytes()).is_err() {
            break; // Refused long ago, and closed.
        }
    }
    stream.set_nonblocking(true).unwrap();
    let refused = stream.peek(&mut [0]);
    let is_waiting = refused.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    assert!(!is_waiting, "four megabytes of wrapping are taken without an answer");
}

#[test]
fn a_head_may_have_the_limit_and_not_much_more() {
    let server = Server::start(&[]);
    let head = |length: usize| {
        let frame = "GET /health HTTP/1.1\r\nHost: x\r\na: \r\n\r\n";
        frame.replace("a: ", &format!("a: {}", "x".repeat(length - frame.len())))
    };
    let mut stream = server.connect();
    stream.write_all(head(MAX_HEAD).as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream).status, 200);
    assert_eq!(refusal(&server, head(MAX_HEAD + 1)), 431);
    assert_eq!(refusal(&server, head(40 * MAX_HEAD)), 431);
    assert_eq!(refusal(&server, &head(2 * MAX_HEAD)[..MAX_HEAD + 1]), 431, "without an end");
    assert_eq!(refusal(&server, format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_HEAD))), 431);
}

#[test]
fn a_dripped_head_is_refused_once_it_is_over_the_limit() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    let line = format!("a: {}\r\n", "x".repeat(1018));
    for _ in 0..16 {
        bystander.settle();
        stream.write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(read_response(&mut stream).status, 431);
    assert_eq!(read_to_end(&mut stream), b"");
}

#[test]
fn a_head_may_have_a_hundred_headers_and_not_one_more() {
    let server = Server::start(&[]);
    let head =
        |count: usize| format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(count - 1));
    let mut stream = server.connect();
    stream.write_all(head(100).as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream).status, 200);
    assert_eq!(refusal(&server, head(101)), 431);
}

#[test]
fn http_1_1_keeps_the_connection_and_1_0_does_not_unless_asked() {
    let server = Server::start(&[]);
    for (version, headers, keeps) in [
        ("1.1", "Host: x\r\n", true),
        ("1.1", "Host: x\r\nConnection: Close\r\n", false),
        ("1.1", "Host: x\r\nConnection: x, close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: close\r\n", false),
    ] {
        let mut stream = server.connect();
        let head = format!("GET /health HTTP/{version}\r\n{headers}\r\n");
        for _ in 0..3 {
            stream.write_all(head.as_bytes()).unwrap();
            let response = read_response(&mut stream);
            let expected = if keeps { "keep-alive" } else { "close" };
            assert_eq!((response.status, response.header("connection")), (200, Some(expected)), "{head}");
            if !keeps {
                assert_eq!(read_to_end(&mut stream), b"", "{head}");
                break;
            }
        }
    }
}
