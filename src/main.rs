//! The server's binary: options, log, run.

use std::error::Error;
use std::process::ExitCode;

use mio_chat_server::options::{self, Invocation};
use mio_chat_server::server::Server;

/// Exit codes: 0 stopped cleanly, 1 could not run, 2 was not understood.
fn main() -> ExitCode {
    let invocation = match options::parse(std::env::args_os().skip(1), |name| std::env::var(name).ok()) {
        Ok(invocation) => invocation,
        Err(error) => {
            eprintln!("mio-chat-server: {error}");
            return ExitCode::from(2);
        }
    };
    match run(invocation) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mio-chat-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(invocation: Invocation) -> Result<(), Box<dyn Error>> {
    let options = match invocation {
        Invocation::Run(options) => options,
        Invocation::Help => {
            print!("{}", options::HELP);
            return Ok(());
        }
        Invocation::Version => {
            println!("mio-chat-server {}", env!("CARGO_PKG_VERSION"));
            return Ok(());
        }
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let server = Server::bind(&options)?;
    let addresses: Vec<_> = server.addresses()?.iter().map(|address| format!("http://{address}")).collect();
    eprintln!("mio-chat-server listens on {}", addresses.join(" and "));
    server.run()?;
    Ok(())
}
