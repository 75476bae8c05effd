//! What a client posts: how it is carried out, what is refused, and when a post is under way.

use std::io::Write;

use super::{ask, assert_error};
use crate::support::metrics::Metrics;
use crate::support::raw::{self, Bystander};
use crate::support::socket_io::{
    Polling, REVISIONS, Session, Socket, SocketIo, chat, encode, exchange, request,
};
use crate::support::{Server, wait_until};

#[test]
fn a_body_that_does_not_parse_ends_the_session() {
    let server = Server::start(&[]);
    for (revision, body) in [
        (3, &b""[..]),
        (3, b"x"),
        (3, b"5:ab"),
        (3, b"-1:x"),
        (3, b"99999999999999999999:x"),
        (3, b"2"),
        (3, b"42[\"ping\"]"),
        (3, b"\x00\x01"),
        (3, b"\xff"),
        (4, b""),
        (4, b"\xff"),
        (4, b"\x1e2"),
        (4, b"2\x1e"),
        (4, b"abc"),
    ] {
        let mut client = SocketIo::student(&server, (revision, Polling), 1);
        let session = client.session();
        session.begin_poll();
        Bystander::new(&server).settle();
        assert_error(&session.post_body(body), 3, "Bad request");
        assert!(session.read_poll().ends_with(&["1".to_owned()]), "{body:?}");
        assert_error(&ask(&server, "GET", &session.path()), 1, "Session ID unknown");
        server.wait_until_students_are(0);
    }
}

#[test]
fn a_post_carries_a_thousand_packets_and_no_more() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let mut session = Session::new(&server, revision);
        session.post_ok(&vec!["2"; 1000]);
        assert_eq!(session.poll(), vec!["3"; 1000]);
        assert_eq!(session.post(&vec!["2"; 1001]).status, 400);
        session.begin_poll();
        assert_eq!(raw::read_response(&mut session.get).status, 400, "the session has ended");
    }
}

#[test]
fn a_post_of_many_packets_is_carried_out_in_many_turns() {
    let server = Server::start(&[]);
    let turns = || Metrics::of(&server).get("mio_chat_loop_turns_total", &[]);
    for revision in REVISIONS {
        let mut session = Session::new(&server, revision);
        let before = turns();
        session.post_ok(&vec!["2"; 1000]);
        let took = turns() - before;
        assert!(took >= 60.0, "{took} turns: 16 packets a turn are enough");
        assert_eq!(session.poll(), vec!["3"; 1000]);
        // A session that ends within a long post.
        let mut packets = vec!["2"; 500];
        packets.push("1");
        packets.extend(["2"; 100]);
        session.post_ok(&packets);
        assert_eq!(session.post(&["2"]).status, 400);
        let mut session = Session::new(&server, revision);
        packets[500] = "nonsense";
        assert_eq!(session.post(&packets).status, 400);
        assert_eq!(session.post(&["2"]).status, 400);
    }
}

#[test]
fn a_second_post_at_once_ends_the_session() {
    let server = Server::start(&[]);
    for revision in REVISIONS {
        let mut session = Session::new(&server, revision);
        let packets = vec!["2"; 1000];
        // Both have come when the server goes on.
        server.signal("STOP");
        let first = session.begin_post(&server, &packets);
        let second = session.begin_post(&server, &packets);
        server.signal("CONT");
        let statuses = [first, second].map(|mut stream| raw::read_response(&mut stream).status);
        assert_eq!(statuses, [400, 400]);
        assert_eq!(session.post(&["2"]).status, 400);
    }
}

/// A post is under way from its head on: of two bodies that come at once, the later one may be whole first.
#[test]
fn a_second_post_ends_the_session_while_the_body_of_the_first_is_on_its_way() {
    let server = Server::start(&[]);
    for revision in REVISIONS {
        for framing in ["Content-Length: 3", "Transfer-Encoding: chunked"] {
            let mut client = SocketIo::student(&server, (revision, Polling), 1);
            let session = client.session();
            let headers = format!("Connection: close\r\n{framing}\r\n");
            let mut first = server.connect();
            first.write_all(request("POST", &session.path(), &headers, "").as_bytes()).unwrap();
            Bystander::new(&server).settle();
            assert_error(&session.post(&["2"]), 3, "Bad request");
            server.wait_until_students_are(0);
            let body = if framing.ends_with('3') { "1:2" } else { "3\r\n1:2\r\n0\r\n\r\n" };
            first.write_all(body.as_bytes()).unwrap();
            assert_error(&raw::read_response(&mut first), 1, "Session ID unknown");
        }
    }
}

#[test]
fn a_second_post_ends_the_session_though_its_body_has_not_come() {
    let server = Server::start(&[]);
    for revision in REVISIONS {
        let mut client = SocketIo::student(&server, (revision, Polling), 1);
        let head = request("POST", &client.session().path(), "Content-Length: 3\r\n", "");
        let mut streams = [server.connect(), server.connect()];
        for stream in &mut streams {
            stream.write_all(head.as_bytes()).unwrap();
            Bystander::new(&server).settle();
        }
        server.wait_until_students_are(0);
        for stream in &mut streams {
            stream.write_all(b"1:2").unwrap();
            assert_error(&raw::read_response(stream), 1, "Session ID unknown");
        }
    }
}

#[test]
fn a_post_that_has_ended_is_not_under_way() {
    let server = Server::start(&["--max-message-size", "1000"]);
    for revision in REVISIONS {
        let mut client = SocketIo::student(&server, (revision, Polling), revision);
        let path = client.session().path();
        let mut stream = server.connect();
        let body = encode(revision, &["3"]);
        for _ in 0..2 {
            let head = request("POST", &path, &format!("Content-Length: {}\r\n", body.len()), "");
            stream.write_all(head.as_bytes()).unwrap();
            Bystander::new(&server).settle();
            stream.write_all(body.as_bytes()).unwrap();
            assert_eq!(raw::read_response(&mut stream).body, "ok");
            // What comes in pieces behind it is something else.
            stream.write_all(b"GET /health HTTP/1.1\r\n").unwrap();
            Bystander::new(&server).settle();
            client.settle();
            stream.write_all(b"Host: x\r\n\r\n").unwrap();
            assert_eq!(raw::read_response(&mut stream).status, 200);
        }
        let refused = request("POST", &format!("{path}&j=x"), "Content-Length: 1\r\n", "");
        stream.write_all(refused.as_bytes()).unwrap();
        Bystander::new(&server).settle();
        stream.write_all(b"3GET /health HTTP/1.1\r\n").unwrap();
        assert_error(&raw::read_response(&mut stream), 3, "Bad request");
        Bystander::new(&server).settle();
        client.settle();
        stream.write_all(b"Host: x\r\n\r\n").unwrap();
        assert_eq!(raw::read_response(&mut stream).status, 200);
        let head = request("POST", &path, "Transfer-Encoding: chunked\r\n", "");
        stream.write_all(head.as_bytes()).unwrap();
        Bystander::new(&server).settle();
        stream.write_all(b"not a size\r\n").unwrap();
        assert_eq!(raw::read_response(&mut stream).status, 400);
        client.settle();
        let mut stream = server.connect();
        stream.write_all(request("POST", &path, "Content-Length: 3\r\n", "").as_bytes()).unwrap();
        Bystander::new(&server).settle();
        let closed = || Metrics::of(&server).get("mio_chat_closed_total", &[("reason", "peer gone")]);
        let before = closed();
        drop(stream);
        wait_until("the end of the connection", || closed() > before);
        client.settle();
    }
}

#[test]
fn a_post_may_have_the_size_of_the_largest_message() {
    for limit in [1000, 200_000] {
        for revision in REVISIONS {
            let server = Server::start(&["--max-message-size", &limit.to_string()]);
            let opening =
                ask(&server, "GET", &format!("/socket.io/?EIO={revision}&transport=polling&t=1")).body;
            let max_payload = format!(r#""maxPayload":{limit}}}"#);
            assert_eq!(opening.contains(&max_payload), revision == 4, "{opening}");
            let (mut teacher, mut student, chat) =
                chat(&server, ((4, Socket), (revision, Polling)), 1, revision.into());
            let payload = |length| format!(r#"{{"chatId":"{chat}","message":"{}"}}"#, "x".repeat(length));
            let body =
                |length| encode(revision, &[&format!(r#"42["chat:student:send",{}]"#, payload(length))]);
            let length = (limit - 200..limit).find(|&length| body(length).len() == limit).unwrap();
            assert_eq!(student.session().post_body(body(length)).body, "ok");
            teacher.hear(&chat, "teacher", &payload(length));
            let mut stream = server.connect();
            let post = request("POST", &student.session().path(), "", &body(length + 1));
            stream.write_all(post.as_bytes()).unwrap();
            assert_eq!(raw::read_response(&mut stream).status, 413);
            exchange(&mut teacher, &mut student, &chat);
        }
    }
}

#[test]
fn a_body_may_come_in_the_form_of_old_browsers() {
    let server = Server::start(&[]);
    let (mut teacher, mut student, chat) = chat(&server, ((4, Socket), (3, Polling)), 1, 2);
    let payload = format!(r#"{{"chatId":"{chat}","message":"é"}}"#);
    let packet = format!(r#"42["chat:student:send",{payload}]"#);
    let session = student.session();
    let digits = packet.len().to_string().bytes().map(|digit| digit - b'0').collect::<Vec<_>>();
    let body = [&[0][..], &digits, &[255], packet.as_bytes()].concat();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        session.path(),
        body.len()
    );
    session.post.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    assert_eq!(raw::read_response(&mut session.post).body, "ok");
    teacher.hear(&chat, "teacher", &payload);
}
