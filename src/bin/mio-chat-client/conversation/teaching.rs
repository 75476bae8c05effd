//! A teacher's part: claim, ask, and end the chat.

use std::time::Instant;

use super::{Conversation, Stage};
use crate::messages;
use crate::protocols::Role;

impl Conversation {
    /// Every teacher with room asks for a student, if somebody waits for all that is known.
    pub fn claim_all(&mut self) {
        if self.claims && self.waiting != Some(0) {
            for user in 0..self.teachers {
                self.claim(user);
            }
        }
    }

    fn claim(&mut self, user: usize) {
        let teacher = &self.users[user];
        let room = teacher.stage == Stage::Teaching && teacher.chats < self.students_per_teacher;
        if room && self.claims && self.waiting != Some(0) {
            self.say(user, |protocol, who, out| protocol.claim(who, out));
        }
    }

    /// A teacher's chat ended, as asked or not; there is room for another.
    pub(super) fn chat_over(&mut self, user: usize, whole: bool) {
        if whole {
            self.stats.chats += 1;
        } else {
            self.wrong(user, "cut_short", "the chat ended before its last message");
        }
        self.users[user].chats -= 1;
        self.claim(user);
    }

    /// Both are in the chat: the teacher begins.
    pub(super) fn chat_ready(&mut self, user: usize, id: &str, now: Instant) {
        let Some(key) = self.own_chat(user, id, "ready") else {
            return;
        };
        self.stats.first_ready.get_or_insert(now);
        if self.users[user].identity.role == Role::Teacher {
            if self.chats.get(key).sent > 0 {
                return self.wrong(user, "unexpected", "ready twice");
            }
            self.next_message(key, now);
        }
    }

    /// The answer to a teacher's message arrived.
    pub(super) fn answer(&mut self, user: usize, key: usize, said: &str, now: Instant) {
        let chat = self.chats.get(key);
        let count = chat.answered + 1;
        let student = chat.student.map(|side| self.users[side.user].identity.id);
        match student {
            Some(id) => self.words.student(count, id, self.message_size),
            None => self.words.some_student(count),
        };
        if count > chat.sent || !self.words.are(said, student.is_some()) {
            let expected = format!("{said:?} instead of {:?}", self.words.text());
            return self.wrong(user, messages::difference(said), &expected);
        }
        let time = now.saturating_duration_since(chat.sent_at);
        self.chats.get_mut(key).answered = count;
        self.stats.message(now);
        self.stats.round_trip(time);
        if count >= self.message_count || self.closing {
            self.terminate(key);
        } else {
            self.next_message(key, now);
        }
    }

    /// Sends at once, or when the pacer says so.
    fn next_message(&mut self, key: usize, now: Instant) {
        match &mut self.pacer {
            Some(pacer) if !self.closing => {
                pacer.start(now);
                self.chats.get_mut(key).idle = true;
                self.idle_chats.push_back(key);
            }
            _ => self.send(key, now),
        }
    }

    /// Sends what the pacer's schedule asks for, as far as chats are free to send.
    pub fn send_due(&mut self, now: Instant) {
        let Some(pacer) = &mut self.pacer else { return };
        let mut due = Vec::new();
        while let Some(key) = self.idle_chats.front() {
            let Some(intended) = pacer.take(now) else {
                break;
            };
            due.push((*key, intended));
            self.idle_chats.pop_front();
        }
        for (key, intended) in due {
            self.chats.get_mut(key).idle = false;
            self.send(key, intended);
        }
    }

    fn send(&mut self, key: usize, intended: Instant) {
        let chat = self.chats.get_mut(key);
        chat.sent += 1;
        chat.sent_at = intended;
        self.words.teacher(chat.sent, self.message_size);
        self.say_in_chat(key, Role::Teacher, |protocol, who, chat, words, out| {
            protocol.send(who, chat, words.text(), out);
        });
    }

    pub(super) fn terminate(&mut self, key: usize) {
        let chat = self.chats.get_mut(key);
        chat.idle = false;
        chat.terminating = true;
        self.say_in_chat(key, Role::Teacher, |protocol, who, chat, _, out| {
            protocol.terminate(who, chat, out);
        });
    }
}
