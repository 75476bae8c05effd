//! The server's binary as a command: what it prints, and the codes that it exits with.

use crate::support;

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use support::Server;

fn run(command: &mut Command) -> Output {
    command.output().expect("the server's binary runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A port that is taken for as long as the listener lives.
fn taken() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// It could not listen there, and the error is one line.
fn failed_to_listen(output: &Output, address: SocketAddr) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&address.to_string()), "{stderr}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_port_in_use_is_named_in_one_line() {
    let (_listener, address) = taken();
    let port = address.port().to_string();
    failed_to_listen(&run(Server::command().args(["--host", "127.0.0.1", "--port", &port])), address);
    failed_to_listen(&run(Server::command().args(["--host", "127.0.0.1", "-p", &port])), address);
}

#[test]
fn the_port_comes_from_the_environment() {
    let (_listener, address) = taken();
    let port = address.port().to_string();
    failed_to_listen(&run(Server::command().env("PORT", &port).args(["--host", "127.0.0.1"])), address);
    let own =
        Server::command().env("MIO_CHAT_PORT", &port).env("PORT", "1").args(["--host", "127.0.0.1"]).output();
    failed_to_listen(&own.unwrap(), address);
}

#[test]
fn a_flag_goes_before_the_environment() {
    let (_listener, address) = taken();
    let mut command = Server::command();
    command.env("PORT", address.port().to_string()).args(["--host", "127.0.0.1", "--port", "0"]);
    let server = Server::spawn(&mut command);
    assert_ne!(server.address, address);
    assert_eq!(server.snapshot()["teachers"]["total"], 0);
}

#[test]
fn the_first_line_has_the_port_that_was_picked() {
    let servers = [Server::start(&[]), Server::start(&[])];
    for server in &servers {
        assert_ne!(server.address.port(), 0);
        assert_eq!(server.snapshot()["teachers"]["total"], 0, "and it is this server's");
    }
    assert_ne!(servers[0].address, servers[1].address);
}

#[test]
fn what_is_not_understood_is_a_usage_error() {
    for (arguments, named) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["--port"], "--port"),
        (&["--port", "x"], "--port"),
        (&["--port", "65536"], "--port"),
        (&["--idle-timeout", "5h"], "--idle-timeout"),
        (&["--max-connections", "0"], "--max-connections"),
        (&["--max-backlog", "x"], "--max-backlog"),
        (&["word"], "word"),
    ] {
        let output = run(Server::command().args(arguments));
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(named) && stderr.contains("--help"), "{stderr}");
        assert_eq!(text(&output.stdout), "");
    }
    let output = run(Server::command().env("PORT", "x"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("PORT"));
}

/// An ignored option would leave the server less protected than configured.
#[cfg(unix)]
#[test]
fn an_environment_that_is_no_text_is_a_usage_error() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let value = OsStr::from_bytes(b"https://a.example\xff");
    let output = run(Server::command().env("MIO_CHAT_ALLOW_ORIGIN", value).args(["--host", "192.0.2.1"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("MIO_CHAT_ALLOW_ORIGIN"));
}

#[test]
fn help_and_version_go_to_stdout() {
    for flag in ["--help", "-h"] {
        let output = run(Server::command().arg(flag));
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        let help = text(&output.stdout);
        assert!(help.contains("Usage: mio-chat-server") && help.ends_with('\n'), "{help}");
    }
    for flag in ["--version", "-V"] {
        let output = run(Server::command().arg(flag));
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        assert_eq!(text(&output.stdout), concat!("mio-chat-server ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[cfg(unix)]
#[test]
fn systemd_is_told_when_the_server_is_ready() {
    use std::os::unix::net::UnixDatagram;

    let folder = std::env::temp_dir().join(format!("mio-chat-server-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let mut command = Server::command();
    let server =
        Server::spawn(command.args(["--host", "127.0.0.1", "--port", "0"]).env("NOTIFY_SOCKET", &path));
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).expect("a word comes");
    assert_eq!(&buffer[..length], b"READY=1\n");
    server.connect();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_supervisor_that_is_not_there_is_no_reason_to_fail() {
    let mut command = Server::command();
    let server = Server::spawn(
        command.args(["--host", "127.0.0.1", "--port", "0"]).env("NOTIFY_SOCKET", "/nowhere/at/all"),
    );
    server.snapshot();
    support::wait_until("the log says so", || server.log().contains("systemd was not told"));
}
