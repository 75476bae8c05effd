//! Bugs that the simulation has found, each with its shortest conversation.

use mio_chat_server::Millis;
use mio_chat_server::endpoint::{ConnectionId, Endpoint, Next, Ready, Write};
use mio_chat_server::options::Options;
use uuid::Uuid;

const HOUR: Millis = 3_600_000;

/// An endpoint, and the time.
struct Server {
    endpoint: Endpoint,
    now: Millis,
}

impl Server {
    fn new() -> Server {
        let endpoint = Endpoint::new(&Options::default(), 10, 0, Uuid::new_v4, || None);
        Server { endpoint, now: 0 }
    }

    fn open(&mut self) -> ConnectionId {
        self.endpoint.open([127, 0, 0, 1].into(), self.now)
    }

    /// Input arrives, and is carried out. Returns all output of that turn for this connection.
    fn receive(&mut self, id: ConnectionId, input: &[u8]) -> String {
        self.endpoint.receive(id, &mut input.to_owned(), false, self.now);
        self.turn(id, self.now)
    }

    /// The rest of a turn. All input has been read that came by `read_until`.
    fn turn(&mut self, id: ConnectionId, read_until: Millis) -> String {
        while self.endpoint.tick(self.now, read_until) {}
        let mut text = String::new();
        while let Some((of, output)) = self.endpoint.next_to_write(self.now) {
            if of == id {
                text.push_str(&String::from_utf8_lossy(output));
            }
            self.endpoint.written(of, Write::Done, 1, self.now);
        }
        self.endpoint.free_closed(|_| {});
        text
    }

    /// A Bayeux session that polls, or has changed to the WebSocket of a connection. Returns its id.
    fn bayeux(&mut self, id: ConnectionId) -> String {
        let handshake = self.receive(id, &post(HANDSHAKE));
        handshake.split("\"clientId\":\"").nth(1).and_then(|rest| rest.get(..31)).expect("an id").into()
    }
}

const HANDSHAKE: &str =
    r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}]"#;

const UPGRADE: &str = "GET /faye HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn connect(client: &str, connection_type: &str) -> String {
    format!(
        r#"[{{"channel":"/meta/connect","clientId":"{client}","connectionType":"{connection_type}","id":"c"}}]"#
    )
}

fn post(batch: &str) -> Vec<u8> {
    let length = batch.len();
    format!(
        "POST /faye HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{batch}"
    )
    .into()
}

/// A text frame with a mask of zeros (RFC 6455, 5.2).
fn frame(text: &str) -> Vec<u8> {
    let length = text.len() as u16;
    let mut frame = vec![0x81];
    match length {
        0..126 => frame.push(0x80 | length as u8),
        _ => frame.extend([0x80 | 126, (length >> 8) as u8, length as u8]),
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

fn is_ok(reply: &str) -> bool {
    reply.contains("\"successful\":true")
}

#[test]
fn a_connect_that_is_answered_late_leaves_the_client_its_time() {
    let mut server = Server::new();
    let id = server.open();
    let client = server.bayeux(id);
    assert_eq!(server.receive(id, &post(&connect(&client, "long-polling"))), "", "it is held");
    // The process was stopped: the answer is an hour late, and so is the next connect.
    server.now += HOUR;
    assert!(is_ok(&server.turn(id, server.now)));
    server.now += 20_000;
    server.turn(id, server.now);
    assert_eq!(server.receive(id, &post(&connect(&client, "long-polling"))), "", "it is held again");
}

#[test]
fn a_websocket_with_a_session_is_not_silent_while_its_connect_is_held() {
    let mut server = Server::new();
    let id = server.open();
    let client = server.bayeux(id);
    let socket = server.open();
    assert!(server.receive(socket, UPGRADE.as_bytes()).starts_with("HTTP/1.1 101 "));
    assert_eq!(server.receive(socket, &frame(&connect(&client, "websocket"))), "", "it is held");
    server.now += HOUR;
    assert!(is_ok(&server.turn(socket, server.now)));
    assert_eq!(server.receive(socket, &frame(&connect(&client, "websocket"))), "", "it is held again");
}

#[test]
fn a_session_is_not_silent_while_its_input_waits_to_be_read() {
    let mut server = Server::new();
    let id = server.open();
    let client = server.bayeux(id);
    server.turn(id, server.now);
    // The process was stopped, and there is no time for the connect that has come meanwhile.
    let before = server.now;
    server.now += HOUR;
    let ready = Ready { readable: true, writable: false, ended: false };
    assert_eq!(server.endpoint.ready(id, ready, true, server.now), Next::Wait);
    server.turn(id, server.now);
    assert_eq!(server.endpoint.next_deferred(), Some(id));
    assert_eq!(server.endpoint.resume(id, server.now), Next::Read);
    assert!(before < server.now);
    assert_eq!(server.receive(id, &post(&connect(&client, "long-polling"))), "", "it is held");
}
