//! Deadlines, one a slot, in a timing wheel: setting, moving and cancelling one takes constant time, and
//! nothing walks all of them.

use crate::Millis;

/// How exact a deadline is, in milliseconds: it is never early, and at most this late.
const TICK: Millis = 100;
/// Ticks until the wheel comes round. A deadline beyond is looked at once a round.
const BUCKETS: usize = 1024;
const NONE: u32 = u32::MAX;

/// The deadlines of a slab's slots.
#[derive(Debug)]
pub struct Timers {
    /// The first slot of each bucket's list.
    buckets: Vec<u32>,
    /// By slot: its neighbours in the bucket's list.
    links: Vec<Link>,
    /// The last tick that was looked at.
    tick: u64,
    /// No deadline is due before this tick.
    earliest: u64,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    bucket: u32,
    previous: u32,
    next: u32,
}

const UNSET: Link = Link { bucket: NONE, previous: NONE, next: NONE };

impl Timers {
    /// No deadlines, at this time.
    pub fn new(now: Millis) -> Timers {
        Timers { buckets: vec![NONE; BUCKETS], links: Vec::new(), tick: now / TICK, earliest: u64::MAX }
    }

    /// Sets a slot's only deadline.
    pub fn set(&mut self, slot: u32, deadline: Millis) {
        self.cancel(slot);
        let soonest = self.tick + 1;
        let latest = self.tick + BUCKETS as u64 - 1;
        let tick = deadline.div_ceil(TICK).clamp(soonest, latest);
        self.earliest = self.earliest.min(tick);
        let bucket = tick as usize % BUCKETS;
        let next = std::mem::replace(&mut self.buckets[bucket], slot);
        if next != NONE {
            self.links[next as usize].previous = slot;
        }
        if self.links.len() <= slot as usize {
            self.links.resize(slot as usize + 1, UNSET);
        }
        self.links[slot as usize] = Link { bucket: bucket as u32, previous: NONE, next };
    }

    /// Forgets a slot's deadline, if it has one.
    pub fn cancel(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else {
            return;
        };
        let Link { bucket, previous, next } = std::mem::replace(link, UNSET);
        if bucket == NONE {
            return;
        }
        match previous {
            NONE => self.buckets[bucket as usize] = next,
            previous => self.links[previous as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
    }

    /// Takes the slots that are due, and with them those whose deadline was beyond the wheel: the owner
    /// knows the deadline and sets it again. If more than `most` are due, the rest is due at once.
    pub fn expire(&mut self, now: Millis, most: usize) -> Vec<u32> {
        let mut due = Vec::new();
        let now = now / TICK;
        if now < self.earliest {
            self.tick = self.tick.max(now);
            return due;
        }
        let first = self.earliest.max(self.tick + 1);
        for tick in first..=now.min(first + BUCKETS as u64 - 1) {
            while self.buckets[tick as usize % BUCKETS] != NONE {
                if due.len() == most {
                    self.tick = self.tick.max(tick - 1);
                    self.earliest = tick;
                    return due;
                }
                let slot = self.buckets[tick as usize % BUCKETS];
                self.cancel(slot);
                due.push(slot);
            }
        }
        self.tick = self.tick.max(now);
        let rest = self.tick + 1..self.tick + BUCKETS as u64;
        let is_set = |tick: &u64| self.buckets[*tick as usize % BUCKETS] != NONE;
        self.earliest = rest.into_iter().find(is_set).unwrap_or(u64::MAX);
        due
    }

    /// When to look again; no deadline is due before.
    pub fn next(&self) -> Option<Millis> {
        (self.earliest != u64::MAX).then(|| self.earliest * TICK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expired(timers: &mut Timers, now: Millis) -> Vec<u32> {
        let mut due = timers.expire(now, usize::MAX);
        due.sort_unstable();
        due
    }

    #[test]
    fn never_early_and_at_most_a_tick_late() {
        for deadline in [1050, 1100, 1101, 60_000] {
            let mut timers = Timers::new(1000);
            timers.set(3, deadline);
            assert!(expired(&mut timers, deadline - 1).is_empty());
            let next = timers.next().unwrap();
            assert!((deadline..deadline + TICK).contains(&next), "{deadline} {next}");
            assert_eq!(expired(&mut timers, next), [3]);
            assert_eq!(timers.next(), None);
        }
    }

    #[test]
    fn moves_and_cancels() {
        let mut timers = Timers::new(0);
        for slot in 0..5 {
            timers.set(slot, 1000);
        }
        timers.cancel(2);
        timers.cancel(2);
        timers.cancel(99);
        timers.set(4, 2000);
        assert_eq!(expired(&mut timers, 1000), [0, 1, 3]);
        assert_eq!(expired(&mut timers, 2000), [4]);
    }

    #[test]
    fn a_deadline_beyond_the_wheel_is_handed_back_in_time() {
        let mut timers = Timers::new(0);
        let far = 5 * TICK * BUCKETS as u64;
        timers.set(0, far);
        let mut now = 0;
        while now < far {
            now = timers.next().unwrap();
            assert_eq!(expired(&mut timers, now), [0]);
            timers.set(0, far);
        }
    }

    #[test]
    fn a_long_sleep_misses_nothing() {
        let mut timers = Timers::new(0);
        for slot in 0..1000 {
            timers.set(slot, u64::from(slot) * 97);
        }
        assert_eq!(expired(&mut timers, 10_000_000).len(), 1000);
    }

    #[test]
    fn agrees_with_a_list_over_random_steps() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut timers = Timers::new(0);
        let mut list = std::collections::BTreeMap::new();
        let mut now = 0;
        for _ in 0..20_000 {
            let slot = random.u32(0..50);
            match random.u32(0..4) {
                0 => {
                    timers.cancel(slot);
                    list.remove(&slot);
                }
                1 => {
                    now += random.u64(0..500);
                    let due = expired(&mut timers, now);
                    for slot in due {
                        assert!(list.remove(&slot).unwrap() <= now);
                    }
                    assert!(list.values().all(|&deadline| deadline + TICK > now));
                }
                _ => {
                    let deadline = now + random.u64(0..90_000);
                    timers.set(slot, deadline);
                    list.insert(slot, deadline);
                }
            }
        }
    }

    #[test]
    fn what_is_due_at_once_can_be_taken_in_parts() {
        let mut timers = Timers::new(0);
        (0..250).for_each(|slot| timers.set(slot, if slot < 200 { 1000 } else { 1500 }));
        let mut due = Vec::new();
        for expected in [100, 100, 50, 0] {
            assert!(due.len() == 250 || timers.next().is_some_and(|next| next <= 2000));
            let part = timers.expire(2000, 100);
            assert_eq!(part.len(), expected);
            due.extend(part);
        }
        due.sort_unstable();
        assert_eq!(due, (0..250).collect::<Vec<_>>());
        assert_eq!(timers.next(), None);
    }
}
