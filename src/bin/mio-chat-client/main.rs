//! A load client for chat servers: teachers claim students and talk with them, as node-chat-client's do, in one
//! poll loop on one thread.

mod chats;
mod connector;
mod conversation;
mod curves;
mod driver;
mod frames;
mod handshake;
mod link;
mod messages;
mod options;
mod outbox;
mod pacer;
mod progress;
mod protocols;
mod reader;
mod report;
mod stats;
mod summary;

use std::process::ExitCode;

use curves::Curves;
use options::{Options, Output, Request};
use summary::Summary;

fn main() -> ExitCode {
    match options::parse(std::env::args_os().skip(1)) {
        Ok(Request::Help) => print!("{}", options::HELP),
        Ok(Request::Version) => println!("mio-chat-client {}", env!("CARGO_PKG_VERSION")),
        Ok(Request::Compare(comparison)) => {
            match report::comparison::compare(&comparison.out, &comparison.files) {
                Ok(table) => print!("{table}"),
                Err(message) => {
                    eprintln!("mio-chat-client: {message}");
                    return ExitCode::FAILURE;
                }
            }
        }
        Ok(Request::Run(options)) => return finish(&options),
        Err(message) => {
            eprintln!("mio-chat-client: {message}\nTry --help.");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn finish(options: &Options) -> ExitCode {
    match run(options) {
        Ok(summary) => match &summary.failure {
            None => ExitCode::SUCCESS,
            Some(failure) => {
                eprintln!("mio-chat-client: {failure}");
                ExitCode::FAILURE
            }
        },
        Err(message) => {
            eprintln!("mio-chat-client: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the load, prints its summary and writes its report.
fn run(options: &Options) -> Result<Summary, String> {
    let outcome = driver::run(options)?;
    let summary = Summary::new(options, &outcome);
    match options.output {
        Output::Json => println!("{}", summary.to_json()),
        Output::Text if !options.quiet => print!("{}", summary.to_text()),
        Output::Text => {}
    }
    if options.report.is_some() || options.save.is_some() {
        let curves = Curves::new(&outcome.stats);
        options.report.as_ref().map_or(Ok(()), |path| report::write(path, &summary, &curves))?;
        options.save.as_ref().map_or(Ok(()), |path| report::write_json(path, &summary, &curves))?;
    }
    Ok(summary)
}
