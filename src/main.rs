//! The server's binary: options, log, run.

use std::error::Error;
use std::fmt::Arguments;
use std::io::{self, Write};
use std::process::ExitCode;

use log::{info, warn};
use mio_chat_server::options::{self, Invocation};
use mio_chat_server::server::Server;
use sd_notify::NotifyState;

/// Exit codes: 0 stopped cleanly, 1 could not run, 2 was not understood.
fn main() -> ExitCode {
    // Lossy conversion: a value with invalid Unicode fails option parsing.
    let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let invocation = match options::parse(std::env::args_os().skip(1), variable) {
        Ok(invocation) => invocation,
        Err(error) => {
            say(io::stderr(), format_args!("mio-chat-server: {error}\n"));
            return ExitCode::from(2);
        }
    };
    match run(invocation) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(io::stderr(), format_args!("mio-chat-server: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run(invocation: Invocation) -> Result<(), Box<dyn Error>> {
    let options = match invocation {
        Invocation::Run(options) => options,
        Invocation::Help => {
            say(io::stdout(), format_args!("{}", options::HELP));
            return Ok(());
        }
        Invocation::Version => {
            say(io::stdout(), format_args!("mio-chat-server {}\n", env!("CARGO_PKG_VERSION")));
            return Ok(());
        }
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let server = Server::bind(&options)?;
    let addresses: Vec<_> = server.addresses()?.iter().map(|address| format!("http://{address}")).collect();
    say(io::stderr(), format_args!("mio-chat-server listens on {}\n", addresses.join(" and ")));
    if options.origins.has_unused_hosts() {
        warn!("--allow-host has no effect without --allow-origin: pages of any origin may use the server");
    }
    info!("up to {} MiB for what waits and for session state (--max-memory)", options.max_memory >> 20);
    // The listeners are open: systemd may start the units that need this server.
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        warn!("systemd was not told that the server is ready: {error}");
    }
    server.run()?;
    Ok(())
}

/// Writes a message for the user. A closed stream is no reason to fail.
fn say(mut to: impl Write, what: Arguments<'_>) {
    let _ = to.write_fmt(what);
}
