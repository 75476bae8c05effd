//! The load client against the server, as its users run it.

#[path = "../support/mod.rs"]
mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::Server;

fn client(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mio-chat-client"));
    command.args(["--timeout", "20"]).args(arguments).output().expect("the client's binary runs")
}

/// Serves 60 students in the given mode and returns the JSON summary.
fn serve(mode: &str, path: &str, more: &[&str]) -> Value {
    let server = Server::start(&[]);
    let url = format!("ws://{}{path}", server.address);
    let pid = server.child.id().to_string();
    let common = ["--mode", mode, "--url", &url, "--server-pid", &pid, "--output", "json"];
    let users = ["--numStudents", "60", "--num-teachers", "4"];
    let output = client(&[&common[..], &users, more].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "", "nothing of a progress bar in a pipe");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn every_student_is_served_in_every_mode() {
    for (mode, path, name) in [
        ("elixir", "/ws", "phoenix"),
        ("phoenix-v2", "/ws/websocket?vsn=2.0.0", "phoenix-v2"),
        ("socket.io", "", "socket.io"),
        ("node", "", "node"),
        ("socket.io-4", "", "socket.io-4"),
        ("bayeux", "/faye", "bayeux"),
        ("faye", "", "bayeux"),
    ] {
        let summary = serve(mode, path, &["--messageCount", "10"]);
        assert_eq!(summary["schema_version"], 1);
        assert_eq!(summary["ok"], true);
        assert_eq!(summary["mode"], name);
        assert_eq!(summary["students_served"], 60, "{mode}");
        assert_eq!(summary["chats"], 60, "{mode}");
        assert_eq!(summary["messages"], 60 * 10 * 2, "{mode}");
        assert_eq!(summary["round_trip_us"]["count"], 600, "{mode}");
        assert_eq!(summary["errors"], serde_json::json!({}), "{mode}");
        assert!(summary["server_cpu_us_per_message"].is_f64());
    }
}

#[test]
fn students_come_back_over_socket_io_and_long_messages_arrive_whole() {
    let summary =
        serve("socket.io", "/", &["--duration", "0.5", "--messageCount", "1", "--message-size", "30000"]);
    assert!(summary["chats"].as_u64() > Some(60), "{summary}");
}

#[test]
fn pings_are_answered_and_counted() {
    let summary = serve("ping", "", &["--messageCount", "25"]);
    assert_eq!(summary["connections"], 4);
    assert_eq!(summary["messages"], 4 * 25);
    assert_eq!(summary["round_trip_us"]["count"], 4 * 25);
    let summary = serve("ping", "", &["--duration", "0.3"]);
    assert!(summary["messages"].as_u64() >= Some(4), "{summary}");
}

#[test]
fn long_messages_arrive_whole() {
    let summary = serve("elixir", "/ws", &["--message-size", "30000", "--messageCount", "5"]);
    assert_eq!(summary["messages"], 60 * 5 * 2);
}

#[test]
fn a_run_with_a_duration_lasts_that_long() {
    let summary = serve("elixir", "/ws", &["--duration", "0.5", "--messageCount", "1"]);
    assert!(summary["chats"].as_u64() >= Some(60), "{summary}");
    assert!(summary["seconds"].as_f64() >= Some(0.5), "{summary}");
}

#[test]
fn a_rate_is_not_exceeded() {
    let summary = serve("elixir", "/ws", &["--duration", "1", "--rate", "500"]);
    let (messages, seconds) = (summary["messages"].as_f64().unwrap(), summary["seconds"].as_f64().unwrap());
    // One round trip is due at the beginning, and a chat that opens after the time is up has one unpaced.
    let unpaced = 2.0 * (1.0 + 60.0);
    assert!(messages > 0.0 && messages <= 500.0 * seconds + unpaced, "{summary}");
}

#[test]
fn idle_clients_connect_and_hold_in_every_mode() {
    for (mode, path) in [("elixir", "/ws"), ("socket.io", ""), ("socket.io-4", ""), ("bayeux", "")] {
        let summary = serve(mode, path, &["--idle", "--duration", "0.3"]);
        assert_eq!(summary["connections"], 64, "{mode}");
        assert_eq!(summary["messages"], 0, "{mode}");
    }
}

#[test]
fn teachers_and_students_may_be_two_processes() {
    for (mode, path) in [("elixir", "/ws"), ("socket.io", ""), ("bayeux", "")] {
        meet_in_two_processes(mode, path);
    }
}

fn meet_in_two_processes(mode: &str, path: &str) {
    let server = Server::start(&[]);
    let url = format!("ws://{}{path}", server.address);
    let common = ["--mode", mode, "--url", &url, "--messageCount", "3"];
    let half = |users: &[&str]| client(&[&common[..], users].concat());
    std::thread::scope(|scope| {
        let teachers = scope.spawn(|| half(&["--numTeachers", "2", "--numStudents", "0"]));
        let students = scope.spawn(|| half(&["--numTeachers", "0", "--numStudents", "20"]));
        for output in [students.join().unwrap(), teachers.join().unwrap()] {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    });
}

#[test]
fn a_report_is_one_file_that_needs_no_other() {
    let file = std::env::temp_dir().join(format!("mio-chat-report-{}.html", std::process::id()));
    serve("elixir", "/ws", &["--messageCount", "5", "--report", file.to_str().unwrap()]);
    let page = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(page.matches("<svg").count() >= 3);
    assert!(!page.contains("src=") && !page.contains("<link") && !page.contains("@import"));
}

#[test]
fn saved_runs_are_compared_in_one_page() {
    let file = |name: &str| std::env::temp_dir().join(format!("mio-chat-{name}-{}", std::process::id()));
    let (run, failed, page) = (file("run.json"), file("failed.json"), file("compare.html"));
    serve("elixir", "/ws", &["--messageCount", "5", "--save", run.to_str().unwrap()]);
    std::fs::write(&failed, r#"{"failure":"did not start"}"#).unwrap();
    let named = |name: &str, path: &std::path::Path| format!("{name}={}", path.display());
    let rounds = [named("ours", &run), named("peer", &failed), named("ours", &run)];
    let mut command = Command::new(env!("CARGO_BIN_EXE_mio-chat-client"));
    let output = command.arg("compare").arg(&page).args(rounds).output().unwrap();
    let html = std::fs::read_to_string(&page).unwrap();
    for file in [run, failed, page] {
        std::fs::remove_file(file).unwrap();
    }
    let table = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<_> = table.lines().collect();
    assert!(rows[0].starts_with("| Server |") && rows[2].ends_with("| 1.00 | ok |"), "{table}");
    assert!(rows[3].starts_with("| peer |") && rows[3].ends_with("failed: did not start |"), "{table}");
    assert!(html.matches("<svg").count() >= 3 && !html.contains("src=") && !html.contains("<link"));
}

#[test]
fn a_run_is_cut_at_its_time_limit() {
    let server = Server::start(&[]);
    let url = format!("ws://{}/ws", server.address);
    let output = client(&["--url", &url, "--duration", "1000", "--time-limit", "0.3", "--numStudents", "5"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut at 0.3 s"));
}

#[test]
fn a_refused_connection_is_reported_in_one_line() {
    let output = client(&["--url", "ws://127.0.0.1:1/ws", "--quiet"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.lines().count() == 1 && errors.contains("refused"), "{errors}");
}

#[test]
fn wrong_usage_is_two() {
    assert_eq!(client(&["--numStudents", "many"]).status.code(), Some(2));
}
