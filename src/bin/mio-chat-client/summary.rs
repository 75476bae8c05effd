//! What a run amounts to: the figures, as text and as JSON.

#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::driver::{Outcome, Track};
use crate::options::Options;
use crate::stats::{Errors, Sample, Times};

pub use text::time;

/// Grows when a field changes its meaning or goes; new fields leave it as it is.
const SCHEMA_VERSION: u32 = 1;

/// The figures of one run. Its fields are the JSON form's, in this order.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub schema_version: u32,
    pub ok: bool,
    /// Why the run failed, in a line.
    pub failure: Option<String>,
    pub mode: &'static str,
    pub url: String,
    pub teachers: usize,
    pub students: usize,
    pub students_per_teacher: usize,
    pub message_count: Option<u32>,
    pub message_size: usize,
    pub rate: Option<f64>,
    pub idle: bool,
    pub seconds: f64,
    /// From the first chat's ready to the last message.
    pub messaging_seconds: f64,
    pub connections: usize,
    pub students_served: usize,
    pub chats: u64,
    pub messages: u64,
    pub messages_per_second: f64,
    pub round_trip_us: Option<Quantiles>,
    pub ready_to_assigned_us: Option<Quantiles>,
    pub connect_us: Option<Quantiles>,
    #[serde(flatten)]
    pub server: Server,
    #[serde(flatten)]
    pub client: Client,
    pub errors: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    pub details: BTreeMap<&'static str, Errors>,
}

/// A distribution of times, in microseconds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Quantiles {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

/// What the server used; nothing known without `--server-pid`.
#[derive(Debug, Default, Serialize)]
pub struct Server {
    pub server_cpu_seconds: Option<f64>,
    pub server_cpu_us_per_message: Option<f64>,
    pub server_messaging_cpu_us_per_message: Option<f64>,
    /// While everybody was in a chat and nobody came or went; for runs with a duration.
    pub server_steady_cpu_us_per_message: Option<f64>,
    pub server_peak_memory_bytes: Option<u64>,
    pub server_bytes_per_connection: Option<f64>,
}

/// What the client itself used.
#[derive(Debug, Default, Serialize)]
pub struct Client {
    pub client_cpu_seconds: Option<f64>,
    pub client_cpu_us_per_message: Option<f64>,
    pub client_messaging_cpu_us_per_message: Option<f64>,
    pub client_peak_memory_bytes: Option<u64>,
}

impl Summary {
    pub fn new(options: &Options, outcome: &Outcome) -> Self {
        let stats = &outcome.stats;
        let messaging = span(stats.first_ready, stats.last_message);
        let failure = failure(options, outcome);
        Self {
            schema_version: SCHEMA_VERSION,
            ok: failure.is_none(),
            failure,
            mode: options.mode.name(),
            url: options.url.clone(),
            teachers: options.teachers,
            students: options.students,
            students_per_teacher: options.students_per_teacher,
            message_count: options.message_count,
            message_size: options.message_size,
            rate: options.rate,
            idle: options.idle,
            seconds: (outcome.ended - outcome.began).as_secs_f64(),
            messaging_seconds: messaging.as_secs_f64(),
            connections: outcome.connections,
            students_served: stats.served,
            chats: stats.chats,
            messages: stats.messages,
            messages_per_second: per(stats.messages as f64, messaging.as_secs_f64()).unwrap_or(0.0),
            round_trip_us: quantiles(&stats.round_trip),
            ready_to_assigned_us: quantiles(&stats.assigned),
            connect_us: quantiles(&stats.connect),
            server: server(outcome),
            client: client(outcome),
            errors: stats.errors.iter().map(|(kind, errors)| (*kind, errors.count)).collect(),
            details: stats.errors.clone(),
        }
    }

    /// The JSON form, one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|e| format!("{{\"failure\":\"{e}\"}}"))
    }
}

/// The one line that says why a run is not a success.
fn failure(options: &Options, outcome: &Outcome) -> Option<String> {
    let stats = &outcome.stats;
    let mut parts: Vec<String> = outcome.aborted.iter().cloned().collect();
    if !options.idle && stats.served < options.students && outcome.aborted.is_none() {
        parts.push(format!("{} of {} students served", stats.served, options.students));
    }
    for (kind, errors) in &stats.errors {
        parts.push(format!("{kind} ({} times; first: {})", errors.count, errors.first));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn span(from: Option<Instant>, to: Option<Instant>) -> Duration {
    from.zip(to).map_or(Duration::ZERO, |(from, to)| to.saturating_duration_since(from))
}

/// A share, where there is something to share among.
fn per(amount: f64, among: f64) -> Option<f64> {
    (among > 0.0).then(|| amount / among)
}

fn quantiles(times: &Times) -> Option<Quantiles> {
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let at = |quantile| micros(times.value_at_quantile(quantile));
    (!times.is_empty()).then(|| Quantiles {
        count: times.len(),
        mean: times.mean() / 1e3,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p99_9: at(0.999),
        max: micros(times.max()),
    })
}

/// CPU seconds in all, microseconds a message in all, and microseconds a message since messaging began.
fn cpu(track: &Track, messages: u64) -> (f64, Option<f64>, Option<f64>) {
    let micros = |from: Duration| track.after.cpu.saturating_sub(from).as_secs_f64() * 1e6;
    let all = micros(track.before.cpu);
    let messaging = track.messaging.map(|usage| micros(usage.cpu));
    let messages = messages as f64;
    (all / 1e6, per(all, messages), messaging.and_then(|micros| per(micros, messages)))
}

/// The server's microseconds a message between two moments, by the samples within them.
fn steady_cpu(samples: &[Sample], (from, to): (f64, f64)) -> Option<f64> {
    let mut within = samples.iter().filter(|sample| (from..=to).contains(&sample.at));
    let (first, last) = (within.next()?, within.next_back()?);
    let cpu = last.server?.cpu.saturating_sub(first.server?.cpu);
    per(cpu.as_secs_f64() * 1e6, (last.messages - first.messages) as f64)
}

fn server(outcome: &Outcome) -> Server {
    let Some(track) = &outcome.server else {
        return Server::default();
    };
    let (seconds, all, messaging) = cpu(track, outcome.stats.messages);
    let grown = |connected: u64| connected as f64 - track.before.resident as f64;
    Server {
        server_cpu_seconds: Some(seconds),
        server_cpu_us_per_message: all,
        server_messaging_cpu_us_per_message: messaging,
        server_steady_cpu_us_per_message: outcome
            .steady
            .and_then(|steady| steady_cpu(&outcome.stats.samples, steady)),
        server_peak_memory_bytes: Some(track.after.peak),
        server_bytes_per_connection: track
            .connected
            .and_then(|usage| per(grown(usage.resident), outcome.connections as f64)),
    }
}

fn client(outcome: &Outcome) -> Client {
    let Some(track) = &outcome.client else {
        return Client::default();
    };
    let (seconds, all, messaging) = cpu(track, outcome.stats.messages);
    Client {
        client_cpu_seconds: Some(seconds),
        client_cpu_us_per_message: all,
        client_messaging_cpu_us_per_message: messaging,
        client_peak_memory_bytes: Some(track.after.peak),
    }
}
