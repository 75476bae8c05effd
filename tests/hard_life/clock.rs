//! Time that passes without the server, and clocks that are set.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::common::raw::{Answer, answers, frame, heartbeat, open};
use crate::common::wait_until;
use crate::pairs::Pairs;

/// The server is stopped for longer than anybody may be silent, and all of so many clients speak meanwhile.
fn everybody_who_spoke_while_the_server_was_stopped_stays(count: usize) {
    let server = crate::start(&["--idle-timeout", "2s"]);
    let pairs = Pairs::start(&server);
    let mut clients: Vec<TcpStream> = (0..count).map(|_| open(&server, "/ws")).collect();
    server.signal("STOP");
    wait_until("the server is stopped", || server.is_stopped());
    for client in &mut clients {
        client.write_all(&frame(0x81, heartbeat("meanwhile").as_bytes())).unwrap();
    }
    // This is about the time itself.
    thread::sleep(Duration::from_millis(2200));
    server.signal("CONT");
    for client in &mut clients {
        assert_eq!(answers(client, b""), [Answer::Echo("meanwhile".into())]);
    }
    crate::report(
        "server stopped for longer than the idle timeout",
        format!("{count} clients, all of whom speak meanwhile"),
        format!("all {count}; {}", pairs.finish()),
    );
}

#[test]
fn who_spoke_while_the_server_was_stopped_is_not_taken_for_silent() {
    everybody_who_spoke_while_the_server_was_stopped_stays(10);
}

#[test]
#[ignore = "thousands of connections"]
fn thousands_who_spoke_while_the_server_was_stopped_are_not_taken_for_silent() {
    everybody_who_spoke_while_the_server_was_stopped_stays(3000);
}
