//! Many connections on one thread, each of which follows a script.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, SockRef, Socket, Type};

use super::script::{Script, Step};
use crate::support::raw::frame;
use crate::support::socket_io::request;

/// How often drips and pauses go on, and those that ended begin again.
const TICK: Duration = Duration::from_millis(10);
/// Connections that begin in one tick: in a second, some more than a listener's backlog.
const ARRIVALS: usize = 40;
/// Bytes that one connection moves before the others have their turn.
const BUDGET: usize = 256 * 1024;
/// Bytes that are kept while a text is awaited.
const KEPT: usize = 256 * 1024;

/// The first number that stands for `$n`, beyond all other users' ids.
/// All have as many digits.
pub const FIRST_NUMBER: u64 = 1_000_000_000_000;

/// Where clients connect to, and from where.
#[derive(Clone, Copy)]
pub struct Place {
    pub server: SocketAddr,
    /// The first address of this machine that connections come from.
    pub first: Ipv4Addr,
    /// How many addresses they come from.
    pub addresses: usize,
}

/// What the clients have done.
#[derive(Default, Debug)]
pub struct Totals {
    /// Connections that were begun.
    pub connections: u64,
    /// How often each script was followed to its end.
    pub runs: Vec<u64>,
    pub sent: u64,
    pub received: u64,
}

/// Clients on a thread of their own.
pub struct ScriptedClients {
    stop: Arc<AtomicBool>,
    ended: Arc<AtomicU64>,
    thread: JoinHandle<Totals>,
}

impl ScriptedClients {
    /// This many clients follow the scripts in turn. One that has ended begins again if `repeats`.
    pub fn start(place: Place, scripts: Vec<Script>, count: usize, repeats: bool) -> ScriptedClients {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::new(AtomicU64::new(0));
        let mut engine = Engine::new(place, scripts, count, repeats);
        engine.ended = ended.clone();
        let is_over = stop.clone();
        let thread = thread::spawn(move || {
            // Attackers would be on other machines: they must not take the time of users whose latency is measured here.
            yield_to_others();
            engine.run(&is_over)
        });
        ScriptedClients { stop, ended, thread }
    }

    /// Connections that the server has ended so far, refused ones among them.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// All connections are reset.
    pub fn stop(self) -> Totals {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the clients' thread does not panic")
    }
}

/// What a client does next.
enum Next {
    /// The socket is full or empty: wait for an event.
    Wait,
    /// It could go on, but its budget is used up.
    Yield,
    /// The same, and a script was followed to its end.
    Again,
    /// The connection is over; the script was followed to its end or not.
    End(bool),
}

struct Client {
    script: Script,
    stream: Option<TcpStream>,
    at: usize,
    number: u64,
    out: Vec<u8>,
    written: usize,
    got: Vec<u8>,
    taken: Vec<String>,
    /// Until when it pauses, or has to beat.
    due: Option<Instant>,
    /// The next byte to drip.
    drip: usize,
    reads: bool,
}

struct Engine {
    place: Place,
    poll: Poll,
    clients: Vec<Client>,
    /// Those that can go on without an event.
    ready: Vec<usize>,
    /// Those that have no connection and are to have one.
    waiting: Vec<usize>,
    repeats: bool,
    ended: Arc<AtomicU64>,
    totals: Totals,
}

impl Client {
    fn new(script: Script) -> Client {
        Client {
            script,
            stream: None,
            at: 0,
            number: 0,
            out: Vec::new(),
            written: 0,
            got: Vec::new(),
            taken: Vec::new(),
            due: None,
            drip: 0,
            reads: true,
        }
    }

    fn begin(&mut self, stream: TcpStream, number: u64) {
        let script = std::mem::take(&mut self.script);
        *self = Client { stream: Some(stream), number, ..Client::new(script) };
    }

    /// The text with its placeholders filled in.
    fn fill(&self, text: &str) -> String {
        let mut filled = text.replace("$n", &self.number.to_string());
        for (index, value) in self.taken.iter().enumerate() {
            filled = filled.replace(&format!("${index}"), value);
        }
        filled
    }

    /// Takes as many steps as it can.
    fn proceed(&mut self, totals: &mut Totals) -> Next {
        let mut budget = BUDGET;
        loop {
            if self.reads && !self.read(&mut budget, totals) {
                return Next::End(self.has_what_it_awaits());
            }
            match self.write(&mut budget, totals) {
                Ok(true) => {}
                Ok(false) => return Next::Wait,
                Err(_) => return Next::End(false),
            }
            if budget == 0 {
                return Next::Yield;
            }
            match self.step() {
                Some(next) => return next,
                None => continue,
            }
        }
    }

    /// Whether the last text that it awaits has come: the server may close after it.
    fn has_what_it_awaits(&self) -> bool {
        match self.script[self.at..] {
            [Step::Await(text), Step::Reset | Step::Again] => find(&self.got, text).is_some(),
            _ => false,
        }
    }

    /// Takes the next step, if it can be taken; its output is in `out` then.
    fn step(&mut self) -> Option<Next> {
        self.out.clear();
        self.written = 0;
        let Some(step) = self.script.get(self.at).cloned() else { return Some(Next::End(true)) };
        match step {
            Step::Send(text) => self.out.extend(self.fill(&text).into_bytes()),
            Step::Frame(text) => self.out.extend(frame(0x81, self.fill(&text).as_bytes())),
            Step::Request(method, path, body) => {
                let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
                let text = request(method, &self.fill(&path), kind, &self.fill(&body));
                self.out.extend(text.into_bytes());
            }
            Step::Take(key) => match take(&mut self.got, key) {
                Some(value) => self.taken.push(value),
                None => return Some(Next::Wait),
            },
            Step::Await(text) => match find(&self.got, text) {
                Some(end) => drop(self.got.drain(..end)),
                None => return Some(Next::Wait),
            },
            Step::Repeat(bytes) => {
                self.out.extend(&*bytes);
                return None;
            }
            Step::StopReading => self.reads = false,
            Step::Pause(time) => {
                let due = *self.due.get_or_insert_with(|| Instant::now() + time);
                if Instant::now() < due {
                    return Some(Next::Wait);
                }
                self.due = None;
            }
            Step::Beat(text, time) => {
                let now = Instant::now();
                if self.due.is_some_and(|due| now < due) {
                    return Some(Next::Wait);
                }
                if self.due.replace(now + time).is_some() {
                    self.out.extend(frame(0x81, self.fill(&text).as_bytes()));
                }
                return None;
            }
            Step::Drip(_) | Step::Hold => return Some(Next::Wait),
            Step::Again => {
                self.taken.clear();
                self.got.clear();
                self.at = 0;
                self.number += 1;
                return Some(Next::Again);
            }
            Step::Reset => return Some(Next::End(true)),
        }
        self.at += 1;
        None
    }

    /// Writes the output; returns whether all of it is written.
    fn write(&mut self, budget: &mut usize, totals: &mut Totals) -> std::io::Result<bool> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        while self.written < self.out.len() {
            match stream.write(&self.out[self.written..]) {
                Ok(length) => {
                    self.written += length;
                    totals.sent += length as u64;
                    *budget = budget.saturating_sub(length);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads all input; returns false at its end.
    fn read(&mut self, budget: &mut usize, totals: &mut Totals) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let is_awaited =
            self.script[self.at..].iter().any(|step| matches!(step, Step::Take(_) | Step::Await(_)));
        let mut buffer = [0; 32 * 1024];
        while *budget > 0 {
            match stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    totals.received += length as u64;
                    *budget = budget.saturating_sub(length);
                    if is_awaited && self.got.len() < KEPT {
                        self.got.extend(&buffer[..length]);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    break;
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// Whether it goes on by now without an event.
    fn is_due(&self, now: Instant) -> bool {
        let is_timed =
            matches!(self.script.get(self.at), Some(Step::Pause(_) | Step::Beat(..) | Step::Drip(_)));
        is_timed && self.due.is_none_or(|due| now >= due)
    }

    /// Appends the next byte of a drip to the output.
    fn drip(&mut self) {
        if let Some(Step::Drip(bytes)) = self.script.get(self.at)
            && self.written == self.out.len()
        {
            self.out.push(bytes[self.drip % bytes.len()]);
            self.drip += 1;
        }
    }
}

impl Engine {
    fn new(place: Place, scripts: Vec<Script>, count: usize, repeats: bool) -> Engine {
        let clients: Vec<_> = scripts.iter().cycle().take(count).cloned().map(Client::new).collect();
        let waiting = (0..clients.len()).rev().collect();
        let (poll, totals) =
            (Poll::new().expect("a poll"), Totals { runs: vec![0; scripts.len()], ..Totals::default() });
        Engine { place, poll, clients, ready: Vec::new(), waiting, repeats, ended: Arc::default(), totals }
    }

    fn run(mut self, stop: &AtomicBool) -> Totals {
        let mut events = Events::with_capacity(1024);
        let mut next_tick = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                self.tick();
            }
            let timeout = if self.ready.is_empty() { TICK } else { Duration::ZERO };
            self.poll.poll(&mut events, Some(timeout)).expect("the poll goes on");
            let ready = std::mem::take(&mut self.ready);
            events.iter().map(|event| event.token().0).chain(ready).for_each(|index| self.proceed(index));
        }
        self.clients.iter_mut().filter_map(|client| client.stream.take()).for_each(reset);
        self.totals
    }

    fn tick(&mut self) {
        for _ in 0..ARRIVALS.min(self.waiting.len()) {
            let index = self.waiting.pop().expect("one waits");
            self.connect(index);
        }
        let now = Instant::now();
        for index in 0..self.clients.len() {
            if self.clients[index].is_due(now) {
                self.clients[index].drip();
                self.proceed(index);
            }
        }
    }

    fn connect(&mut self, index: usize) {
        let source = u32::from(self.place.first) + (index % self.place.addresses) as u32;
        let stream = begin(self.place.server, Ipv4Addr::from(source));
        let interest = Interest::READABLE | Interest::WRITABLE;
        match stream {
            Ok(mut stream) => {
                self.poll.registry().register(&mut stream, Token(index), interest).expect("registered");
                self.totals.connections += 1;
                // A connection has a million numbers, for scripts that begin again on it.
                self.clients[index].begin(stream, FIRST_NUMBER + self.totals.connections * 1_000_000);
            }
            // If the server does not listen any more, the healthy users report it.
            Err(_) => self.waiting.insert(0, index),
        }
    }

    fn proceed(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.stream.is_none() {
            return;
        }
        match client.proceed(&mut self.totals) {
            Next::Wait => {}
            Next::Yield => self.ready.push(index),
            Next::Again => {
                let scripts = self.totals.runs.len();
                self.totals.runs[index % scripts] += 1;
                self.ready.push(index);
            }
            Next::End(is_whole) => {
                let scripts = self.totals.runs.len();
                self.totals.runs[index % scripts] += u64::from(is_whole);
                self.ended.fetch_add(u64::from(!is_whole), Ordering::Relaxed);
                client.stream.take().into_iter().for_each(reset);
                if self.repeats {
                    self.waiting.insert(0, index);
                }
            }
        }
    }
}

/// Begins to connect from an address.
fn begin(server: SocketAddr, source: Ipv4Addr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into())?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Linux's number for a connection that is being made.
const EINPROGRESS: i32 = 115;

/// Gives this thread the lowest priority.
fn yield_to_others() {
    let thread = std::fs::read_link("/proc/thread-self").expect("Linux has threads there");
    let id = thread.file_name().expect("the thread's id");
    let status = Command::new("renice").args(["-n", "19", "-p"]).arg(id).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "renice lowers the priority");
}

/// Closes with an RST, which leaves no port that cannot be used for a minute.
fn reset(stream: TcpStream) {
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// The end of the first occurrence of a text.
fn find(got: &[u8], text: &str) -> Option<usize> {
    let at = got.windows(text.len()).position(|bytes| bytes == text.as_bytes())?;
    Some(at + text.len())
}

/// Takes the value of `"key":"value"` and what stands before it.
fn take(got: &mut Vec<u8>, key: &str) -> Option<String> {
    let begin = find(got, &format!("\"{key}\":\""))?;
    let length = got[begin..].iter().position(|byte| *byte == b'"')?;
    let value = String::from_utf8_lossy(&got[begin..begin + length]).into_owned();
    got.drain(..begin + length);
    Some(value)
}
