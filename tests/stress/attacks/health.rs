//! Healthy users during the attacks: pairs that send on a fixed schedule, and users who arrive.

use std::any::Any;
use std::ops::RangeFrom;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::healthy_pairs::{PAIRS, meet};
use crate::support::user::{CLIENT_KINDS, User};
use crate::support::{Server, wait_until};

/// The user ids of the pairs.
pub const FIRST_ID: u64 = 1_000_000_000;
pub const LAST_ID: u64 = FIRST_ID + PAIRS.len() as u64 - 1;
/// The user ids of arriving users begin here.
pub const FIRST_ARRIVAL: u64 = 2_000_000_000;
/// Between two arrivals, so that they are not the load.
const BETWEEN_NEWCOMERS: Duration = Duration::from_millis(200);
/// A thread of this name prints no panic: the failure is in the result.
pub const QUIET: &str = "healthy user";

/// Healthy pairs.
pub struct Health {
    stop: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
    threads: Vec<JoinHandle<()>>,
}

/// What has become of the pairs' messages.
#[derive(Default)]
pub struct Record {
    /// How long each message and its answer took, from the time that it was to be sent at.
    pub round_trips: Vec<Duration>,
    /// Up to when each pair has had its answers.
    until: [Option<Instant>; PAIRS.len()],
    /// The pairs that a message was lost of, and why.
    pub lost: Vec<String>,
}

impl Record {
    fn note(&mut self, pair: usize, due: Instant) {
        self.round_trips.push(due.elapsed());
        self.until[pair] = Some(due);
    }

    /// Whether each pair has had the answers to all that was to be sent by then, or is lost.
    fn is_up_to(&self, time: Instant) -> bool {
        let behind = self.until.iter().filter(|until| until.is_none_or(|until| until < time));
        behind.count() <= self.lost.len()
    }

    /// The time that this percentage of round trips took at the most; none if there were none.
    pub fn percentile(&mut self, percent: usize) -> Option<Duration> {
        self.round_trips.sort_unstable();
        let last = self.round_trips.len().checked_sub(1)?;
        self.round_trips.get(last * percent / 100).copied()
    }
}

impl Health {
    /// Ten pairs, each of which sends a message and its answer once in a period. No other student may be in the
    /// queue.
    pub fn start(server: &Server, period: Duration) -> Health {
        let stop = Arc::new(AtomicBool::new(false));
        let record = Arc::new(Mutex::new(Record::default()));
        let pairs: Vec<_> =
            PAIRS.iter().zip(FIRST_ID..).map(|(&kinds, id)| meet(server, kinds, id)).collect();
        let begin = Instant::now();
        let threads: Vec<_> = pairs
            .into_iter()
            .enumerate()
            .map(|(index, pair)| {
                // Not all at once.
                let begin = begin + period * index as u32 / PAIRS.len() as u32;
                let (stop, record) = (stop.clone(), record.clone());
                quiet(move || {
                    let talking = quiet({
                        let record = record.clone();
                        move || {
                            talk(pair, begin, period, &stop, &|due| record.lock().unwrap().note(index, due))
                        }
                    });
                    if let Err(why) = talking.join() {
                        record.lock().unwrap().lost.push(format!("{:?}: {}", PAIRS[index], words(&*why)));
                    }
                })
            })
            .collect();
        Health { stop, record, threads }
    }

    /// Waits until all that was to be sent by now has been answered, which belongs to what went before.
    pub fn catch_up(&self) {
        let now = Instant::now();
        wait_until("the pairs catch up, or fail", || self.record.lock().unwrap().is_up_to(now));
    }

    /// What there is to tell since this was asked last.
    pub fn take(&self) -> Record {
        std::mem::take(&mut self.record.lock().unwrap())
    }

    pub fn finish(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("it only waits for the other"));
        std::mem::take(&mut self.record.lock().unwrap())
    }
}

fn quiet<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new().name(QUIET.into()).spawn(what).expect("a thread")
}

/// What a thread failed of.
fn words(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().cloned();
    text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// A message and its answer each period. One that comes late makes the next ones late too, which counts.
fn talk(
    (mut teacher, mut student): (User, User),
    begin: Instant,
    period: Duration,
    stop: &AtomicBool,
    note: &dyn Fn(Instant),
) {
    for number in 0.. {
        let due = begin + period * number as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            teacher.leave();
            student.leave();
            return;
        }
        teacher.send_number(number, 0);
        student.expect_number(number);
        student.send_number(number, 0);
        teacher.expect_number(number);
        note(due);
    }
}

/// Users of every kind who came, one after the other, and left.
#[derive(Default)]
pub struct Arrivals {
    /// How many got in, of each kind.
    pub came: [usize; CLIENT_KINDS.len()],
    pub slowest: Duration,
    /// Who did not get in, and why.
    pub refused: Vec<String>,
}

impl Arrivals {
    /// A teacher and a student of each kind come, all at once, again and again until this time, and at least
    /// once. `ids` are theirs.
    pub fn until(server: &Server, end: Instant, ids: &mut RangeFrom<u64>) -> Arrivals {
        let mut arrivals = Arrivals::default();
        loop {
            arrivals.arrive(server, ids);
            if Instant::now() >= end {
                return arrivals;
            }
            thread::sleep(BETWEEN_NEWCOMERS);
        }
    }

    fn arrive(&mut self, server: &Server, ids: &mut RangeFrom<u64>) {
        let come = |kind, id| {
            let begin = Instant::now();
            User::teacher(server, kind, id).leave();
            User::student(server, kind, id).leave();
            begin.elapsed()
        };
        thread::scope(|scope| {
            let threads: Vec<_> = CLIENT_KINDS
                .iter()
                .zip(ids)
                .map(|(&kind, id)| {
                    let thread = thread::Builder::new().name(QUIET.into());
                    thread.spawn_scoped(scope, move || come(kind, id)).expect("a thread")
                })
                .collect();
            for ((kind, came), thread) in CLIENT_KINDS.iter().zip(&mut self.came).zip(threads) {
                match thread.join() {
                    Ok(time) => {
                        *came += 1;
                        self.slowest = self.slowest.max(time);
                    }
                    Err(why) => self.refused.push(format!("{kind}: {}", words(&*why))),
                }
            }
        });
    }
}
