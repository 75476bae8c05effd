//! A server of its own for each test, on a port that the system picks, and the clients to try it with.
#![allow(dead_code)] // Each test file uses its own part of this.

pub mod bayeux;
pub mod metrics;
pub mod phoenix;
pub mod process;
pub mod raw;
pub mod socket_io;
pub mod user;

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a test waits for what has to happen: far longer than it takes, so that only a hang fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running server, killed when the test is over.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts the server's binary with these arguments, and waits until it listens.
    pub fn start(arguments: &[&str]) -> Server {
        Server::spawn(Server::command().args(["--host", "127.0.0.1", "--port", "0"]).args(arguments))
    }

    /// The server's binary, with nothing of this process's environment that would change it.
    pub fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mio-chat-server"));
        let ours = env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.to_string_lossy().starts_with("MIO_CHAT_")) {
            command.env_remove(name);
        }
        command.env_remove("PORT").env_remove("NOTIFY_SOCKET").env("RUST_LOG", "debug").stdin(Stdio::null());
        command
    }

    /// Starts a command that becomes a server, and waits until it listens.
    pub fn spawn(command: &mut Command) -> Server {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the server's binary starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let log = Arc::new(Mutex::new(String::new()));
        let address = listening_address(&mut stderr);
        let copy = log.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                copy.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Server { child, address, log }
    }

    /// What the server has logged since it listens.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// A connection to the server.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The snapshot of `GET /`.
    pub fn snapshot(&self) -> Value {
        let response = raw::request(self, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        serde_json::from_str(&response.body).expect("GET / is JSON")
    }

    /// Waits until `GET /` shows something.
    pub fn wait_for(&self, what: &str, condition: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let last = self.snapshot();
            if condition(&last) {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}; last: {last}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until this many students are on the roster.
    pub fn wait_until_students_are(&self, total: usize) {
        self.wait_for("students on the roster", |snapshot| snapshot["students"]["total"] == total);
    }

    /// Waits until no user is online.
    pub fn wait_until_empty(&self) {
        self.wait_for("no user online", |snapshot| {
            snapshot["teachers"]["total"] == 0
                && snapshot["students"]["total"] == 0
                && snapshot["chats"]["active"] == Value::Array(vec![])
        });
    }

    /// Sends the server a signal.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until the server has left.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the server leaves", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(30).collect();
            eprintln!("the server's last log lines, newest first:\n{}", tail.join("\n"));
        }
    }
}

/// Waits for a condition, and fails by name if it does not come.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn listening_address(stderr: &mut BufReader<ChildStderr>) -> SocketAddr {
    let mut line = String::new();
    stderr.read_line(&mut line).expect("stderr can be read");
    let address = line.trim().rsplit("http://").next().and_then(|address| address.parse().ok());
    address.unwrap_or_else(|| panic!("no address in the server's first line: {line:?}"))
}
