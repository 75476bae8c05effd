//! The command line: node-chat-client's spellings and their kebab-case twins.

mod compare;

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lexopt::prelude::*;

use crate::protocols::Mode;

pub use compare::Comparison;

/// What `--help` prints.
pub const HELP: &str = include_str!("help.txt");

/// The largest `--message-size`, in bytes: more than any chat server should let through.
const MAX_MESSAGE_SIZE: usize = 1 << 20;

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    Help,
    Version,
    Compare(Comparison),
    Run(Box<Options>),
}

/// The form of the summary on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Text,
    Json,
}

/// A run, as asked for.
#[derive(Debug, Clone)]
pub struct Options {
    pub mode: Mode,
    pub url: String,
    pub teachers: usize,
    pub students: usize,
    /// Messages that a teacher sends in a chat; `None`: until `duration` ends.
    pub message_count: Option<u32>,
    pub students_per_teacher: usize,
    /// User ids begin one above this.
    pub id_start: u64,
    pub claim_interval: Duration,
    pub duration: Option<Duration>,
    /// Relayed messages a second, both directions together.
    pub rate: Option<f64>,
    pub connections_per_second: Option<f64>,
    pub idle: bool,
    /// Bytes of message text at least.
    pub message_size: usize,
    pub server_pid: Option<u32>,
    pub output: Output,
    pub report: Option<PathBuf>,
    /// Where the summary and its curves are kept for a comparison.
    pub save: Option<PathBuf>,
    pub quiet: bool,
    /// How long the run may go without any progress.
    pub timeout: Duration,
    /// How long the run may take in all.
    pub time_limit: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::PhoenixV1,
            url: "ws://localhost:4000".to_owned(),
            teachers: 10,
            students: 1000,
            message_count: None,
            students_per_teacher: 5,
            id_start: 0,
            claim_interval: Duration::from_millis(10),
            duration: None,
            rate: None,
            connections_per_second: None,
            idle: false,
            message_size: 0,
            server_pid: None,
            output: Output::Text,
            report: None,
            save: None,
            quiet: false,
            timeout: Duration::from_secs(60),
            time_limit: None,
        }
    }
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// A line that says which argument is wrong.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Short('h') | Long("help") => return Ok(Request::Help),
            Short('V') | Long("version") => return Ok(Request::Version),
            Value(word) if word == "compare" => return compare::parse(&mut parser).map(Request::Compare),
            Long(name) => {
                let name = name.to_owned();
                set(&mut options, &name, &mut parser).map_err(|e| format!("--{name}: {e}"))?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    settle(options).map(|options| Request::Run(Box::new(options)))
}

fn set(options: &mut Options, name: &str, parser: &mut lexopt::Parser) -> Result<(), String> {
    match name {
        "mode" => options.mode = value(parser)?,
        "url" => options.url = value(parser)?,
        "numTeachers" | "num-teachers" => options.teachers = value(parser)?,
        "numStudents" | "num-students" => options.students = value(parser)?,
        "messageCount" | "message-count" => options.message_count = Some(value(parser)?),
        "studentsPerTeacher" | "students-per-teacher" => {
            options.students_per_teacher = value(parser)?;
        }
        "idStart" | "id-start" => options.id_start = value(parser)?,
        "claimInterval" | "claim-interval" => {
            options.claim_interval = Duration::from_millis(value(parser)?);
        }
        "duration" => options.duration = Some(seconds(parser)?),
        "rate" => options.rate = Some(positive(parser)?),
        "connectionsPerSecond" | "connections-per-second" => {
            options.connections_per_second = Some(positive(parser)?);
        }
        "idle" => options.idle = true,
        "messageSize" | "message-size" => options.message_size = value(parser)?,
        "serverPid" | "server-pid" => options.server_pid = Some(value(parser)?),
        "output" => options.output = value(parser)?,
        "report" => options.report = Some(raw(parser)?.into()),
        "save" => options.save = Some(raw(parser)?.into()),
        "quiet" => options.quiet = true,
        "timeout" => options.timeout = seconds(parser)?,
        "timeLimit" | "time-limit" => options.time_limit = Some(seconds(parser)?),
        _ => return Err("no such option".into()),
    }
    Ok(())
}

/// Fills in what depends on other options and refuses what cannot work.
fn settle(mut options: Options) -> Result<Options, String> {
    options.url = options.mode.whole_url(&options.url);
    if options.mode == Mode::Ping {
        if options.rate.is_some() || options.message_size > 0 {
            return Err("--mode ping: a ping has neither a --rate nor a --message-size".into());
        }
        options.students = 0;
    }
    if options.message_count.is_none() && options.duration.is_none() {
        options.message_count = Some(50);
    }
    if options.message_count == Some(0) {
        return Err("--messageCount: a chat needs at least one message".into());
    }
    if options.claim_interval.is_zero() {
        return Err("--claim-interval: at least 1 ms".into());
    }
    if options.message_size > MAX_MESSAGE_SIZE {
        return Err(format!("--message-size: at most {MAX_MESSAGE_SIZE} bytes"));
    }
    if options.teachers + options.students == 0 {
        return Err("neither teachers nor students: nothing to do".into());
    }
    Ok(options)
}

fn raw(parser: &mut lexopt::Parser) -> Result<OsString, String> {
    parser.value().map_err(|_| "needs a value".to_owned())
}

fn value<T: FromStr<Err: std::fmt::Display>>(parser: &mut lexopt::Parser) -> Result<T, String> {
    let text = raw(parser)?;
    let text = text.to_string_lossy();
    text.parse().map_err(|e| format!("{text:?}: {e}"))
}

fn positive(parser: &mut lexopt::Parser) -> Result<f64, String> {
    let number: f64 = value(parser)?;
    if (1e-3..=1e9).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{number} is not between 0.001 and 1000000000"))
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, String> {
    positive(parser).map(Duration::from_secs_f64)
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("neither text nor json".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Options, String> {
        match parse(line.split_whitespace().map(OsString::from))? {
            Request::Run(options) => Ok(*options),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn defaults_are_the_originals() {
        let options = run("").unwrap();
        assert_eq!((options.teachers, options.students), (10, 1000));
        assert_eq!(options.message_count, Some(50));
        assert_eq!((options.students_per_teacher, options.id_start), (5, 0));
        assert_eq!(options.url, "ws://localhost:4000/ws");
        assert_eq!(options.claim_interval, Duration::from_millis(10));
    }

    #[test]
    fn both_spellings_mean_the_same() {
        let camel =
            run("--numStudents 7 --numTeachers=2 --messageCount 3 --studentsPerTeacher 4 --idStart 9 \
             --mode elixir --url ws://h/");
        let kebab = run("--num-students 7 --num-teachers=2 --message-count 3 --students-per-teacher 4 \
             --id-start 9 --mode phoenix --url ws://h/");
        assert_eq!(format!("{:?}", camel.unwrap()), format!("{:?}", kebab.unwrap()));
    }

    #[test]
    fn a_duration_lifts_the_message_count_unless_it_is_given() {
        assert_eq!(run("--duration 2").unwrap().message_count, None);
        let both = run("--duration 2 --messageCount 3").unwrap();
        assert_eq!(both.message_count, Some(3));
    }

    #[test]
    fn a_mode_brings_its_own_url() {
        let url = run("--mode phoenix-v2").unwrap().url;
        assert_eq!(url, "ws://localhost:4000/ws/websocket?vsn=2.0.0");
        let url = run("--mode node").unwrap().url;
        assert_eq!(url, "ws://localhost:4000/socket.io/?EIO=3&transport=websocket");
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (line, part) in [
            ("--numStudents many", "--numStudents"),
            ("--rate 0", "--rate"),
            ("--rate NaN", "--rate"),
            ("--output xml", "--output"),
            ("--mode smoke", "--mode"),
            ("--mode ping --rate 5", "--mode ping"),
            ("--mode ping --numTeachers 0", "nothing to do"),
            ("--what", "--what"),
            ("--report", "--report"),
            ("stray", "stray"),
            ("--numStudents 0 --numTeachers 0", "nothing to do"),
        ] {
            let message = run(line).unwrap_err();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
