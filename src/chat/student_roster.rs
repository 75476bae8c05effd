//! The students who are on line, and the queue in which they wait.

use std::ops::Deref;

use super::chat_log::ChatKey;
use super::id::{ClientId, UserId};
use super::key_set::KeySet;
use super::roster::{Identified, Key, Roster};
use crate::Millis;

/// Where a student stands in the roster.
pub type StudentKey = Key;

/// What a student is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudentState {
    /// Connected and not ready yet: counted nowhere, as in ElixirChat between join and `student:ready`.
    Connected,
    /// In the queue since this time, between these two neighbours.
    Waiting { since: Millis, ahead: Option<StudentKey>, behind: Option<StudentKey> },
    /// In this chat.
    Chatting(ChatKey),
    /// The chat is over and the student has not left.
    Finished,
}

/// A student who is on line.
#[derive(Debug)]
pub struct Student {
    pub id: UserId,
    /// The client that holds this user.
    pub client: ClientId,
    /// This student's place in the list of its client's users.
    pub place: u32,
    state: StudentState,
}

impl Student {
    /// A student who has connected and is not ready yet.
    pub fn new(id: UserId, client: ClientId) -> Student {
        Student { id, client, place: 0, state: StudentState::Connected }
    }

    /// What the student is doing.
    pub fn state(&self) -> StudentState {
        self.state
    }
}

impl Identified for Student {
    fn id(&self) -> &UserId {
        &self.id
    }
}

/// Students by state; `total` is those who have been ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct StudentCounts {
    pub total: usize,
    pub waiting: usize,
    pub chatting: usize,
    pub finished: usize,
}

/// node-chat-server's `StudentRoster`, with the queue as a list through the students themselves, so
/// that joining it, leaving from its middle and taking its head cost the same however many wait.
#[derive(Debug, Default)]
pub struct StudentRoster {
    roster: Roster<Student>,
    first: Option<StudentKey>,
    last: Option<StudentKey>,
    /// Those who are not just connected.
    ready: KeySet,
    counts: StudentCounts,
    changes: u64,
}

impl StudentRoster {
    /// Adds a student who has connected.
    pub fn insert(&mut self, student: Student) -> StudentKey {
        self.roster.insert(student)
    }

    /// Takes a student off the roster, and out of the queue.
    pub fn remove(&mut self, key: StudentKey) -> Student {
        self.set_state(key, StudentState::Connected);
        self.roster.remove(key)
    }

    /// Puts a student at the end of the queue; one who waits already keeps the place.
    pub fn wait(&mut self, key: StudentKey, now: Millis) {
        if matches!(self.get(key).state, StudentState::Waiting { .. }) {
            return;
        }
        self.set_state(key, StudentState::Waiting { since: now, ahead: self.last, behind: None });
    }

    /// The student who has waited longest.
    pub fn next_waiting(&self) -> Option<StudentKey> {
        self.first
    }

    /// Since when the first in the queue has waited; `None` if the queue is empty.
    pub fn oldest_wait(&self) -> Option<Millis> {
        match self.roster.get(self.first?).state {
            StudentState::Waiting { since, .. } => Some(since),
            _ => None,
        }
    }

    /// Puts a student into a chat.
    pub fn assign(&mut self, key: StudentKey, chat: ChatKey) {
        self.set_state(key, StudentState::Chatting(chat));
    }

    /// Marks a student's chat as over.
    pub fn chat_finished(&mut self, key: StudentKey) {
        self.set_state(key, StudentState::Finished);
    }

    /// Remembers where a student stands in the list of its client's users.
    pub fn set_place(&mut self, key: StudentKey, place: u32) {
        self.roster.get_mut(key).place = place;
    }

    /// How many are in each state.
    pub fn counts(&self) -> StudentCounts {
        self.counts
    }

    /// Grows with each change of a count: the same number means the same counts.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The waiting students, first come first.
    pub fn queue(&self) -> impl Iterator<Item = StudentKey> {
        std::iter::successors(self.first, |&key| match self.roster.get(key).state {
            StudentState::Waiting { behind, .. } => behind,
            _ => None,
        })
    }

    /// The students who have been ready, in no particular order.
    pub fn ready(&self) -> impl Iterator<Item = &Student> {
        self.ready.iter().map(|key| self.roster.get(key))
    }

    fn set_state(&mut self, key: StudentKey, state: StudentState) {
        let before = std::mem::replace(&mut self.roster.get_mut(key).state, state);
        if let StudentState::Waiting { ahead, behind, .. } = before {
            self.unlink(ahead, behind);
        }
        if let StudentState::Waiting { ahead, .. } = state {
            *self.behind(ahead) = Some(key);
            self.last = Some(key);
        }
        if before != state {
            self.count(before, |n| *n -= 1);
            self.count(state, |n| *n += 1);
            if before == StudentState::Connected {
                self.ready.insert(key);
            } else if state == StudentState::Connected {
                self.ready.remove(key);
            }
            self.changes += 1;
        }
    }

    fn unlink(&mut self, ahead: Option<StudentKey>, behind: Option<StudentKey>) {
        *self.behind(ahead) = behind;
        *self.ahead(behind) = ahead;
    }

    /// The link from `key`, or from the queue's head, to the student behind.
    fn behind(&mut self, key: Option<StudentKey>) -> &mut Option<StudentKey> {
        match key.map(|key| &mut self.roster.get_mut(key).state) {
            Some(StudentState::Waiting { behind, .. }) => behind,
            _ => &mut self.first,
        }
    }

    /// The link from `key`, or from the queue's end, to the student ahead.
    fn ahead(&mut self, key: Option<StudentKey>) -> &mut Option<StudentKey> {
        match key.map(|key| &mut self.roster.get_mut(key).state) {
            Some(StudentState::Waiting { ahead, .. }) => ahead,
            _ => &mut self.last,
        }
    }

    fn count(&mut self, state: StudentState, change: impl Fn(&mut usize)) {
        let counts = &mut self.counts;
        change(match state {
            StudentState::Connected => return,
            StudentState::Waiting { .. } => &mut counts.waiting,
            StudentState::Chatting(_) => &mut counts.chatting,
            StudentState::Finished => &mut counts.finished,
        });
        change(&mut counts.total);
    }
}

impl Deref for StudentRoster {
    type Target = Roster<Student>;

    fn deref(&self) -> &Roster<Student> {
        &self.roster
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(students: u64) -> StudentRoster {
        let client = ClientId { slot: 0, generation: 0 };
        let mut roster = StudentRoster::default();
        for id in 0..students {
            roster.insert(Student::new(id.into(), client));
        }
        roster
    }

    fn ready(roster: &StudentRoster) -> Vec<u64> {
        let mut ids: Vec<_> = roster.ready().map(|student| student.id.text().parse().unwrap()).collect();
        ids.sort_unstable();
        ids
    }

    fn queue(roster: &StudentRoster) -> Vec<StudentKey> {
        roster.queue().collect()
    }

    #[test]
    fn first_come_first_served() {
        let mut roster = roster(4);
        assert_eq!(roster.oldest_wait(), None);
        for (now, key) in [2, 0, 3, 1].into_iter().enumerate() {
            roster.wait(key, now as u64);
            roster.wait(key, 99);
        }
        assert_eq!(queue(&roster), [2, 0, 3, 1]);
        assert_eq!(roster.oldest_wait(), Some(0));
        roster.assign(2, 9);
        assert_eq!((roster.next_waiting(), roster.oldest_wait()), (Some(0), Some(1)));
    }

    #[test]
    fn leaves_from_anywhere_in_the_queue() {
        for leaver in 0..4 {
            let mut roster = roster(4);
            (0..4).for_each(|key| roster.wait(key, 0));
            roster.remove(leaver);
            let rest: Vec<_> = (0..4).filter(|&key| key != leaver).collect();
            assert_eq!(ready(&roster), rest.iter().map(|&key| u64::from(key)).collect::<Vec<_>>());
            assert_eq!(queue(&roster), rest);
            let newcomer = roster.insert(Student::new(9.into(), ClientId { slot: 1, generation: 0 }));
            roster.wait(newcomer, 0);
            assert_eq!(queue(&roster), [rest, vec![newcomer]].concat());
        }
    }

    #[test]
    fn counts_follow_every_state() {
        let mut roster = roster(2);
        assert_eq!(roster.counts(), StudentCounts::default());
        roster.wait(0, 0);
        roster.wait(1, 0);
        roster.assign(0, 5);
        assert_eq!(roster.counts(), StudentCounts { total: 2, waiting: 1, chatting: 1, finished: 0 });
        roster.chat_finished(0);
        roster.remove(1);
        assert_eq!(roster.counts(), StudentCounts { total: 1, waiting: 0, chatting: 0, finished: 1 });
        roster.wait(0, 0);
        assert_eq!((queue(&roster), ready(&roster)), (vec![0], vec![0]));
        roster.remove(0);
        assert!(ready(&roster).is_empty());
        assert_eq!(roster.counts(), StudentCounts::default());
    }
}
