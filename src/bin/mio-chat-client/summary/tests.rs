use super::*;
use crate::stats::{self, Sample, Stats};
use mio_chat_server::process::Usage;

const SECOND: Duration = Duration::from_secs(1);

fn usage(cpu_ms: u64, resident: u64) -> Usage {
    Usage { cpu: Duration::from_millis(cpu_ms), resident, peak: resident * 2 }
}

/// Ten seconds, 1000 messages from second 2 to second 4.
fn outcome() -> Outcome {
    let began = Instant::now();
    let mut stats = Stats::new(began);
    stats.messages = 1000;
    stats.served = 4;
    stats.first_ready = Some(began + 2 * SECOND);
    stats.last_message = Some(began + 4 * SECOND);
    let track = Track {
        before: usage(100, 1000),
        messaging: Some(usage(105, 3000)),
        connected: Some(usage(104, 5000)),
        after: usage(110, 9000),
    };
    Outcome {
        stats,
        began,
        ended: began + 10 * SECOND,
        connections: 8,
        server: Some(track),
        client: None,
        steady: None,
        aborted: None,
    }
}

fn options() -> Options {
    Options { students: 4, ..Options::default() }
}

#[test]
fn rates_and_shares_come_out_right() {
    let summary = Summary::new(&options(), &outcome());
    assert!(summary.ok, "{:?}", summary.failure);
    assert_eq!(summary.seconds, 10.0);
    assert_eq!(summary.messaging_seconds, 2.0);
    assert_eq!(summary.messages_per_second, 500.0);
    let server = &summary.server;
    assert_eq!(server.server_cpu_seconds, Some(0.01));
    assert_eq!(server.server_cpu_us_per_message, Some(10.0));
    assert_eq!(server.server_messaging_cpu_us_per_message, Some(5.0));
    assert_eq!(server.server_peak_memory_bytes, Some(18_000));
    assert_eq!(server.server_bytes_per_connection, Some(500.0));
    assert_eq!(summary.client.client_cpu_us_per_message, None);
}

#[test]
fn the_steady_part_leaves_out_what_came_before_and_after() {
    let mut outcome = outcome();
    let sample = |(at, messages, cpu): (f64, u64, u64)| Sample {
        at,
        messages,
        server: Some(usage(cpu, 0)),
        ..Sample::default()
    };
    let samples = [(1.0, 0, 50), (2.0, 100, 60), (3.0, 600, 62), (4.0, 1100, 64), (5.0, 1100, 90)];
    outcome.stats.samples = samples.map(sample).into();
    let steady =
        |outcome: &Outcome| Summary::new(&options(), outcome).server.server_steady_cpu_us_per_message;
    assert_eq!(steady(&outcome), None);
    outcome.steady = Some((1.5, 4.5));
    assert_eq!(steady(&outcome), Some(4.0));
    outcome.steady = Some((1.5, 2.5));
    assert_eq!(steady(&outcome), None, "one sample is no span");
}

#[test]
fn a_run_without_messages_divides_by_nothing() {
    let mut outcome = outcome();
    outcome.stats = Stats::new(outcome.began);
    outcome.connections = 0;
    let summary = Summary::new(&Options { students: 0, ..Options::default() }, &outcome);
    assert_eq!(summary.messages_per_second, 0.0);
    assert_eq!(summary.server.server_cpu_us_per_message, None);
    assert_eq!(summary.server.server_bytes_per_connection, None);
    assert!(summary.round_trip_us.is_none());
}

#[test]
fn quantiles_are_microseconds() {
    let mut times = stats::times();
    for micros in 1..=1000 {
        stats::record(&mut times, Duration::from_micros(micros));
    }
    let q = quantiles(&times).unwrap();
    for (value, expected) in [(q.p50, 500.0), (q.p90, 900.0), (q.p99_9, 999.0), (q.max, 1000.0)] {
        assert!((value - expected).abs() < expected / 500.0, "{value} is not {expected}");
    }
    assert_eq!(q.count, 1000);
}

#[test]
fn an_unserved_student_or_an_error_is_a_failure() {
    let mut outcome = outcome();
    outcome.stats.error("closed", || "Student 3: reset".into());
    outcome.stats.error("closed", || unreachable!("the first one's words are kept"));
    let options = Options { students: 5, ..Options::default() };
    let failure = Summary::new(&options, &outcome).failure.unwrap();
    assert_eq!(failure, "4 of 5 students served; closed (2 times; first: Student 3: reset)");
}

#[test]
fn an_idle_run_serves_nobody_and_is_well() {
    let options = Options { students: 5, idle: true, ..Options::default() };
    assert!(Summary::new(&options, &outcome()).ok);
}

#[test]
fn the_json_form_is_flat_and_versioned() {
    let json: serde_json::Value =
        serde_json::from_str(&Summary::new(&options(), &outcome()).to_json()).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["server_cpu_us_per_message"], 10.0);
    assert_eq!(json["failure"], serde_json::Value::Null);
    assert_eq!(json["errors"], serde_json::json!({}));
}
