//! The opening handshake of RFC 6455, section 4, over real sockets.

use crate::support;

use std::io::Write;
use std::net::TcpStream;
use support::raw::{answers, echo, frame, handshake, heartbeat, read_frame, read_head, read_response};
use support::{Server, raw};

/// A handshake with one line changed into another, or taken out.
fn changed(line: &str, to: &str) -> String {
    let whole = handshake("/ws");
    assert!(whole.contains(line));
    whole.replace(&format!("{line}\r\n"), to)
}

/// A handshake with these header lines added.
fn with(lines: &str) -> String {
    changed("Upgrade: websocket", &format!("Upgrade: websocket\r\n{lines}\r\n"))
}

/// The head of the answer to a handshake, which has to be accepted and has to work.
fn accepted(server: &Server, handshake: &str) -> String {
    let mut stream = server.connect();
    stream.write_all(handshake.as_bytes()).unwrap();
    let head = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 101 "), "{handshake}{head}");
    assert_eq!(answers(&mut stream, b""), []);
    head
}

/// The answer to a handshake that is refused; the connection then goes on with HTTP.
fn refused(server: &Server, handshake: &str) -> raw::Response {
    let mut stream = server.connect();
    stream.write_all(handshake.as_bytes()).unwrap();
    let response = read_response(&mut stream);
    if response.header("connection") == Some("keep-alive") {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(read_response(&mut stream).status, 200);
    }
    response
}

#[test]
fn the_handshake_of_the_rfc_is_accepted_as_it_says() {
    let head = accepted(&Server::start(&[]), &handshake("/ws"));
    for line in
        ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
    {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
}

#[test]
fn both_paths_and_every_version_of_the_serializer_are_served() {
    let server = Server::start(&[]);
    for target in ["/ws", "/ws/websocket", "/ws?vsn=1.0.0", "/ws/websocket?userToken=&vsn=1.0.0"] {
        accepted(&server, &handshake(target));
    }
    let mut stream = raw::open(&server, "/ws/websocket?vsn=2.0.0");
    stream.write_all(&frame(0x81, br#"[null,"1","phoenix","heartbeat",{}]"#)).unwrap();
    let reply = br#"[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]"#;
    assert_eq!(read_frame(&mut stream), Some((0x81, reply.to_vec())));
}

#[test]
fn a_version_of_the_serializer_that_is_not_there_is_refused() {
    let server = Server::start(&[]);
    for vsn in ["3.0.0", "0.9", "x", ""] {
        assert_eq!(refused(&server, &handshake(&format!("/ws?vsn={vsn}"))).status, 400, "{vsn}");
    }
}

#[test]
fn a_plain_get_is_told_to_upgrade() {
    let server = Server::start(&[]);
    for target in ["/ws", "/ws/websocket", "/ws?vsn=2.0.0"] {
        let response = refused(&server, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!((response.status, response.header("upgrade")), (426, Some("websocket")));
    }
    assert_eq!(refused(&server, &changed("Upgrade: websocket", "Upgrade: h2c\r\n")).status, 426);
}

#[test]
fn another_websocket_version_is_told_the_right_one() {
    let server = Server::start(&[]);
    for line in ["", "Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: x\r\n"] {
        let response = refused(&server, &changed("Sec-WebSocket-Version: 13", line));
        assert_eq!((response.status, response.header("sec-websocket-version")), (426, Some("13")), "{line}");
    }
}

#[test]
fn a_handshake_that_lacks_something_is_a_bad_request() {
    let server = Server::start(&[]);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (line, to) in [
        ("Connection: Upgrade", ""),
        ("Connection: Upgrade", "Connection: keep-alive\r\n"),
        (key, ""),
        (key, "Sec-WebSocket-Key:\r\n"),
        (key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n"),
        (key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=\r\n"),
        (key, "Sec-WebSocket-Key: dGhlIHNhbXBsZ!Bub25jZQ==\r\n"),
        ("Host: x", ""),
    ] {
        assert_eq!(refused(&server, &changed(line, to)).status, 400, "{line} -> {to}");
    }
    assert_eq!(refused(&server, &handshake("/ws").replace("HTTP/1.1", "HTTP/1.0")).status, 400);
}

#[test]
fn the_subprotocol_phoenix_is_agreed_to_and_no_other() {
    let server = Server::start(&[]);
    for (offer, answer) in [
        ("phoenix", true),
        ("graphql-ws, phoenix", true),
        ("phoenix, base64url.bearer.phx.dG9rZW4", true),
        ("a\r\nSec-WebSocket-Protocol: phoenix", true),
        ("graphql-ws", false),
        ("phoenixes", false),
    ] {
        let head = accepted(&server, &with(&format!("Sec-WebSocket-Protocol: {offer}")));
        assert_eq!(head.contains("\r\nSec-WebSocket-Protocol: phoenix\r\n"), answer, "{offer}: {head}");
        assert_eq!(head.contains("Sec-WebSocket-Protocol"), answer, "{offer}: {head}");
    }
}

#[test]
fn compression_is_declined() {
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    let head = accepted(&Server::start(&[]), &with(offer));
    assert!(!head.to_lowercase().contains("extensions"), "{head}");
}

#[test]
fn the_handshakes_of_real_clients_are_accepted() {
    let server = Server::start(&[]);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";
    for lines in [
        // Chrome
        "Connection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 \
         Safari/537.36\r\nUpgrade: websocket\r\nOrigin: http://localhost:4000\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: a=b; c=d\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        // Firefox
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0\r\nAccept: */*\r\n\
         Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nOrigin: null\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: websocket\r\nSec-Fetch-Site: cross-site\r\n\
         Pragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket",
        // The ws package of Node, and what a proxy makes of it
        "Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "connection: upgrade\r\nupgrade: WebSocket\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\
         via: 1.1 proxy",
    ] {
        accepted(&server, &format!("GET /ws HTTP/1.1\r\nHost: localhost:4000\r\n{lines}\r\n{key}\r\n\r\n"));
    }
}

/// The echo of this reference is the next frame.
fn expect_echo(stream: &mut TcpStream, reference: &str) {
    assert_eq!(read_frame(stream), Some((0x81, echo(reference).into_bytes())));
}

#[test]
fn frames_directly_behind_the_handshake_are_answered() {
    let server = Server::start(&[]);
    let beats = ["1", "2"].map(|reference| frame(0x81, heartbeat(reference).as_bytes())).concat();
    let bytes = [handshake("/ws").as_bytes(), &beats].concat();
    let mut stream = server.connect();
    stream.write_all(&bytes).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    expect_echo(&mut stream, "1");
    expect_echo(&mut stream, "2");
}

#[test]
fn a_handshake_and_its_first_frame_may_be_cut_at_any_byte() {
    let server = Server::start(&[]);
    let mut bystander = raw::Bystander::new(&server);
    let beat = frame(0x81, heartbeat("1").as_bytes());
    let bytes = [handshake("/ws").as_bytes(), &beat].concat();
    for cut in 1..bytes.len() {
        let mut stream = server.connect();
        stream.write_all(&bytes[..cut]).unwrap();
        bystander.settle();
        stream.write_all(&bytes[cut..]).unwrap();
        assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "), "cut at {cut}");
        expect_echo(&mut stream, "1");
    }
}

#[test]
fn a_handshake_may_follow_other_requests() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    let requests = format!("GET /health HTTP/1.1\r\nHost: x\r\n\r\n{}", handshake("/ws"));
    stream.write_all(requests.as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream).status, 200);
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    assert_eq!(answers(&mut stream, b""), []);
}

#[test]
fn no_request_is_read_from_an_open_websocket() {
    let server = Server::start(&[]);
    let mut stream = raw::open(&server, "/ws");
    // "GE" is a fragment with an opcode that is reserved.
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(raw::read_close(&mut stream), Some(1002));
}
