//! Time that passes without the server, and clocks that are set.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::healthy_pairs::Pairs;
use crate::support::raw::{Answer, answers, echo, frame, heartbeat, open, read_close, read_frame, request};
use crate::support::{Server, wait_until};

/// The server is stopped for longer than the idle timeout, which is `seconds`, and each of `count` clients sends
/// meanwhile.
fn clients_that_sent_while_the_server_was_stopped_stay(count: usize, seconds: u64) {
    let server = crate::start(&["--idle-timeout", &format!("{seconds}s")]);
    let pairs = Pairs::start(&server);
    let mut clients: Vec<TcpStream> = (0..count).map(|_| open(&server, "/ws")).collect();
    server.signal("STOP");
    wait_until("the server is stopped", || server.is_stopped());
    for client in &mut clients {
        client.write_all(&frame(0x81, heartbeat("meanwhile").as_bytes())).unwrap();
    }
    // This is about the time itself.
    thread::sleep(Duration::from_millis(seconds * 1000 + 200));
    server.signal("CONT");
    for client in &mut clients {
        assert_eq!(answers(client, b""), [Answer::Echo("meanwhile".into())]);
    }
    crate::report(
        "server stopped for longer than the idle timeout",
        format!("{count} clients, all of which send meanwhile"),
        format!("all {count}; {}", pairs.finish()),
    );
}

#[test]
fn a_client_that_sent_while_the_server_was_stopped_is_not_idle() {
    clients_that_sent_while_the_server_was_stopped_stay(10, 2);
}

#[test]
#[ignore = "thousands of connections"]
fn thousands_of_clients_that_sent_while_the_server_was_stopped_are_not_idle() {
    clients_that_sent_while_the_server_was_stopped_stay(3000, 5);
}

/// The server is stopped while it reads: what came in time for a turn and what came when that turn was long over
/// are read at once, and nothing tells of the latter once more.
#[test]
fn a_client_that_sent_while_the_server_was_stopped_in_the_middle_of_a_turn_is_not_idle() {
    let server = crate::start(&["--idle-timeout", "2s"]);
    let mut quiet = open(&server, "/ws");
    // Claims by clients that are no teachers take a while, and there are many.
    let claim = r#"{"topic":"presence:teachers","event":"claim:student","payload":{},"ref":null}"#;
    let claims = frame(0x81, claim.as_bytes()).repeat(400);
    let mut busy: Vec<TcpStream> = (0..200).map(|_| open(&server, "/ws")).collect();
    let stop = || {
        server.signal("STOP");
        wait_until("the server is stopped", || server.is_stopped());
    };
    stop();
    busy.iter_mut().for_each(|busy| busy.write_all(&claims).unwrap());
    quiet.write_all(&frame(0x81, heartbeat("before").as_bytes())).unwrap();
    let cpu = server.cpu();
    server.signal("CONT");
    wait_until("the server is busy", || server.cpu() > cpu + 0.01);
    stop();
    quiet.write_all(&frame(0x81, heartbeat("meanwhile").as_bytes())).unwrap();
    // This is about the time itself.
    thread::sleep(Duration::from_millis(2200));
    server.signal("CONT");
    for reference in ["before", "meanwhile"] {
        let (_, text) = read_frame(&mut quiet).expect("a frame");
        assert_eq!(String::from_utf8(text).unwrap(), echo(reference));
    }
    assert_eq!(answers(&mut quiet, b""), []);
}

/// The year that the server believes it is.
fn year(server: &Server) -> u32 {
    let response = request(server, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let date = response.header("date").expect("a date");
    date.split(' ').nth(3).and_then(|year| year.parse().ok()).unwrap_or_else(|| panic!("{date}"))
}

/// What libfaketime is preloaded by, where it is installed.
fn library() -> Option<String> {
    let output = Command::new("faketime").args(["-f", "+0", "sh", "-c", "echo $LD_PRELOAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
#[ignore = "needs faketime"]
fn setting_the_system_s_clock_moves_no_deadline() {
    let Some(library) = library() else {
        return println!("faketime is not installed: the system's clock is not set");
    };
    let offset = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stress-clock");
    fs::write(&offset, "+0").unwrap();
    let server = Server::spawn(
        Server::command()
            .args(["--host", "127.0.0.1", "--port", "0", "--idle-timeout", "2s"])
            .envs([("RUST_LOG", "error"), ("LD_PRELOAD", &library), ("FAKETIME_NO_CACHE", "1")])
            .envs([("DONT_FAKE_MONOTONIC", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")])
            .env("FAKETIME_TIMESTAMP_FILE", &offset),
    );
    let pairs = Pairs::start(&server);
    let now = year(&server);
    let jumps = [("+3650d", 10), ("-3650d", -10), ("+0", 0), ("+18250d", 50), ("+0", 0)];
    for (jump, years) in jumps {
        fs::write(&offset, jump).unwrap();
        let there = year(&server);
        assert!(there.abs_diff(now.saturating_add_signed(years)) <= 1, "{jump}: {there}");
        // A silent client is closed after two seconds, no sooner or later; the pairs go on.
        let begin = Instant::now();
        let mut silent = open(&server, "/ws");
        assert_eq!(read_close(&mut silent), Some(1001));
        assert!(begin.elapsed() > Duration::from_millis(1990), "the clock took its time away");
    }
    crate::report(
        "system clock set",
        format!("{} jumps, by up to 50 years forward and 10 back", jumps.len()),
        format!("only silent clients closed, two seconds later each; {}", pairs.finish()),
    );
}
