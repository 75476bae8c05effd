//! Readers that stop reading while their partners go on sending.

use crate::healthy_pairs::{Pairs, meet};
use crate::support::Server;
use crate::support::phoenix::Version::V2;
use crate::support::user::{CLIENT_KINDS, ClientKind, User};

/// Bytes of each message.
const SIZE: usize = 60_000;
/// What a reader that stops may cost, beside its backlog: the buffers of its partner, and of the pairs.
const SLACK: usize = 4 << 20;

/// The teacher sends until the chat is ended; returns how many messages that took, and how much memory the
/// server had at the most.
fn send_until_the_end(server: &Server, teacher: &mut User) -> (u64, usize) {
    let mut peak = 0;
    for number in 0..2000 {
        teacher.send_number(number, SIZE);
        let has_ended = teacher.has_ended();
        peak = peak.max(server.memory());
        if has_ended {
            return (number + 1, peak);
        }
    }
    panic!("120 MB are kept for a student who reads nothing");
}

#[test]
fn a_client_that_stops_reading_is_closed_in_every_protocol_and_its_chat_ends() {
    let server = crate::start(&["--max-backlog", "128KiB"]);
    let pairs = Pairs::start(&server);
    // A poller may stop before a poll, or before it reads the answer to one.
    let cases = CLIENT_KINDS.iter().flat_map(|&kind| [(kind, false), (kind, true)]);
    let cases = cases.filter(|(kind, polls)| kind.is_polling() || !polls).collect::<Vec<_>>();
    let before = server.memory();
    let (mut most, mut highest) = (0, before);
    for (id, &(kind, polls)) in (1..).zip(&cases) {
        let (mut teacher, mut student) = meet(&server, (ClientKind::Phoenix(V2), kind), id);
        if polls {
            student.begin_poll();
        }
        let (messages, peak) = send_until_the_end(&server, &mut teacher);
        most = most.max(messages);
        highest = highest.max(peak);
        assert!(peak < before + SLACK, "{kind:?}: {} bytes more are held", peak - before);
        // The users of a client that was closed are offline, whether it has noticed or not.
        drop(teacher);
        server.wait_until_students_are(6);
    }
    crate::report(
        "readers that stop",
        format!("{} readers in all protocols and transports, {SIZE}-byte messages", cases.len()),
        format!(
            "each closed after {} MB at the most (kernels hold most of it) and its chat ended, \
             server at most {} KiB larger; {}",
            most * SIZE as u64 / 1_000_000,
            (highest - before) / 1024,
            pairs.finish()
        ),
    );
}
