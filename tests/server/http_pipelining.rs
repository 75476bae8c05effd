//! Many requests on one connection, over real sockets: answered whole and in order, however they come.

use crate::support;

use std::io::Write;
use std::net::Shutdown;
use std::thread;
use support::metrics::Metrics;
use support::phoenix::Phoenix;
use support::phoenix::Version::V2;
use support::raw::{Bystander, read_response, read_to_end};
use support::{Server, raw};

/// A request whose answer shows its number: that many students are listed.
fn numbered(number: usize) -> String {
    format!("GET /?limit={number} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// A server with this many students on one socket.
fn with_students(count: usize) -> (Server, Phoenix) {
    let server = Server::start(&[]);
    let phoenix = Phoenix::students(&server, V2, count);
    (server, phoenix)
}

fn rows(response: &raw::Response) -> usize {
    let snapshot: serde_json::Value = serde_json::from_str(&response.body).unwrap();
    snapshot["students"]["students"].as_array().unwrap().len()
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let (server, _students) = with_students(20);
    let mut stream = server.connect();
    stream.write_all((0..20).map(numbered).collect::<String>().as_bytes()).unwrap();
    for number in 0..20 {
        assert_eq!(rows(&read_response(&mut stream)), number);
    }
}

#[test]
fn answers_of_many_megabytes_come_whole_and_in_order() {
    // 10000 answers of some 4000 bytes: far more than the server answers at once or any kernel takes.
    const COUNT: usize = 10_000;
    let (server, _students) = with_students(100);
    let mut stream = server.connect();
    let mut writer = stream.try_clone().unwrap();
    let requests: String = (0..COUNT).map(|number| numbered(number % 100)).collect();
    let sent = thread::spawn(move || writer.write_all(requests.as_bytes()).unwrap());
    let mut bystander = Bystander::new(&server);
    for number in 0..COUNT {
        let response = read_response(&mut stream);
        assert_eq!(rows(&response), number % 100);
        if number % 1000 == 0 {
            bystander.settle();
        }
    }
    sent.join().unwrap();
}

/// Sends `count` requests, shuts the client's side and counts the answers. Behind each of the first
/// two steps it waits for a bystander a number of times, which gives the server turns to take in between.
fn answers_after_shutdown(server: &Server, count: usize, waits: [usize; 2]) -> usize {
    let mut bystander = Bystander::new(server);
    let mut stream = server.connect();
    let requests: String = (0..count).map(|number| numbered(number % 100)).collect();
    stream.write_all(requests.as_bytes()).unwrap();
    (0..waits[0]).for_each(|_| bystander.settle());
    stream.shutdown(Shutdown::Write).unwrap();
    (0..waits[1]).for_each(|_| bystander.settle());
    String::from_utf8_lossy(&read_to_end(&mut stream)).matches("HTTP/1.1 200 OK").count()
}

#[test]
fn a_client_that_shuts_its_side_gets_all_its_answers() {
    let (server, _students) = with_students(100);
    // From one answer to more than the server gives at once, and shut at different points on the way.
    for count in [1, 20, 50, 100, 200, 300, 400] {
        for wait in 0..10 {
            assert_eq!(answers_after_shutdown(&server, count, [wait, 0]), count, "after {wait} turns");
        }
    }
}

#[test]
fn a_client_that_shuts_its_side_and_reads_late_gets_all_its_answers() {
    let (server, _students) = with_students(100);
    // Some 12 MB of answers: no kernel takes them all before the client reads.
    for wait in [0, 100] {
        assert_eq!(answers_after_shutdown(&server, 3000, [wait, 100]), 3000);
    }
}

#[test]
fn a_close_among_requests_ends_the_answers() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    let close = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{}{close}{}", numbered(0), numbered(0)).as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream).header("connection"), Some("keep-alive"));
    assert_eq!(read_response(&mut stream).header("connection"), Some("close"));
    assert_eq!(read_to_end(&mut stream), b"");
}

#[test]
fn a_bad_request_among_good_ones_ends_the_answers() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    stream.write_all(format!("{}\0\r\n\r\n{}", numbered(0), numbered(0)).as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream).status, 200);
    assert_eq!(read_response(&mut stream).status, 400);
    assert_eq!(read_to_end(&mut stream), b"");
}

/// Requests with every kind of body, and the status of each.
fn mixed() -> (String, [u16; 5]) {
    let requests = [
        "\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\nGET / HTTP/1.1\r\nHost:",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    ];
    (requests.concat(), [200, 405, 405, 404, 200])
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    let (requests, statuses) = mixed();
    let mut stream = server.connect();
    for cut in 0..requests.len() {
        stream.write_all(&requests.as_bytes()[..cut]).unwrap();
        bystander.settle();
        stream.write_all(&requests.as_bytes()[cut..]).unwrap();
        assert_eq!(statuses.map(|_| read_response(&mut stream).status), statuses, "cut at {cut}");
    }
}

#[test]
fn byte_by_byte_changes_nothing() {
    let server = Server::start(&[]);
    let mut bystander = Bystander::new(&server);
    let (requests, statuses) = mixed();
    let mut stream = server.connect();
    for byte in requests.as_bytes() {
        stream.write_all(&[*byte]).unwrap();
        bystander.settle();
    }
    assert_eq!(statuses.map(|_| read_response(&mut stream).status), statuses);
}

/// A costly response is one that asks for `/`, `/metrics` or the page: a turn makes four.
#[test]
fn costly_requests_are_answered_first_come_first_served() {
    const CONNECTIONS: usize = 50;
    const REQUESTS: usize = 40;
    // With this many rows a turn that makes the lists takes longer than a connection takes to arrive.
    let (server, _students) = with_students(1000);
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| raw::open_http(&server)).collect();
    // All of their requests are there before the first new client's.
    server.signal("STOP");
    for stream in &mut clients {
        stream.write_all(numbered(0).repeat(REQUESTS).as_bytes()).unwrap();
    }
    server.signal("CONT");
    let all_responses = |newcomers: usize| CONNECTIONS * (REQUESTS + 1) + newcomers;
    let are_clients_served = |newcomers: usize| {
        let responses = Metrics::of(&server).get("mio_chat_http_responses_total", &[("code", "200")]);
        responses >= all_responses(newcomers) as f64
    };
    let newcomers = (0..).find(|newcomers| are_clients_served(*newcomers)).unwrap();
    // Each of them had to wait for one response to each of the clients, or to most.
    assert!(newcomers <= 2 * REQUESTS, "{newcomers} newcomers got in between {REQUESTS} requests of each");
    for stream in &mut clients {
        (0..REQUESTS).for_each(|_| assert_eq!(read_response(stream).status, 200));
    }
}

/// One connection's work is split over turns, so that the others do not wait for the end of it.
#[test]
fn a_turn_answers_a_few_requests_of_each_connection() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    let turns = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    let health = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all([turns, &health.repeat(100), turns].concat().as_bytes()).unwrap();
    let first = Metrics::read(&read_response(&mut stream).body);
    (0..100).for_each(|_| assert_eq!(read_response(&mut stream).status, 200));
    let last = Metrics::read(&read_response(&mut stream).body);
    let count = |metrics: &Metrics| metrics.get("mio_chat_loop_turns_total", &[]);
    assert!(count(&last) - count(&first) >= 6.0, "16 in a turn are enough");
}
