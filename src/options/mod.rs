//! Flags, then environment, then defaults.

mod values;

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use lexopt::prelude::*;

use crate::http::origins::Origins;
use crate::http::peer::TrustedProxies;
use crate::process::memory_limit;
use values::{at_least_one, duration, host, list, more_than_none, size};

/// How the server is to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Names or addresses to listen on; every address of a name.
    pub hosts: Vec<String>,
    /// The port, the same for all hosts; 0 picks one.
    pub port: u16,
    pub students_per_teacher: usize,
    /// Over how long changes become one status.
    pub status_interval: Duration,
    /// How long a WebSocket may send nothing.
    pub idle_timeout: Duration,
    /// Connections at once; what the descriptor limit allows if not given.
    pub max_connections: Option<usize>,
    /// Bytes of a message at the most.
    pub max_message_size: usize,
    /// Bytes that wait for a connection that does not read, before it is cut off.
    pub max_backlog: usize,
    /// Bytes of memory for all that waits and for the state of sessions.
    pub max_memory: usize,
    /// Bytes of messages that are kept for a chat in progress.
    pub chat_history: usize,
    /// The pages that may use the server, by their origins, and the server's other names; any page, if no origin
    /// is named.
    pub origins: Origins,
    /// The proxies whose word about their clients' addresses is taken.
    pub trusted_proxies: TrustedProxies,
    /// How long the connections have to close when the server stops.
    pub drain_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            hosts: vec!["localhost".into()],
            port: 4000,
            students_per_teacher: 5,
            status_interval: Duration::from_millis(50),
            idle_timeout: Duration::from_secs(60),
            max_connections: None,
            max_message_size: 64 * 1024,
            max_backlog: 1024 * 1024,
            max_memory: memory_limit() / 4,
            chat_history: 4 * 1024,
            origins: Origins::default(),
            trusted_proxies: TrustedProxies::default(),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    Run(Box<Options>),
    Help,
    Version,
}

/// A command line or an environment that cannot be understood.
#[derive(Debug)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; see --help", self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> UsageError {
        UsageError(error.to_string())
    }
}

/// What `--help` prints.
pub const HELP: &str = "\
A chat server in one thread and one poll loop, for the clients of ElixirChat and node-chat-server.

Usage: mio-chat-server [OPTIONS]

Options:
      --host <HOST>                 Listen on every address of HOST; repeatable [localhost]
  -p, --port <PORT>                 Listen on PORT, 0 picks a free one [4000]
      --students-per-teacher <N>    Students that a teacher has at once [5]
      --status-interval <DURATION>  Changes within this time become one status [50ms]
      --idle-timeout <DURATION>     Close a Phoenix socket that sends nothing for this long [60s]
      --max-connections <N>         Connections at once [what the descriptor limit allows]
      --max-message-size <SIZE>     Largest message or request body [64KiB]
      --max-backlog <SIZE>          Output that may wait for a slow reader before it is cut off [1MiB]
      --max-memory <SIZE>           Memory for what waits and for session state [a quarter of the machine's]
      --chat-history <SIZE>         Messages kept for a chat in progress [4KiB]
      --allow-origin <ORIGIN>       Let in pages of ORIGIN only, and requests to its host, localhost or an
                                    IP address only; repeatable [any]
      --allow-host <HOST>           With --allow-origin, let in requests to HOST too; repeatable [none]
      --trusted-proxy <ADDRESS>     Take X-Forwarded-For from this proxy; repeatable [none]
      --drain-timeout <DURATION>    Time for connections to close when the server stops [5s]
  -h, --help                        Print this help
  -V, --version                     Print the version

A DURATION is a number with ms, s or m behind it; without, it is in the unit of its default.
A SIZE is a number of bytes, or one with KiB, MiB or GiB behind it.
Each option can be given in the environment too, as MIO_CHAT_ and its name (MIO_CHAT_IDLE_TIMEOUT=30s), with
commas between the values of a repeatable one; PORT is the port. A flag goes before the environment.
RUST_LOG=debug logs arrivals and departures, RUST_LOG=trace each message.
";

/// The options that take a value.
const NAMES: [&str; 14] = [
    "host",
    "port",
    "students-per-teacher",
    "status-interval",
    "idle-timeout",
    "max-connections",
    "max-message-size",
    "max-backlog",
    "max-memory",
    "chat-history",
    "allow-origin",
    "allow-host",
    "trusted-proxy",
    "drain-timeout",
];

/// Reads the environment, then the arguments (without the program's name) over it.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Invocation, UsageError> {
    let mut options = Options::default();
    for name in NAMES {
        let variable = format!("MIO_CHAT_{}", name.replace('-', "_").to_uppercase());
        let found = environment(&variable).map(|value| (variable, value));
        let found = found.or_else(|| match name {
            "port" => environment("PORT").map(|value| ("PORT".into(), value)),
            _ => None,
        });
        if let Some((variable, value)) = found {
            set(&mut options, name, &value).map_err(|why| UsageError(format!("{variable}: {why}")))?;
        }
    }
    // The values of a flag that is repeated come together, as the list that the environment would hold.
    let mut lists = ["host", "allow-origin", "allow-host", "trusted-proxy"].map(|name| (name, Vec::new()));
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        let name = match argument {
            Short('h') | Long("help") => return Ok(Invocation::Help),
            Short('V') | Long("version") => return Ok(Invocation::Version),
            Short('p') => "port",
            Long(name) => *NAMES.iter().find(|known| **known == name).ok_or(argument.unexpected())?,
            other => return Err(other.unexpected().into()),
        };
        let value = parser.value()?.string()?;
        let value = match lists.iter_mut().find(|(list, _)| *list == name) {
            Some((_, values)) => {
                values.push(value);
                values.join(",")
            }
            None => value,
        };
        set(&mut options, name, &value).map_err(|why| UsageError(format!("--{name}: {why}")))?;
    }
    Ok(Invocation::Run(Box::new(options)))
}

fn set(options: &mut Options, name: &str, value: &str) -> Result<(), String> {
    match name {
        "host" => options.hosts = list(value).map(host).collect::<Result<_, _>>()?,
        "allow-origin" => options.origins.set_origins(list(value))?,
        "allow-host" => options.origins.set_hosts(list(value))?,
        "trusted-proxy" => {
            options.trusted_proxies = TrustedProxies::default();
            list(value).try_for_each(|address| options.trusted_proxies.add(address))?;
        }
        "port" => {
            options.port = value.parse().map_err(|_| format!("'{value}' is not a port (0 to 65535)"))?;
        }
        "students-per-teacher" => options.students_per_teacher = at_least_one(value)?,
        "status-interval" => options.status_interval = duration(value, "ms")?,
        "idle-timeout" => options.idle_timeout = more_than_none(duration(value, "s")?)?,
        "max-connections" => options.max_connections = Some(at_least_one(value)?),
        "max-message-size" => options.max_message_size = more_than_none(size(value)?)?,
        "max-backlog" => options.max_backlog = size(value)?,
        "max-memory" => options.max_memory = more_than_none(size(value)?)?,
        "chat-history" => options.chat_history = size(value)?,
        "drain-timeout" => options.drain_timeout = duration(value, "s")?,
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Options, String> {
        let variable =
            |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        match parse(arguments.iter().map(OsString::from), variable) {
            Ok(Invocation::Run(options)) => Ok(*options),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn flags_then_environment_then_defaults() {
        assert_eq!(run(&[], &[]).unwrap(), Options::default());
        assert_eq!(run(&[], &[("PORT", "5000")]).unwrap().port, 5000);
        assert_eq!(run(&[], &[("PORT", "5000"), ("MIO_CHAT_PORT", "6000")]).unwrap().port, 6000);
        assert_eq!(run(&["-p", "7000"], &[("PORT", "5000")]).unwrap().port, 7000);
        assert_eq!(run(&["--host", "a", "--host=b"], &[("MIO_CHAT_HOST", "c")]).unwrap().hosts, ["a", "b"]);
        assert_eq!(run(&[], &[("MIO_CHAT_HOST", "c, d")]).unwrap().hosts, ["c", "d"]);
    }

    #[test]
    fn origins_are_named_one_by_one_or_as_a_list() {
        let expected = run(&["--allow-origin", "http://a", "--allow-origin", "http://b:1"], &[]).unwrap();
        let named = [("MIO_CHAT_ALLOW_ORIGIN", "http://a,http://b:1")];
        assert_eq!(run(&[], &named).unwrap(), expected);
        assert!(expected.origins.are_limited() && !Options::default().origins.are_limited());
    }

    #[test]
    fn hosts_go_with_origins_in_either_order() {
        let flags = ["--allow-host", "a", "--allow-origin", "http://c", "--allow-host", "b"];
        let expected = run(&flags, &[]).unwrap();
        let named = [("MIO_CHAT_ALLOW_ORIGIN", "http://c"), ("MIO_CHAT_ALLOW_HOST", "a,b")];
        assert_eq!(run(&[], &named).unwrap(), expected);
        assert_eq!(run(&flags, &[("MIO_CHAT_ALLOW_HOST", "d")]).unwrap(), expected);
        assert!(!expected.origins.has_unused_hosts());
        assert!(run(&["--allow-host", "a"], &[]).unwrap().origins.has_unused_hosts());
    }

    #[test]
    fn units() {
        let options = run(
            &[
                "--idle-timeout",
                "2",
                "--status-interval",
                "70",
                "--drain-timeout",
                "1m",
                "--max-backlog",
                "2MiB",
            ],
            &[],
        );
        let options = options.unwrap();
        assert_eq!(options.idle_timeout, Duration::from_secs(2));
        assert_eq!(options.status_interval, Duration::from_millis(70));
        assert_eq!(options.drain_timeout, Duration::from_secs(60));
        assert_eq!(options.max_backlog, 2 << 20);
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (arguments, named) in [
            (&["--port", "x"][..], "--port"),
            (&["--port", "70000"], "--port"),
            (&["--port"], "--port"),
            (&["--nonsense"], "--nonsense"),
            (&["word"], "word"),
            (&["--students-per-teacher", "0"], "--students-per-teacher"),
            (&["--idle-timeout", "5h"], "--idle-timeout"),
            (&["--idle-timeout", "0"], "--idle-timeout"),
            (&["--max-backlog", "99999999999999999999"], "--max-backlog"),
            (&["--allow-origin", "a.example"], "--allow-origin"),
            (&["--allow-host", "a.example:80"], "--allow-host"),
            (&["--host", ""], "--host"),
            (&["--host", "a,,b"], "--host"),
        ] {
            let error = run(arguments, &[]).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
        assert!(run(&[], &[("PORT", "x")]).unwrap_err().contains("PORT"));
    }

    #[test]
    fn help_names_every_option() {
        for name in NAMES {
            assert!(HELP.contains(&format!("--{name} ")), "{name}");
        }
    }
}
