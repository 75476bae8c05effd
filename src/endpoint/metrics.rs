//! `/metrics`: what is counted, in the text format of Prometheus. All requests of one turn of the loop get the same text.
//! No label has a user or a chat in it.
//!
//! | metric | |
//! |---|---|
//! | `mio_chat_connections`, `mio_chat_clients` | open now, by `protocol` and `transport`; a client that polls is there between its requests too |
//! | `mio_chat_max_connections`, `mio_chat_stats_watchers` | connections that there is room for; clients that have joined `server:stats` |
//! | `mio_chat_accepted_total`, `mio_chat_turned_away_total`, `mio_chat_closed_total` | connections accepted; rejected, by what was `full`; closed, by `reason` |
//! | `mio_chat_detached_sessions`, `mio_chat_evicted_total`, `mio_chat_ended_sessions_total` | sessions without a connection; those ended because there were too many, by `limit`; all that ended, by `reason` |
//! | `mio_chat_messages_total`, `mio_chat_claims_total` | messages relayed; claims by `result`: `answered`, `full`, `empty` |
//! | `mio_chat_teachers`, `mio_chat_students`, `mio_chat_oldest_wait_seconds` | online; by `state`; how long the first in the queue has waited |
//! | `mio_chat_chats`, `mio_chat_chats_finished_total` | chats in progress, and finished |
//! | `mio_chat_refusals_total`, `mio_chat_bad_input_total`, `mio_chat_http_responses_total` | requests refused, by `reason`; input that is invalid in its protocol, by `kind`; HTTP responses, by `code` |
//! | `mio_chat_received_frames_total`, `mio_chat_received_bytes_total`, `mio_chat_reads_total` | input |
//! | `mio_chat_sent_frames_total`, `mio_chat_sent_bytes_total`, `mio_chat_writes_total` | output; frames over writes is how many share one |
//! | `mio_chat_backlog_bytes`, `mio_chat_session_state_bytes`, `mio_chat_max_memory_bytes`, `mio_chat_overloads_total` | memory for unsent output and incomplete input, for users and subscriptions, the limit of both, and the sessions evicted because of it |
//! | `mio_chat_loop_turns_total`, `mio_chat_loop_events_total`, `mio_chat_loop_largest_batch` | turns of the loop; sockets that were ready, over all turns and in the fullest one |
//! | `mio_chat_loop_busy_seconds_total`, `mio_chat_loop_longest_turn_seconds` | time that the loop did not wait, over all turns and in the longest one |
//! | `process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_start_time_seconds` | the process |

use super::Endpoint;
use super::gauges::Gauges;
use crate::http::response::Response;
use crate::metrics::exposition::{self, Exposition};

impl Endpoint {
    /// All metrics as Prometheus reads them. All requests of one turn get the same text: it counts all
    /// connections, which must not become the loop's main work when many ask.
    pub(super) fn metrics(&mut self, is_head: bool) -> Response {
        if is_head {
            return Response::new(exposition::CONTENT_TYPE, &b""[..]).without_length();
        }
        self.take_costly();
        let turn = self.metrics.loop_stats.count;
        if self.scrape.0 != turn {
            self.scrape = (turn, self.exposition());
        }
        Response::new(exposition::CONTENT_TYPE, self.scrape.1.clone().into_bytes())
    }

    /// No label has a user or a chat in it.
    fn exposition(&self) -> String {
        let mut text = Exposition::default();
        let gauges = self.gauges();
        self.write_connections(&mut text, &gauges);
        self.write_traffic(&mut text);
        self.write_loop(&mut text);
        self.write_chat(&mut text);
        self.write_process(&mut text);
        text.finish()
    }

    fn write_connections(&self, text: &mut Exposition, gauges: &Gauges) {
        let metrics = &self.metrics;
        for (name, help, kinds) in [
            ("mio_chat_connections", "Open connections.", &gauges.connections),
            (
                "mio_chat_clients",
                "Sessions, also those that poll and are between two requests.",
                &gauges.clients,
            ),
        ] {
            text.family("gauge", name, help);
            for ((protocol, transport), count) in kinds.iter() {
                text.sample(name, &[("protocol", protocol), ("transport", transport)], count);
            }
        }
        let help = "Connections that there is room for.";
        text.gauge("mio_chat_max_connections", help, self.max_connections);
        text.counter("mio_chat_accepted_total", "Connections taken in.", metrics.accepted);
        text.tally(
            "mio_chat_turned_away_total",
            "Connections that there was no room for.",
            "full",
            &metrics.rejected,
        );
        let help = "Sessions without a connection: between two polls, or after their socket closed.";
        text.gauge("mio_chat_detached_sessions", help, self.detached.len());
        let help = "Sessions without a connection that were ended because there were too many.";
        text.tally("mio_chat_evicted_total", help, "limit", &metrics.evicted);
        text.tally("mio_chat_closed_total", "Connections closed.", "reason", &self.connections.ended);
        text.tally("mio_chat_ended_sessions_total", "Sessions ended.", "reason", &metrics.ended_sessions);
        let name = "mio_chat_http_responses_total";
        text.family("counter", name, "HTTP responses, upgrades among them.");
        for (code, count) in metrics.responses.iter() {
            text.sample(name, &[("code", &code.to_string())], count);
        }
        let name = "mio_chat_refusals_total";
        text.family("counter", name, "Requests of clients that were refused.");
        for (refusal, count) in metrics.refusals.iter() {
            text.sample(name, &[("reason", refusal.reason())], count);
        }
        let help = "Frames and messages that are none of their protocol.";
        text.tally("mio_chat_bad_input_total", help, "kind", &metrics.bad_input);
    }

    fn write_traffic(&self, text: &mut Exposition) {
        let traffic = &self.connections.traffic;
        text.counter("mio_chat_reads_total", "Reads from sockets.", traffic.reads);
        text.counter("mio_chat_received_bytes_total", "Bytes read.", traffic.bytes_in);
        text.counter("mio_chat_received_frames_total", "WebSocket frames read.", traffic.frames_in);
        text.counter("mio_chat_writes_total", "Writes to sockets.", traffic.writes);
        text.counter("mio_chat_sent_bytes_total", "Bytes written.", traffic.bytes_out);
        let help = "WebSocket frames written; over the writes, how many share one.";
        text.counter("mio_chat_sent_frames_total", help, traffic.frames_out);
        let help = "Bytes of memory for what waits: to be read, to be asked for, or to come whole.";
        text.gauge("mio_chat_backlog_bytes", help, self.memory.waiting());
        let help = "Bytes of memory for the users and subscriptions that clients have.";
        text.gauge("mio_chat_session_state_bytes", help, self.memory.session_state());
        let help = "The most bytes that both may be.";
        text.gauge("mio_chat_max_memory_bytes", help, self.memory.limit());
        let help = "Connections and sessions that were cut off because it was more than that.";
        text.counter("mio_chat_overloads_total", help, self.metrics.overloads);
    }

    fn write_loop(&self, text: &mut Exposition) {
        let turns = &self.metrics.loop_stats;
        text.counter("mio_chat_loop_turns_total", "Turns of the loop.", turns.count);
        text.counter("mio_chat_loop_events_total", "Sockets that were ready.", turns.events);
        let help = "The most sockets that were ready in one turn.";
        text.gauge("mio_chat_loop_largest_batch", help, turns.largest_batch);
        let help = "Time that the loop did not wait.";
        text.counter("mio_chat_loop_busy_seconds_total", help, turns.busy.as_secs_f64());
        let help = "The longest turn.";
        text.gauge("mio_chat_loop_longest_turn_seconds", help, turns.longest.as_secs_f64());
    }

    fn write_chat(&self, text: &mut Exposition) {
        let models = self.chat.models();
        let status = models.status();
        text.gauge("mio_chat_teachers", "Teachers on line.", status.teachers.total);
        let name = "mio_chat_students";
        text.family("gauge", name, "Students who are ready, chat, or have chatted.");
        let students = status.students;
        for (state, count) in
            [("waiting", students.waiting), ("chatting", students.chatting), ("finished", students.finished)]
        {
            text.sample(name, &[("state", state)], count);
        }
        let oldest = self.oldest_wait() as f64 / 1000.0;
        text.gauge("mio_chat_oldest_wait_seconds", "How long the first in the queue has waited.", oldest);
        text.gauge("mio_chat_chats", "Chats in progress.", status.chats.active);
        text.counter("mio_chat_chats_finished_total", "Chats that are over.", status.chats.finished);
        text.counter("mio_chat_messages_total", "Messages relayed.", models.chats.messages());
        let name = "mio_chat_claims_total";
        text.family(
            "counter",
            name,
            "Claims: answered with a chat, without room at the teacher, without a student.",
        );
        let claims = models.claims();
        for (result, count) in [("answered", claims.answered), ("full", claims.full), ("empty", claims.empty)]
        {
            text.sample(name, &[("result", result)], count);
        }
        let watchers = self.figures.watchers();
        text.gauge("mio_chat_stats_watchers", "Clients that watch the figures.", watchers);
    }

    /// The metrics that every program has, by the names that they go by.
    fn write_process(&self, text: &mut Exposition) {
        let started = self.started as f64 / 1000.0;
        text.gauge("process_start_time_seconds", "Unix time of the start.", started);
        if let Some(usage) = (self.usage)() {
            text.gauge("process_resident_memory_bytes", "Resident memory.", usage.resident);
            text.counter("process_cpu_seconds_total", "CPU time.", usage.cpu.as_secs_f64());
        }
    }

    /// Milliseconds for which the first in the queue has waited.
    pub(super) fn oldest_wait(&self) -> u64 {
        let since = self.chat.models().students.oldest_wait();
        since.map_or(0, |since| self.now.saturating_sub(since))
    }
}
