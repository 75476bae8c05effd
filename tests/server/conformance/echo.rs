//! `/echo` is a path like the others, and does not stand apart from what holds for all of them.

use std::io::Write;

use super::table::*;
use crate::support::Server;
use crate::support::raw::{self, Bystander, frame, read_close, read_frame};

#[test]
fn a_reader_that_is_slow_gets_all_of_it() {
    let server = Server::start(&["--max-backlog", "64KiB"]);
    let mut bystander = Bystander::new(&server);
    let mut stream = raw::open(&server, Path::Echo.name());
    let payload = vec![0xa5; Path::Echo.max_message_size()];
    let message = frame(FIN | BINARY, &payload);
    stream.write_all(&message).unwrap();
    bystander.settle();
    // The kernel does not hold all of the first answer, so the next message is not read before it is.
    let mut writer = stream.try_clone().unwrap();
    let second = std::thread::spawn(move || writer.write_all(&message));
    bystander.settle();
    for _ in 0..2 {
        assert!(read_frame(&mut stream).is_some_and(|frame| frame == (FIN | BINARY, payload.clone())));
    }
    second.join().unwrap().unwrap();
}

#[test]
fn a_server_that_stops_says_so() {
    let mut server = Server::start(&[]);
    let mut idle = raw::open(&server, Path::Echo.name());
    let mut within_a_message = raw::open(&server, Path::Echo.name());
    within_a_message.write_all(&frame(TEXT, b"a fragment")).unwrap();
    Bystander::new(&server).settle();
    server.signal("TERM");
    assert_eq!(read_close(&mut idle), Some(1001));
    assert_eq!(read_close(&mut within_a_message), Some(1001));
    drop((idle, within_a_message));
    assert!(server.wait_for_exit().success());
}
