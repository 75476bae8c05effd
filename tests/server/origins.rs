//! `--allow-origin` and `--allow-host`: which pages may begin a chat session, and under which names the server is
//! used. Without `--allow-origin` there is no limit.

use crate::support;

use std::io::Write;

use support::metrics::Metrics;
use support::{Server, raw};

const LISTED: &str = "http://chat.example:8080";
const FOREIGN: &str = "https://evil.example";

const ORIGINS: [Option<&str>; 4] = [None, Some(LISTED), Some(FOREIGN), Some("null")];
const SITES: [Option<&str>; 5] =
    [None, Some("same-origin"), Some("none"), Some("same-site"), Some("cross-site")];
/// Hosts, and whether the server is to be used under that name.
const HOSTS: [(&str, bool); 8] = [
    ("chat.example", true),
    ("LOCALHOST:4000", true),
    ("[::1]:4000", true),
    ("proxy.internal:80", true),
    ("evil.example", false),
    ("chat.example.evil.example:8080", false),
    ("127.0.0.1.evil.example", false),
    ("", false),
];

/// The first request of a session, or of the WebSocket on which one begins.
struct Begin {
    method: &'static str,
    target: &'static str,
    /// A page makes it by loading a script, whose content is then open to the page.
    is_script: bool,
    /// Headers of its own, and a body if it has one.
    headers: &'static str,
    body: &'static str,
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const HANDSHAKE: &str = r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling","callback-polling"]}]"#;
const FORM: &str = "message=%5B%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%2C%22version%22%3A%221.0%22%2C\
                    %22supportedConnectionTypes%22%3A%5B%22callback-polling%22%5D%7D%5D";

const fn get(target: &'static str) -> Begin {
    Begin { method: "GET", target, is_script: false, headers: "", body: "" }
}

const fn upgrade(target: &'static str) -> Begin {
    Begin { headers: UPGRADE, ..get(target) }
}

const fn script(target: &'static str) -> Begin {
    Begin { is_script: true, ..get(target) }
}

const fn post(target: &'static str, headers: &'static str, body: &'static str) -> Begin {
    Begin { method: "POST", headers, body, ..get(target) }
}

/// Every way to begin a session.
const BEGINS: [Begin; 16] = [
    upgrade("/ws"),
    upgrade("/ws/websocket"),
    upgrade("/ws/websocket?vsn=2.0.0"),
    upgrade("/socket.io/?EIO=3&transport=websocket"),
    upgrade("/socket.io/?EIO=4&transport=websocket"),
    get("/socket.io/?EIO=3&transport=polling"),
    get("/socket.io?EIO=4&transport=polling"),
    script("/socket.io/?EIO=3&transport=polling&j=0"),
    script("/socket.io/?EIO=4&transport=polling&j=0"),
    upgrade("/faye"),
    post("/faye", "Content-Type: application/json\r\n", HANDSHAKE),
    post("/faye/handshake", "Content-Type: application/json\r\n", HANDSHAKE),
    post("/faye", "Content-Type: application/x-www-form-urlencoded\r\n", FORM),
    post("/faye", "Content-Type: text/plain\r\n", FORM),
    script(
        "/faye?jsonp=f&message=%5B%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%2C%22version%22%3A%221.0%22%2C\
            %22supportedConnectionTypes%22%3A%5B%22callback-polling%22%5D%7D%5D",
    ),
    script(
        "/faye?message=%5B%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%2C%22version%22%3A%221.0%22%2C\
            %22supportedConnectionTypes%22%3A%5B%22callback-polling%22%5D%7D%5D",
    ),
];

impl Begin {
    fn request(&self, host: &str, origin: Option<&str>, site: Option<&str>) -> String {
        let Begin { method, target, headers, body, .. } = self;
        let header = |name: &str, value: Option<&str>| {
            value.map_or(String::new(), |value| format!("{name}: {value}\r\n"))
        };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}{}{}Content-Length: {}\r\n\r\n{body}",
            header("Origin", origin),
            header("Sec-Fetch-Site", site),
            body.len(),
        )
    }

    /// The status of a request that begins a session, whether the session is accepted or not.
    fn is_admission(&self, status: u16) -> bool {
        status == 503 || status == if self.headers == UPGRADE { 101 } else { 200 }
    }
}

fn limited() -> Server {
    let server = ["--allow-origin", "https://other.example", "--allow-origin", LISTED];
    Server::start(
        &[&server[..], &["--allow-host", "spare.internal", "--allow-host", "proxy.internal"]].concat(),
    )
}

/// The head of the answer to a request. The connection is closed then.
fn head(server: &Server, request: &str) -> (u16, String) {
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).unwrap();
    let head = raw::read_head(&mut stream);
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head)
}

/// Requests to an IP address are always accepted.
fn get_by_address(server: &Server, path: &str) -> String {
    raw::request(server, format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")).body
}

#[test]
fn a_session_begins_from_a_listed_origin_or_from_no_other_page_and_by_a_known_name() {
    for begin in BEGINS {
        let server = limited();
        for (host, is_known) in HOSTS {
            for (origin, site) in ORIGINS.iter().flat_map(|origin| SITES.map(|site| (*origin, site))) {
                let request = begin.request(host, origin, site);
                let is_stated = origin.is_some() || site.is_some();
                let is_from_here = origin == Some(LISTED) || matches!(site, Some("same-origin" | "none"));
                let passes = is_known && (is_from_here || (!is_stated && !begin.is_script));
                let (status, head) = head(&server, &request);
                // An empty name is no name, to the parser already.
                let is_refused = status == 403 || (host.is_empty() && status == 400);
                assert!(if passes { begin.is_admission(status) } else { is_refused }, "{request}{head}");
                assert!(passes || !head.to_lowercase().contains("access-control"), "{request}{head}");
            }
        }
        assert!(Metrics::read(&get_by_address(&server, "/metrics")).get(RESPONSES, &[("code", "403")]) > 0.0);
    }
}

const RESPONSES: &str = "mio_chat_http_responses_total";

#[test]
fn a_refused_request_begins_no_session() {
    let server = limited();
    for begin in BEGINS {
        assert_eq!(head(&server, &begin.request("evil.example", None, None)).0, 403);
        assert_eq!(head(&server, &begin.request("localhost", None, Some("cross-site"))).0, 403);
    }
    let metrics = Metrics::read(&get_by_address(&server, "/metrics"));
    assert_eq!(metrics.get("mio_chat_clients", &[]), 0.0);
    // A Phoenix client is there as soon as its WebSocket is, so the figure would show one.
    let _socket = raw::open_with(&server, &BEGINS[0].request("localhost", None, None));
    let metrics = Metrics::read(&get_by_address(&server, "/metrics"));
    assert_eq!(metrics.get("mio_chat_clients", &[]), 1.0);
}

#[test]
fn without_listed_origins_everybody_may_come() {
    for begin in BEGINS {
        let server = Server::start(&["--allow-host", "proxy.internal"]);
        for (origin, site) in ORIGINS.iter().flat_map(|origin| SITES.map(|site| (*origin, site))) {
            let request = begin.request("evil.example", origin, site);
            let (status, head) = head(&server, &request);
            assert!(begin.is_admission(status), "{request}{head}");
        }
    }
}

#[test]
fn a_preflight_is_answered_like_the_request_that_it_asks_for() {
    let server = limited();
    for target in ["/socket.io/?EIO=4&transport=polling", "/faye"] {
        let begin = Begin { method: "OPTIONS", ..get(target) };
        for (host, origin, expected) in [
            ("chat.example", LISTED, 200),
            ("chat.example", FOREIGN, 403),
            ("evil.example", LISTED, 403),
            ("evil.example", FOREIGN, 403),
        ] {
            let request = begin.request(host, Some(origin), Some("cross-site"));
            assert_eq!(head(&server, &request).0, expected, "{request}");
        }
    }
}

#[test]
fn every_path_is_used_by_a_known_name_only() {
    let server = limited();
    for (target, status) in [("/", 200), ("/health", 200), ("/metrics", 200), ("/nothing", 404)] {
        for (host, is_known) in HOSTS {
            let request = get(target).request(host, None, Some("none"));
            let (found, head) = head(&server, &request);
            let expected = if is_known { status } else { 403 };
            assert!(found == expected || (host.is_empty() && found == 400), "{request}{head}");
        }
        // A page of another origin cannot read these, and they change nothing.
        let request = get(target).request("localhost", Some(FOREIGN), Some("cross-site"));
        assert_eq!(head(&server, &request).0, status, "{request}");
        let absolute = "http://evil.example/";
        let request = get(absolute).request("localhost", None, None);
        assert_eq!(head(&server, &request).0, 403, "{request}");
    }
}

#[test]
fn nothing_is_run_as_what_it_does_not_say_that_it_is() {
    let server = Server::start(&[]);
    for begin in BEGINS.into_iter().chain([
        get("/"),
        get("/health"),
        get("/metrics"),
        get("/nothing"),
        get("/?limit=x"),
        get("/ws"),
        get("/socket.io/?EIO=4&transport=polling&sid=x"),
        get("/faye"),
        Begin { method: "HEAD", ..get("/") },
        Begin { method: "OPTIONS", ..get("/faye") },
        Begin { method: "POST", ..get("/") },
        Begin { method: "no method", ..get("/") },
    ]) {
        let request = begin.request("localhost", None, None);
        let (_, head) = head(&server, &request);
        assert!(head.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{request}{head}");
        assert_eq!(head.matches("nosniff").count(), 1, "{request}{head}");
    }
    let server = Server::start(&["--max-connections", "1"]);
    let _only = raw::open(&server, "/ws");
    let (status, head) = head(&server, "");
    assert!(status == 503 && head.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{head}");
}
