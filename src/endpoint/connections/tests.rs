use super::*;
use crate::chat::id::ClientId;
use crate::endpoint::connection::{HEAD_TIMEOUT, HIGH_WATER, SEND_TIMEOUT};
use crate::websocket::FrameReader;

const MAX_BACKLOG: usize = 100;

/// One connection that came at time 0.
fn connection() -> (Connections, ConnectionId, u32) {
    let mut connections = Connections::new(MAX_BACKLOG, Memory::new(0), 0);
    let id = connections.insert([127, 0, 0, 1].into(), 0);
    (connections, id, id.slot())
}

/// Makes it a WebSocket.
fn upgrade(connections: &mut Connections, slot: u32, binding: Binding) {
    connections.set_state(slot, State::WebSocket(binding, FrameReader::default()), 0);
}

const OWNED: Binding = Binding::Owned(ClientId { slot: 0, generation: 0 });

#[test]
fn an_id_is_a_number_and_back() {
    for (slot, generation) in [(0, 0), (1, 0), (0, 1), (7, 9), (u32::MAX, 1), (3, u32::MAX)] {
        let id = ConnectionId { slot, generation };
        assert_eq!(ConnectionId::from(usize::from(id)), id);
    }
    assert_ne!(usize::from(ConnectionId { slot: 1, generation: 2 }), 3);
}

#[test]
fn a_connection_is_found_until_it_is_closed_and_by_nothing_that_has_its_slot_later() {
    let (mut connections, id, slot) = connection();
    assert_eq!((connections.len(), connections.find(id)), (1, Some(slot)));
    connections.close(slot, "test", 1);
    assert_eq!((connections.len(), connections.find(id)), (1, None));
    connections.free_closed(|freed| assert_eq!(freed, id));
    assert_eq!(connections.len(), 0);
    let next = connections.insert([127, 0, 0, 1].into(), 2);
    assert_eq!((next.slot(), connections.find(id), connections.find(next)), (slot, None, Some(slot)));
    assert_ne!(next, id);
}

#[test]
fn a_connection_without_a_request_is_due_after_ten_seconds() {
    let (mut connections, _, slot) = connection();
    assert!(connections.expire(HEAD_TIMEOUT - 1, 1).is_empty());
    assert_eq!(connections.expire(HEAD_TIMEOUT, 1), [slot]);
}

#[test]
fn output_is_due_once_and_while_it_is_blocked_only_beyond_the_backlog() {
    let (mut connections, _, slot) = connection();
    connections.output(slot).push(1);
    connections.output(slot).push(2);
    assert!(connections.has_dirty());
    assert_eq!((connections.next_dirty(), connections.next_dirty()), (Some(slot), None));
    assert!(!connections.has_dirty());
    assert_eq!(connections.written(slot, Write::Blocked(1), 1), Written::Blocked);
    connections.output(slot).resize(MAX_BACKLOG, 0);
    connections.output(slot);
    assert!(!connections.has_dirty() && !connections.is_too_far_behind(slot));
    connections.output(slot).resize(MAX_BACKLOG + 1, 0);
    assert!(connections.is_too_far_behind(slot));
    connections.output(slot);
    assert_eq!(connections.next_dirty(), Some(slot));
}

#[test]
fn neither_an_echo_nor_a_single_response_makes_a_slow_reader() {
    let (mut connections, _, slot) = connection();
    connections.output(slot).resize(MAX_BACKLOG + 10, 0);
    connections.get_mut(slot).last_response = 10;
    assert!(!connections.is_too_far_behind(slot));
    connections.get_mut(slot).last_response = 9;
    assert!(connections.is_too_far_behind(slot));
    // What was written of the response does not count for it.
    connections.written(slot, Write::Blocked(MAX_BACKLOG + 5), 1);
    assert_eq!(connections.get(slot).last_response, 5);
    connections.output(slot).resize(MAX_BACKLOG + 10, 0);
    upgrade(&mut connections, slot, Binding::Echo);
    assert!(!connections.is_too_far_behind(slot));
}

#[test]
fn a_write_says_what_comes_next() {
    let (mut connections, _, slot) = connection();
    upgrade(&mut connections, slot, OWNED);
    let write = |connections: &mut Connections, write| {
        connections.frame(slot).extend(b"ab");
        connections.written(slot, write, 1)
    };
    assert_eq!(write(&mut connections, Write::Done), Written::Done);
    assert_eq!(write(&mut connections, Write::Blocked(1)), Written::Blocked);
    assert_eq!(write(&mut connections, Write::Done), Written::CaughtUp);
    assert_eq!(write(&mut connections, Write::Done), Written::Done);
    connections.set_state(slot, State::Closing("test"), 1);
    assert_eq!(write(&mut connections, Write::Blocked(0)), Written::Blocked);
    assert_eq!(write(&mut connections, Write::Done), Written::Shut);
    connections.get_mut(slot).read_side = ReadSide::Ended;
    assert_eq!(write(&mut connections, Write::Done), Written::Close);
    assert_eq!((connections.traffic.frames_out, connections.traffic.bytes_out), (7, 14));
}

#[test]
fn a_closing_connection_counts_and_has_its_time() {
    let (mut connections, _, slot) = connection();
    connections.set_close_timeout(500);
    connections.set_state(slot, State::Closing("test"), 100);
    assert_eq!(connections.closing(), 1);
    assert!(connections.expire(599, 1).is_empty());
    assert_eq!(connections.expire(600, 1), [slot]);
    connections.close(slot, "test", 600);
    assert_eq!(connections.closing(), 0);
}

#[test]
fn what_is_to_be_read_is_listed_once_and_not_while_it_is_paused() {
    let (mut connections, id, slot) = connection();
    assert!(!connections.has_unread());
    connections.defer(slot);
    connections.resume_later(slot);
    assert_eq!((connections.deferred_len(), connections.unread_len()), (1, 0));
    assert!(connections.has_unread() && connections.get(slot).may_have_input());
    assert_eq!(connections.next_deferred(), Some(slot));
    assert!(!connections.has_unread() && !connections.get(slot).may_have_input());
    connections.resume_later(slot);
    assert_eq!((connections.deferred_len(), connections.unread_len()), (0, 1));
    assert!(connections.has_unread());
    connections.close(slot, "test", 1);
    assert_eq!((connections.next_unread(), connections.find(id)), (None, None));

    let (mut connections, _, slot) = connection();
    connections.output(slot).resize(HIGH_WATER, 0);
    connections.resume_later(slot);
    assert!(!connections.has_unread() && connections.get(slot).may_have_input());
    connections.written(slot, Write::Blocked(1), 1);
    assert_eq!(connections.next_unread(), Some(slot));
}

#[test]
fn input_that_is_not_read_holds_the_time_back() {
    let (mut connections, _, slot) = connection();
    let second = connections.insert([127, 0, 0, 1].into(), 0).slot();
    assert_eq!(connections.set_read_until(10), 10);
    connections.resume_later(slot);
    assert_eq!(connections.set_read_until(20), 10);
    connections.defer(second);
    assert_eq!(connections.set_read_until(30), 10);
    connections.next_unread();
    assert_eq!(connections.set_read_until(40), 20);
    connections.next_deferred();
    assert_eq!(connections.set_read_until(50), 50);
}

#[test]
fn a_peer_that_took_output_while_the_process_was_stopped_is_not_too_slow() {
    let (mut connections, _, slot) = connection();
    connections.output(slot).extend(b"response");
    assert_eq!(connections.written(slot, Write::Blocked(1), 0), Written::Blocked);
    let hour = 3_600_000;
    connections.unblock(slot, hour);
    assert!(connections.expire(hour, 1).is_empty());
    assert_eq!(connections.expire(hour + SEND_TIMEOUT, 1), [slot]);
}

#[test]
fn a_websocket_that_takes_no_output_after_its_end_was_told_is_due_soon() {
    let (mut connections, _, slot) = connection();
    upgrade(&mut connections, slot, OWNED);
    connections.get_mut(slot).read_side = ReadSide::Ending;
    connections.output(slot).resize(HIGH_WATER + 1, b' ');
    assert_eq!(connections.written(slot, Write::Blocked(1), 500), Written::Blocked);
    assert!(connections.expire(500 + CLOSE_TIMEOUT - 1, 1).is_empty());
    assert_eq!(connections.expire(HEAD_TIMEOUT, 1), [slot]);
}
