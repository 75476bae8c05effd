//! What each load does: scripts that its connections follow in turn.

use std::time::Duration;

use super::health::{FIRST_ID, LAST_ID};
use super::script::{
    HANDSHAKE, Script, Step, batch, connect, event, get, message, open, post, presence, repeat, repeat_batch,
    repeat_frame, repeat_request, subscribe,
};
use super::scripted_clients::FIRST_NUMBER;
use crate::support::bayeux;
use crate::support::raw::frame;
use crate::support::socket_io::request;

/// A way to do the server harm.
pub struct Load {
    pub name: &'static str,
    /// The scripts that the attackers follow in turn.
    pub scripts: Vec<Script>,
    /// The attackers come from the address of the healthy users.
    pub is_near: bool,
    /// Each of the scripts comes to its end at least once.
    pub ends: bool,
}

const POLLING_3: &str = "/socket.io/?EIO=3&transport=polling";
const POLLING_4: &str = "/socket.io/?EIO=4&transport=polling";
const SOCKET_4: &str = "/socket.io/?EIO=4&transport=websocket";
/// Elements of a batch, or packets of a post, that fill a message of 64 KiB.
const MANY: usize = 20_000;
/// Messages that a Bayeux batch may have.
const ALLOWED: usize = 1000;
/// The same, with clients, so that all fit into a message of 64 KiB.
const MANY_UNKNOWN: usize = 980;
const SHORT: Duration = Duration::from_millis(50);

/// All loads, in the order in which they run.
pub fn all() -> Vec<Load> {
    let load = |name, scripts| Load { name, scripts, is_near: false, ends: false };
    vec![
        Load { ends: true, ..load("two Bayeux clients on one socket", two_on_a_socket()) },
        load("long lists", long_lists()),
        load("handshakes", handshakes()),
        Load { is_near: true, ..load("handshakes from the users' own address", handshakes()) },
        load("mailboxes that are filled", mailboxes()),
        load("large Bayeux batches", large_batches()),
        load("chunks that drip", dripped_chunks()),
        load("strangers who subscribe", strangers()),
        load("hostile pages", hostile_pages()),
        Load { ends: true, ..load("connect and disconnect in a batch", connect_and_disconnect()) },
        Load { ends: true, ..load("held polls with requests behind", held_polls()) },
    ]
}

fn socket_with_two() -> Script {
    let hand = || Step::Frame(HANDSHAKE.into());
    vec![open("/faye"), hand(), Step::Take("clientId"), hand(), Step::Take("clientId")]
}

/// The socket goes while one of its clients still has the connect that was held first.
fn two_on_a_socket() -> Vec<Script> {
    let bind = |client| Step::Frame(format!("[{}]", connect(client, "websocket")));
    let come = |client, role| Step::Frame(format!("[{}]", presence(client, role, "$n")));
    let by_http = |client| batch(format!("[{}]", connect(client, "long-polling")));
    let soon = |client: &str| {
        let connect = connect(client, "websocket");
        Step::Frame(format!("[{}]", connect.replace("\"id\"", r#""advice":{"timeout":20},"id""#)))
    };
    let mut six_frames = socket_with_two();
    six_frames.extend([come("$1", "teacher"), bind("$0"), bind("$1"), Step::Pause(SHORT), Step::Reset]);
    let mut timers = socket_with_two();
    timers.extend([soon("$1"), soon("$0"), come("$0", "student"), Step::Pause(SHORT), Step::Reset]);
    let mut together = socket_with_two();
    let both = format!("[{},{}]", connect("$0", "websocket"), connect("$1", "websocket"));
    together.extend([Step::Frame(both), bind("$0"), Step::Pause(SHORT), Step::Reset]);
    let hand = || batch(HANDSHAKE);
    let over_http = vec![
        hand(),
        Step::Take("clientId"),
        hand(),
        Step::Take("clientId"),
        by_http("$0"),
        by_http("$1"),
        Step::Reset,
    ];
    vec![six_frames, timers, together, over_http]
}

/// Lists and figures, asked for without an end; some read no answer.
fn long_lists() -> Vec<Script> {
    let page = "Accept: text/html\r\n";
    let unread = |step| vec![Step::StopReading, step];
    vec![
        vec![repeat_request("HEAD", "/?limit=10000", "")],
        vec![repeat_request("GET", "/?limit=10000", "")],
        unread(repeat_request("GET", "/?limit=10000", "")),
        vec![repeat_request("GET", "/metrics", "")],
        unread(repeat_request("GET", "/", page)),
    ]
}

/// Sessions that are opened and never used.
fn handshakes() -> Vec<Script> {
    let upgrade = |path| vec![open(path), Step::Await("sid"), Step::Reset];
    vec![
        vec![repeat_request("GET", POLLING_3, "")],
        vec![repeat_request("GET", POLLING_4, "")],
        vec![repeat_batch(HANDSHAKE)],
        vec![open("/faye"), repeat_frame(HANDSHAKE)],
        upgrade(SOCKET_4),
        vec![open("/ws"), Step::Await("101"), Step::Reset],
    ]
}

/// Sessions without a connection for which much waits: statuses, as students come and go, and answers.
fn mailboxes() -> Vec<Script> {
    let post_to = |path: &str, body: String| post(&format!("{path}&sid=$0"), body);
    let packet = |text: String| format!("{}:{text}", text.len());
    let id = FIRST_NUMBER.to_string();
    let teacher_3 = packet(event("teacher", &id)).replace(&id, "$n");
    let teachers_3 = vec![
        get(POLLING_3),
        Step::Take("sid"),
        post_to(POLLING_3, teacher_3),
        Step::Await("ok"),
        Step::Again,
    ];
    let pings = vec![get(POLLING_3), Step::Take("sid"), post_to(POLLING_3, "1:2".repeat(MANY)), Step::Again];
    let subscribed = format!("[{},{}]", subscribe("$0", "/presence/status"), presence("$0", "teacher", "$n"));
    let bayeux =
        vec![batch(HANDSHAKE), Step::Take("clientId"), batch(subscribed), Step::Await("status"), Step::Again];
    let student = |word: &str| format!(r#"42["presence:student:{word}",{{"userId":1$n,"role":"student"}}]"#);
    let come_and_go = [student("connect"), student("disconnect")].map(Step::Frame);
    let mut student = vec![open(SOCKET_4), Step::Frame("40".into()), Step::Await("40{")];
    student.extend(come_and_go.iter().cloned());
    student.extend([Step::Pause(SHORT), Step::Reset]);
    vec![teachers_3, pings, bayeux, student]
}

/// Batches of as many messages as a batch may have, over HTTP, over a WebSocket, and behind a connect that is held;
/// and such with more, which are refused.
fn large_batches() -> Vec<Script> {
    let empty = |count| format!("[{}]", vec!["{}"; count].join(","));
    let unknown = message("/a", "x", "");
    let refused = format!("[{}]", vec![&*unknown; MANY_UNKNOWN].join(","));
    let behind = format!("[{},{}]", connect("$0", "long-polling"), vec!["{}"; ALLOWED - 1].join(","));
    let held = vec![batch(HANDSHAKE), Step::Take("clientId"), batch(behind), Step::Hold];
    let unread = |count| vec![Step::StopReading, repeat_batch(&empty(count))];
    let socket = |text: &str| vec![open("/faye"), repeat(frame(0x81, text.as_bytes()))];
    vec![
        vec![repeat_batch(&empty(ALLOWED))],
        vec![repeat_batch(&refused)],
        socket(&empty(ALLOWED)),
        socket(&refused),
        held,
        unread(ALLOWED),
        vec![repeat_batch(&empty(MANY))],
        socket(&empty(MANY)),
    ]
}

/// Bodies in thousands of small chunks whose end never comes, or comes byte by byte.
fn dripped_chunks() -> Vec<Script> {
    let head = "POST /faye HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = "1\r\n \r\n";
    let chunks = |count| Step::Send(head.to_owned() + &chunk.repeat(count));
    let drip = |text: &str| Step::Drip(text.as_bytes().into());
    let partial =
        Step::Send("POST /faye HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\n".to_owned());
    vec![
        vec![chunks(13_000), drip(chunk)],
        vec![chunks(10_000), drip("1;a=b\r\n \r\n")],
        vec![partial, drip(" ")],
        vec![Step::Send("GET / HTTP/1.1\r\n".into()), drip("X-Header: value\r\n")],
    ]
}

/// Clients who ask for what is for others, connected and not. They never connect as the users that they ask for.
fn strangers() -> Vec<Script> {
    let channels = |client| {
        let ids = FIRST_ID..=LAST_ID;
        let both =
            ids.flat_map(|id| ["teacher", "student"].map(|role| format!("/presence/new_chat/{role}/{id}")));
        both.map(|channel| subscribe(client, &channel)).collect::<Vec<_>>().join(",")
    };
    let ids = (FIRST_ID..=LAST_ID).map(|id| id.to_string());
    let claims: Vec<_> =
        ids.flat_map(|id| ["teacher", "student"].map(|role| presence("$0", role, &id))).collect();
    let asks = Step::Frame(format!("[{}]", channels("$0")));
    let mut connected = vec![open("/faye"), Step::Frame(HANDSHAKE.into()), Step::Take("clientId")];
    connected.extend([Step::Frame(format!("[{}]", connect("$0", "websocket"))), asks.clone()]);
    connected.extend([asks, Step::Pause(SHORT), Step::Reset]);
    let ask = batch(format!("[{}]", channels("$0")));
    let detached =
        vec![batch(HANDSHAKE), Step::Take("clientId"), ask.clone(), Step::Await("successful"), Step::Reset];
    // A client without a connection can take over no id.
    let claim = batch(format!("[{}]", claims.join(",")));
    let claiming =
        vec![batch(HANDSHAKE), Step::Take("clientId"), claim, Step::Await("successful"), Step::Reset];
    vec![connected, detached, claiming]
}

/// What pages of other origins can make a browser send, and names that lead to this server.
fn hostile_pages() -> Vec<Script> {
    let named = |name: &str, path: &str| {
        let request = request("GET", path, "", "").replace("Host: x", &format!("Host: {name}"));
        vec![repeat(request.repeat(40))]
    };
    let crossing = "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n";
    vec![
        named("rebound.example", "/"),
        named("rebound.example", "/metrics"),
        named("rebound.example", POLLING_4),
        vec![repeat_request("GET", POLLING_4, crossing)],
        vec![repeat_request("GET", "/faye?message=%5B%5D&jsonp=f", crossing)],
        vec![repeat_request("GET", POLLING_3, "Sec-Fetch-Site: cross-site\r\n")],
    ]
}

/// Each batch is answered, and the next client comes.
fn connect_and_disconnect() -> Vec<Script> {
    let leave = |client| message("/meta/disconnect", client, "");
    let both = |kind| format!("[{},{}]", connect("$0", kind), leave("$0"));
    let reverse = format!("[{},{}]", leave("$0"), connect("$0", "long-polling"));
    let is_answered = || Step::Await("/meta/disconnect");
    let over_http =
        |text| vec![batch(HANDSHAKE), Step::Take("clientId"), batch(text), is_answered(), Step::Again];
    let mut socket = vec![open("/faye"), Step::Frame(HANDSHAKE.into()), Step::Take("clientId")];
    socket.extend([Step::Frame(both("websocket")), is_answered(), Step::Reset]);
    let mut once = over_http(both("long-polling"));
    once.pop();
    vec![once, over_http(reverse), socket]
}

/// Peers that are gone while a poll is held and much stands behind it.
fn held_polls() -> Vec<Script> {
    let come = "40\x1e".to_owned() + &event("student", "$n");
    let path = format!("{POLLING_4}&sid=$0");
    let poll = request("GET", &path, "", "");
    let mut engine =
        vec![get(POLLING_4), Step::Take("sid"), post(&path, come), Step::Await("ok"), get(&path)];
    engine.extend([Step::Await("40{"), Step::Send(poll.repeat(600)), Step::Pause(SHORT), Step::Reset]);
    let connect = format!("[{}]", connect("$0", "long-polling"));
    let mut held = vec![batch(HANDSHAKE), Step::Take("clientId"), batch(connect)];
    held.extend([Step::Send(bayeux::batch("[]").repeat(600)), Step::Pause(SHORT), Step::Reset]);
    vec![engine, held]
}
