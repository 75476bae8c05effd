//! A whole run: its phases, its clocks, and what came of it.

use std::time::{Duration, Instant};

use mio::Events;

use super::watch::{Track, Watch};
use super::{Driver, EVENTS};
use crate::options::Options;
use crate::progress::Progress;
use crate::stats::{Sample, Stats};
use mio_chat_server::process::{Process, Usage};

const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// How long teachers may take to hear of the end when all students have.
const GRACE: Duration = Duration::from_secs(1);
/// Polls count in milliseconds; what is due sooner is waited for without sleeping.
const POLL_TICK: Duration = Duration::from_millis(1);

/// A finished run.
#[derive(Debug)]
pub struct Outcome {
    pub stats: Stats,
    pub began: Instant,
    pub ended: Instant,
    /// Connections that were made.
    pub connections: usize,
    pub server: Option<Track>,
    pub client: Option<Track>,
    /// From when to when everybody was in a chat, in seconds since the run began.
    pub steady: Option<(f64, f64)>,
    /// Why the run ended before its time.
    pub aborted: Option<String>,
}

/// Something that happens again and again.
struct Every {
    period: Duration,
    next: Instant,
}

impl Every {
    fn due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            // From now on, not from `next`: what was missed is not made up for.
            self.next = now + self.period;
        }
        due
    }
}

struct Run<'a> {
    options: &'a Options,
    driver: Driver,
    began: Instant,
    server: Option<Watch>,
    client: Option<Watch>,
    progress: Progress,
    claims: Every,
    samples: Every,
    /// Heartbeats sent since the run began.
    beats: u64,
    everybody_ready: Option<Instant>,
    everybody_assigned: Option<Instant>,
    closing: Option<Instant>,
    students_gone: Option<Instant>,
}

/// Runs the load to its end.
///
/// # Errors
/// Why it could not begin.
pub fn run(options: &Options) -> Result<Outcome, String> {
    let server = options
        .server_pid
        .map(|pid| Watch::new(pid).ok_or_else(|| format!("--server-pid: no process {pid}")))
        .transpose()?;
    let client = Watch::new(std::process::id());
    let began = Instant::now();
    let mut run = Run {
        options,
        driver: Driver::new(options, began)?,
        began,
        server,
        client,
        progress: Progress::new(options),
        claims: Every { period: options.claim_interval, next: began },
        samples: Every { period: SAMPLE_INTERVAL, next: began },
        beats: 0,
        everybody_ready: None,
        everybody_assigned: None,
        closing: None,
        students_gone: None,
    };
    let mut events = Events::with_capacity(EVENTS);
    let aborted = loop {
        let now = Instant::now();
        if let Some(end) = run.step(now) {
            break end.err();
        }
        run.driver.flush();
        let timeout = run.timeout(Instant::now());
        if let Err(e) = run.driver.turn(&mut events, timeout) {
            break Some(e);
        }
    };
    // The last words, such as a leave that nobody answers.
    run.driver.flush();
    Ok(run.outcome(aborted))
}

impl Run<'_> {
    /// What time and progress ask for; the end when it has come, and why if before its time.
    fn step(&mut self, now: Instant) -> Option<Result<(), String>> {
        self.phases(now);
        self.driver.connect(now);
        if self.claims.due(now) {
            self.driver.conversation.claim_all();
        }
        self.driver.conversation.send_due(now);
        self.heartbeats(now);
        if self.samples.due(now) {
            self.sample(now);
            self.show_progress();
        }
        self.end(now)
    }

    fn phases(&mut self, now: Instant) {
        let conversation = &mut self.driver.conversation;
        let counts = conversation.counts;
        let teachers_in = counts.teachers_joined == self.options.teachers;
        let limit = if teachers_in { conversation.users.len() } else { self.options.teachers };
        self.driver.connector.allow(limit);
        if conversation.stats.first_ready.is_some() {
            self.mark(|track| &mut track.messaging);
        }
        let students_in = counts.students_ready + counts.students_lost >= self.options.students;
        if teachers_in && students_in && self.everybody_ready.is_none() {
            self.everybody_ready = Some(now);
            self.mark(|track| &mut track.connected);
            if !self.options.idle {
                self.driver.conversation.begin_pings(now);
            }
        }
        if self.driver.conversation.stats.assigned.len() >= self.options.students as u64 {
            self.everybody_assigned.get_or_insert(now);
        }
        if self.time_is_up(now) && !self.options.idle {
            self.closing.get_or_insert(now);
            self.driver.conversation.close(now);
        }
    }

    fn time_is_up(&self, now: Instant) -> bool {
        let ready = self.everybody_ready;
        ready.zip(self.options.duration).is_some_and(|(ready, duration)| now >= ready + duration)
    }

    /// Notes both processes' use at a turning point, once.
    fn mark(&mut self, point: impl Fn(&mut Track) -> &mut Option<Usage>) {
        for watch in [&mut self.server, &mut self.client].into_iter().flatten() {
            let at = point(&mut watch.track);
            if at.is_none() {
                *at = watch.process.usage();
            }
        }
    }

    fn end(&mut self, now: Instant) -> Option<Result<(), String>> {
        let conversation = &mut self.driver.conversation;
        let counts = conversation.counts;
        if self.options.idle && self.everybody_ready.is_some() {
            return (self.driver.interrupted || self.time_is_up(now)).then_some(Ok(()));
        }
        if self.driver.interrupted {
            return Some(Err(format!("interrupted: {}", conversation.standing())));
        }
        if !self.options.idle && conversation.is_over() {
            return Some(Ok(()));
        }
        if let Some(limit) = self.options.time_limit.filter(|limit| now - self.began > *limit) {
            return Some(Err(format!("cut at {} s: {}", limit.as_secs_f64(), conversation.standing())));
        }
        let none_left = counts.teachers_lost == self.options.teachers;
        let cannot_begin = counts.teachers_joined < self.options.teachers && counts.teachers_lost > 0;
        if self.options.teachers > 0 && (none_left || cannot_begin) {
            return Some(Err(format!("teachers failed: {}", conversation.standing())));
        }
        if self.options.students > 0 && conversation.all_students_gone() {
            let since = *self.students_gone.get_or_insert(now);
            if now - since > GRACE {
                conversation.stats.error("unfinished", || "teachers heard nothing of a chat's end".into());
                return Some(Ok(()));
            }
        }
        (now - conversation.stats.last_progress > self.options.timeout).then(|| {
            let seconds = self.options.timeout.as_secs_f64();
            Err(format!("no progress for {seconds} s: {}", conversation.standing()))
        })
    }

    /// Sends each connection a heartbeat in its turn, so that they never come all at once.
    fn heartbeats(&mut self, now: Instant) {
        let users = self.driver.conversation.users.len() as u64;
        let turns = (now - self.began).as_secs_f64() / self.options.mode.heartbeat_interval().as_secs_f64();
        let due = (turns * users as f64) as u64;
        while self.beats < due {
            self.driver.conversation.heartbeat((self.beats % users) as usize);
            self.beats += 1;
        }
    }

    fn sample(&mut self, now: Instant) {
        let usage = |watch: &Option<Watch>| match watch {
            Some(watch) if Process::CHEAP => watch.process.usage(),
            _ => None,
        };
        let (server, client) = (usage(&self.server), usage(&self.client));
        let stats = &mut self.driver.conversation.stats;
        let recent = &stats.recent;
        let quantile = |q| {
            if recent.is_empty() { 0 } else { recent.value_at_quantile(q) }
        };
        let sample = Sample {
            at: (now - self.began).as_secs_f64(),
            messages: stats.messages,
            p50: quantile(0.5),
            p99: quantile(0.99),
            server,
            client,
        };
        stats.samples.push(sample);
        stats.recent.reset();
    }

    fn show_progress(&self) {
        let conversation = &self.driver.conversation;
        let samples = &conversation.stats.samples;
        let served = conversation.stats.served;
        if served > 0 || (self.everybody_ready.is_some() && !self.options.idle) {
            self.progress.show(served, "served", samples);
        } else {
            self.progress.show(conversation.counts.students_ready, "connected", samples);
        }
    }

    fn timeout(&self, now: Instant) -> Duration {
        let conversation = &self.driver.conversation;
        let mut wait = self.samples.next.saturating_duration_since(now);
        if !self.options.idle && conversation.counts.teachers_joined > 0 {
            wait = wait.min(self.claims.next.saturating_duration_since(now));
        }
        let exact = [conversation.next_send(now), self.driver.connector.wait(now)];
        for due in exact.into_iter().flatten() {
            wait = wait.min(if due < POLL_TICK { Duration::ZERO } else { due - POLL_TICK });
        }
        wait
    }

    fn outcome(mut self, aborted: Option<String>) -> Outcome {
        let ended = Instant::now();
        self.sample(ended);
        self.progress.finish();
        if self.options.idle {
            for watch in [&mut self.server, &mut self.client].into_iter().flatten() {
                watch.track.connected = watch.process.usage();
            }
        }
        let finish = |watch: Option<Watch>| {
            watch.map(|Watch { process, mut track }| {
                track.after = process.usage().unwrap_or(track.after);
                track
            })
        };
        let since = |moment: Instant| (moment - self.began).as_secs_f64();
        let steady = self.everybody_assigned.zip(self.closing).map(|(from, to)| (since(from), since(to)));
        let stats = self.driver.conversation.stats;
        Outcome {
            connections: stats.connect.len() as usize,
            stats,
            began: self.began,
            ended,
            server: finish(self.server),
            client: finish(self.client),
            steady,
            aborted,
        }
    }
}
