//! The summary for people.

use std::fmt::Write;

use super::{Quantiles, Summary};

impl Summary {
    /// The text form: one figure a line.
    pub fn to_text(&self) -> String {
        let mut lines = Lines(String::new());
        let served = format!("{} of {}", self.students_served, self.students);
        let speed = format!("{}, {:.0} a second", self.messages, self.messages_per_second);
        let time = format!("{:.2} s", self.seconds);
        if self.idle {
            lines.put("connections", self.connections);
            lines.put("time", time);
        } else {
            lines.put("students served", served);
            lines.put("messages", speed);
            lines.put("time", format!("{time}, messaging {:.2} s", self.messaging_seconds));
        }
        lines.times("round trip", self.round_trip_us.as_ref());
        lines.times("ready to assigned", self.ready_to_assigned_us.as_ref());
        lines.times("connect", self.connect_us.as_ref());
        let server = &self.server;
        lines.cpu(
            "server",
            server.server_cpu_seconds,
            server.server_cpu_us_per_message,
            server.server_messaging_cpu_us_per_message,
        );
        let client = &self.client;
        lines.cpu(
            "client",
            client.client_cpu_seconds,
            client.client_cpu_us_per_message,
            client.client_messaging_cpu_us_per_message,
        );
        lines.memory("server peak memory", server.server_peak_memory_bytes);
        lines.memory("client peak memory", client.client_peak_memory_bytes);
        if let Some(bytes) = server.server_bytes_per_connection {
            lines.put(
                "server memory",
                format!("{bytes:.0} bytes a connection, {} connections", self.connections),
            );
        }
        for (kind, errors) in &self.details {
            lines.put(&format!("error: {kind}"), format!("{}, first: {}", errors.count, errors.first));
        }
        lines.0
    }
}

struct Lines(String);

impl Lines {
    fn put(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{name:<20} {value}");
    }

    fn times(&mut self, name: &str, quantiles: Option<&Quantiles>) {
        if let Some(q) = quantiles {
            let [p50, p90, p99, p99_9, max] = [q.p50, q.p90, q.p99, q.p99_9, q.max].map(time);
            self.put(name, format!("p50 {p50}  p90 {p90}  p99 {p99}  p99.9 {p99_9}  max {max}"));
        }
    }

    fn cpu(&mut self, name: &str, seconds: Option<f64>, all: Option<f64>, messaging: Option<f64>) {
        let Some(seconds) = seconds else { return };
        let mut value = format!("{seconds:.3} s");
        if let Some(all) = all {
            let _ = write!(value, ", {all:.2} us a message");
        }
        if let Some(messaging) = messaging {
            let _ = write!(value, " ({messaging:.2} while messaging)");
        }
        self.put(&format!("{name} CPU"), value);
    }

    fn memory(&mut self, name: &str, bytes: Option<u64>) {
        if let Some(bytes) = bytes {
            self.put(name, format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)));
        }
    }
}

/// Microseconds in the unit that reads best.
pub fn time(micros: f64) -> String {
    match micros {
        0.0..1e3 => format!("{micros:.0} us"),
        1e3..1e6 => format!("{:.2} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}
