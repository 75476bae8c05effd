//! The operator, who looks at the server's pages over HTTP: requests are pipelined, responses come in order, and some
//! are not read for a while.

use std::collections::VecDeque;

use super::http;
use super::ledger::UNKNOWN;
use super::network::{Event, LinkId, Network, Piece};
use super::shell::{Observer, Shell};
use super::world::SessionId;

/// Requests, and the status codes of their responses.
const REQUESTS: [(&str, &str, u16); 8] = [
    ("GET", "/", 200),
    ("HEAD", "/", 200),
    ("GET", "/?limit=3", 200),
    ("GET", "/metrics", 200),
    ("HEAD", "/metrics", 200),
    ("GET", "/health", 200),
    ("GET", "/nothing", 404),
    ("DELETE", "/health", 405),
];

/// A connection, and the requests whose responses have not come.
#[derive(Debug)]
struct Visit {
    link: LinkId,
    inbound: Vec<u8>,
    expected: VecDeque<usize>,
    /// The server has closed it.
    is_done: bool,
}

#[derive(Debug, Default)]
pub struct Operator {
    visits: Vec<Visit>,
    /// The last answer of `/metrics`.
    metrics: String,
}

impl Operator {
    /// Sends requests over a connection, and reads the responses late, or not at all.
    pub fn visit(&mut self, network: &mut Network, is_over: bool) {
        if is_over {
            return;
        }
        let expected = (0..network.random.usize(1..8)).map(|_| network.random.usize(0..REQUESTS.len()));
        let expected = expected.collect();
        let link = self.open(expected, network);
        if network.random.u32(0..3) == 0 {
            network.shut(link);
        }
        if network.random.u32(0..5) == 0 {
            let until = network.now + network.random.u64(500..3_000);
            network.stall(link, until);
        }
        if network.random.u32(0..10) == 0 {
            network.close(link);
            self.visits.pop();
        }
        let next = network.now + network.random.u64(5_000..60_000);
        network.at(next, Event::Visit);
    }

    /// Opens a connection and sends requests.
    fn open(&mut self, expected: VecDeque<usize>, network: &mut Network) -> LinkId {
        let link = network.open(UNKNOWN);
        let mut bytes = Vec::new();
        for (index, request) in expected.iter().enumerate() {
            let (method, target, _) = REQUESTS[*request];
            let keep_alive = index + 1 < expected.len();
            bytes.extend(http::request(method, target, "", keep_alive));
        }
        network.send(link, &bytes);
        self.visits.push(Visit { link, inbound: Vec::new(), expected, is_done: false });
        link
    }

    /// Something has come. Whether the server can write again by that.
    pub fn receive(&mut self, link: LinkId, network: &mut Network) -> bool {
        let Some(visit) = self.visits.iter_mut().find(|visit| visit.link == link) else {
            return false;
        };
        let mut is_writable = false;
        while let Some((piece, is_unblocked)) = network.read(link) {
            is_writable |= is_unblocked;
            if visit.is_done {
                continue;
            }
            match piece {
                Piece::Bytes(bytes) => visit.inbound.extend(bytes),
                piece => {
                    assert!(visit.expected.is_empty(), "{piece:?} on {link} before {:?}", visit.expected);
                    visit.is_done = true;
                    network.close(link);
                    continue;
                }
            }
            while let Some(&request) = visit.expected.front() {
                let (method, target, status) = REQUESTS[request];
                let Some(response) = http::read(&mut visit.inbound, method == "HEAD") else { break };
                visit.expected.pop_front();
                assert_eq!(response.status, status, "{method} {target}: {response:?}");
                if (method, target) == ("GET", "/metrics") {
                    self.metrics = response.body;
                }
            }
        }
        is_writable
    }

    /// Fetches the metrics when all is over.
    pub fn last_visit(&mut self, network: &mut Network, shell: &mut Shell) -> String {
        self.metrics.clear();
        let link = self.open(VecDeque::from([3]), network);
        for _ in 0..1000 {
            network.now += 10;
            shell.arrived(network, link);
            shell.turn(network, &mut NoObserver);
            if self.receive(link, network) {
                shell.writable(network, link);
            }
        }
        assert!(!self.metrics.is_empty(), "no metrics");
        std::mem::take(&mut self.metrics)
    }
}

struct NoObserver;

impl Observer for NoObserver {
    fn received(&mut self, _: &mio_chat_server::endpoint::Endpoint, _: SessionId) {}
    fn acted(&mut self, _: &mio_chat_server::endpoint::Endpoint) {}
    fn closed(&mut self, _: LinkId) {}
}
