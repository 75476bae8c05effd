//! `--allow-origin`: pages of other origins get 403, at every door, and whoever is no page is let in.

mod common;

use std::io::Write;

use common::raw::{self, handshake};
use common::{Server, metrics::Metrics};

const OURS: &str = "https://chat.example";
const THEIRS: &str = "https://evil.example";

/// The doors to the chat, as a browser knocks at them.
fn requests() -> Vec<String> {
    let upgrade = |path: &str| handshake(path).replacen("\r\n\r\n", "\r\n", 1);
    let plain =
        |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n");
    vec![
        upgrade("/ws"),
        upgrade("/ws/websocket?vsn=2.0.0"),
        upgrade("/socket.io/?EIO=4&transport=websocket"),
        plain("GET", "/socket.io/?EIO=4&transport=polling"),
        plain("OPTIONS", "/socket.io/?EIO=4&transport=polling"),
        upgrade("/faye"),
        plain("POST", "/faye"),
        plain("OPTIONS", "/faye"),
    ]
}

/// The status of a request that comes from a page, or from none.
fn status(server: &Server, request: &str, origin: Option<&str>) -> u16 {
    let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
    let mut stream = server.connect();
    stream.write_all(format!("{request}{origin}\r\n").as_bytes()).unwrap();
    let head = raw::read_head(&mut stream);
    if head.starts_with("HTTP/1.1 403") {
        assert!(!head.to_lowercase().contains("access-control"), "{head}");
    }
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn pages_of_other_origins_are_refused() {
    let server = Server::start(&["--allow-origin", "http://localhost:4000", "--allow-origin", OURS]);
    let open = Server::start(&[]);
    for request in requests() {
        for origin in [THEIRS, "null", "https://chat.example:444", "http://chat.example"] {
            assert_eq!(status(&server, &request, Some(origin)), 403, "{origin} {request}");
        }
        for origin in [Some(OURS), Some("http://localhost:4000"), None] {
            let expected = status(&open, &request, Some(THEIRS));
            assert_eq!(status(&server, &request, origin), expected, "{origin:?} {request}");
            assert_ne!(expected, 403);
        }
    }
    assert!(Metrics::of(&server).get("mio_chat_http_responses_total", &[("code", "403")]) > 0.0);
}

#[test]
fn a_script_does_not_say_where_it_is_from() {
    let message = "%5B%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%2C%22version%22%3A%221.0%22%2C\
                   %22supportedConnectionTypes%22%3A%5B%22callback-polling%22%5D%7D%5D";
    let server = Server::start(&["--allow-origin", OURS]);
    for path in [format!("/faye?message={message}&jsonp=f"), "/socket.io/?EIO=3&transport=polling&j=0".into()]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n");
        assert_eq!(status(&Server::start(&[]), &request, None), 200, "{path}");
        assert_eq!(status(&server, &request, None), 403, "{path}");
    }
}

#[test]
fn what_no_page_can_read_is_for_all() {
    let server = Server::start(&["--allow-origin", OURS]);
    for path in ["/", "/health", "/metrics"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n");
        assert_eq!(status(&server, &request, Some(THEIRS)), 200);
    }
}
