//! When Socket.IO sessions ping and expire, over a WebSocket or not: by the protocol itself, whose clock
//! is told to it.

use mio_chat_server::protocols::Wake;
use mio_chat_server::protocols::socket_io::SocketIo;
use mio_chat_server::protocols::socket_io::engine::Revision;

const BEGIN: u64 = 1_000_000;

/// The packets of a session that is woken at a time, and when it wakes next.
fn wake(session: &mut SocketIo, received: u64, now: u64) -> (Vec<String>, Wake) {
    let mut sent = Vec::new();
    let wake = session.wake(BEGIN + received, BEGIN + now, &mut |parts| sent.push(parts.concat()));
    (sent, wake)
}

fn at(time: u64) -> Wake {
    Wake::At(BEGIN + time)
}

#[test]
fn revision_3_waits_for_the_pings_of_the_client() {
    let mut session = SocketIo::new(Revision::V3, 1, BEGIN);
    assert_eq!(wake(&mut session, 0, 0), (vec![], at(85_000)));
    assert_eq!(wake(&mut session, 0, 84_999), (vec![], at(85_000)));
    // Input restarts the timeout.
    assert_eq!(wake(&mut session, 25_000, 85_000), (vec![], at(110_000)));
    let (sent, end) = wake(&mut session, 25_000, 110_000);
    assert!(sent.is_empty() && matches!(end, Wake::Close(..)), "{sent:?} {end:?}");
}

#[test]
fn revision_4_is_pinged_and_has_to_answer() {
    let mut session = SocketIo::new(Revision::V4, 1, BEGIN);
    assert_eq!(wake(&mut session, 0, 0), (vec![], at(25_000)));
    assert_eq!(wake(&mut session, 0, 24_999), (vec![], at(25_000)));
    assert_eq!(wake(&mut session, 0, 25_000), (vec!["2".to_owned()], at(45_000)));
    // The pong came: the next ping is 25 s after the last.
    assert_eq!(wake(&mut session, 25_100, 45_000), (vec![], at(50_000)));
    assert_eq!(wake(&mut session, 25_100, 50_000), (vec!["2".to_owned()], at(70_000)));
    let (sent, end) = wake(&mut session, 25_100, 70_000);
    assert!(sent.is_empty() && matches!(end, Wake::Close(..)), "{sent:?} {end:?}");
}

#[test]
fn a_ping_that_goes_out_late_is_given_its_time() {
    let mut session = SocketIo::new(Revision::V4, 1, BEGIN);
    // No input since 24 s, and the process was stopped until 70 s: no ping was sent to the client.
    assert_eq!(wake(&mut session, 24_000, 70_000), (vec!["2".to_owned()], at(90_000)));
    assert_eq!(wake(&mut session, 24_000, 89_999), (vec![], at(90_000)));
    let (sent, end) = wake(&mut session, 24_000, 90_000);
    assert!(sent.is_empty() && matches!(end, Wake::Close(..)), "{sent:?} {end:?}");
}
