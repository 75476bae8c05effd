//! Which module may use which: the `use` lines, and every path that names a crate, are read.

use std::fs;
use std::path::{Path, PathBuf};

/// A part of the crate, and what of the crate and of other crates it may name.
const RULES: [(&str, &[&str]); 9] = [
    (
        "server",
        &[
            "std",
            "log",
            "mio",
            "signal_hook",
            "signal_hook_mio",
            "rlimit",
            "uuid",
            "crate::endpoint",
            "crate::metrics",
            // The type of a time.
            "crate::Millis",
            "crate::options",
            "crate::process",
            "crate::server",
        ],
    ),
    (
        "endpoint",
        &[
            "std",
            "core::net",
            "log",
            "slab",
            "serde",
            "uuid",
            "tungstenite::protocol::frame::coding",
            "crate::Millis",
            "crate::chat",
            "crate::http",
            "crate::memory",
            "crate::metrics",
            "crate::options",
            "crate::process",
            "crate::protocols",
            "crate::timer_wheel",
            "crate::websocket",
            "crate::endpoint",
        ],
    ),
    (
        "chat",
        &[
            "std",
            "log",
            "serde",
            "serde_json",
            "slab",
            "uuid",
            "crate::Millis",
            "crate::chat",
            "crate::memory",
        ],
    ),
    ("metrics", &["std", "crate::Millis", "crate::chat::command", "crate::metrics"]),
    ("memory.rs", &["std"]),
    ("process.rs", &["std"]),
    (
        "protocols",
        &[
            "std",
            "serde",
            "serde_json",
            "uuid",
            // The close codes of RFC 6455.
            "tungstenite::protocol::frame::coding",
            "crate::chat::command",
            "crate::chat::event",
            // What is held counts among all that waits.
            "crate::memory",
            // Ids of users and clients and the type of a time, not the rosters.
            "crate::chat::id",
            "crate::Millis",
            "crate::protocols",
            // A protocol's transports are a part of the endpoint.
            "crate::endpoint",
            "crate::http",
            "crate::websocket",
        ],
    ),
    (
        "http",
        &[
            "std",
            "core::net",
            "form_urlencoded",
            "httparse",
            "httpdate",
            "tungstenite::handshake",
            "crate::http",
        ],
    ),
    ("websocket.rs", &["std", "tungstenite"]),
];

/// Crates that a path can begin with. `log` is a macro's crate and named in `use` lines only.
const CRATES: [&str; 16] = [
    "core",
    "crate",
    "form_urlencoded",
    "mio",
    "tungstenite",
    "httparse",
    "httpdate",
    "serde",
    "serde_json",
    "slab",
    "uuid",
    "log",
    "env_logger",
    "signal_hook",
    "signal_hook_mio",
    "rlimit",
];

#[test]
fn modules_use_what_they_may() {
    let mut broken = Vec::new();
    for (part, allowed) in RULES {
        for file in sources(&Path::new("src").join(part)) {
            let text = without_tests(&fs::read_to_string(&file).unwrap());
            let allowed = |path: &str| allowed.iter().any(|prefix| starts_with(path, prefix));
            for path in paths(&text).into_iter().filter(|path| !allowed(path)) {
                broken.push(format!("{}: {path}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these uses break the rules:\n{}", broken.join("\n"));
}

/// All but the shell and the programs get bytes and the time from outside.
#[test]
fn only_the_server_has_sockets_and_a_clock() {
    for file in sources(Path::new("src")) {
        let may = file.starts_with("src/server") || file.starts_with("src/bin");
        let text = fs::read_to_string(&file).unwrap();
        let names_mio = paths(&text).iter().any(|path| starts_with(path, "mio"));
        let has_clock = text.contains("Instant") || text.contains("SystemTime");
        assert!(may || !(names_mio || text.contains("std::net") || has_clock), "{}", file.display());
    }
}

/// The chat gets times as numbers.
#[test]
fn the_chat_reads_no_clock() {
    for file in sources(Path::new("src/chat")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("std::time") && !text.contains("std::net"), "{}", file.display());
    }
}

/// A fourth protocol changes nothing outside its folder but an enum and a route.
#[test]
fn only_the_protocols_and_the_routes_name_a_protocol() {
    for file in ["server", "endpoint", "chat"].iter().flat_map(|part| sources(&Path::new("src").join(part))) {
        let text = without_tests(&fs::read_to_string(&file).unwrap());
        for line in text.lines().map(|line| line.split("//").next().unwrap_or_default().to_lowercase()) {
            for name in ["phoenix", "socket_io", "socketio", "socket.io", "engine", "bayeux", "faye"] {
                assert!(!line.contains(name), "{}: {line}", file.display());
            }
        }
    }
}

/// Time goes on with the monotonic clock, so that setting the system's moves no deadline.
#[test]
fn the_system_s_clock_is_read_at_the_start() {
    for file in sources(Path::new("src")) {
        let may = file == Path::new("src/server/clock.rs") || file.starts_with("src/bin");
        let text = fs::read_to_string(&file).unwrap();
        assert!(may || !text.contains("SystemTime"), "{}", file.display());
    }
    let clock = fs::read_to_string("src/server/clock.rs").unwrap();
    assert_eq!(clock.matches("SystemTime::now()").count(), 1, "at the start only");
}

#[test]
fn paths_are_found_in_all_their_forms() {
    let text = "use std::io::{self, Read};\nuse super::id::Role;\npub use crate::a::b;\n\
                fn f() -> uuid::Uuid { serde_json::to_string(crate::x::Y) } // mio::Poll\n";
    let found = paths(text);
    for path in ["std::io", "crate::a::b", "uuid::Uuid", "serde_json::to_string", "crate::x::Y"] {
        assert!(found.iter().any(|other| starts_with(other, path)), "{path} in {found:?}");
    }
    assert!(!found.iter().any(|path| path.starts_with("mio")), "comments do not count");
}

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let files: Vec<_> = entries.flat_map(|entry| sources(&entry.unwrap().path())).collect();
    files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Unit tests stand at the end of a file and may use more.
fn without_tests(text: &str) -> String {
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// The paths from the root of a crate that a text names.
fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(|line| line.split("//").next().unwrap_or_default().trim()) {
        let statement = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("use ");
        if let Some(path) = statement.filter(|path| !path.starts_with("super") && !path.starts_with("self")) {
            let path = path.trim_end_matches(';').split('{').next().unwrap_or_default();
            // `use phoenix::Phoenix` names a module of this very crate.
            let first = path.split("::").next().unwrap_or_default();
            if first == "std" || CRATES.contains(&first) {
                found.push(path.trim_end_matches("::").to_owned());
            }
            continue;
        }
        for (at, _) in line.match_indices("::") {
            let start = line[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |i| i + 1);
            let is_root = !line[..start].ends_with("::");
            if is_root && CRATES.contains(&&line[start..at]) {
                let rest = &line[start..];
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
                found.push(rest[..end.unwrap_or(rest.len())].to_owned());
            }
        }
    }
    found
}

fn starts_with(path: &str, prefix: &str) -> bool {
    path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("::"))
}
