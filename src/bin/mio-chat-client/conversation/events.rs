//! What each event from the server does.

use std::time::Instant;

use super::{Conversation, Stage};
use crate::messages;
use crate::protocols::{Event, Role};
use crate::stats;

impl Conversation {
    /// A frame's text arrived for a user: a message, or several.
    pub fn text(&mut self, user: usize, mut text: &str, now: Instant) {
        loop {
            let event = self.protocol.decode(&mut self.users[user].identity, &mut text);
            self.event(user, event, now);
            if text.is_empty() {
                return;
            }
        }
    }

    fn event(&mut self, user: usize, event: Event<'_>, now: Instant) {
        if !matches!(event, Event::Nothing | Event::Released | Event::Foreign(_) | Event::Status { .. }) {
            self.stats.last_progress = now;
        }
        match event {
            Event::Message { chat, text } => self.message(user, chat, &text, now),
            Event::Asks(answer) => self.outbox.text(user, answer),
            Event::Named => {
                self.say(user, |protocol, who, out| protocol.hold(who, out));
                self.say(user, |protocol, who, out| protocol.listen(who, out));
            }
            Event::Released => self.say(user, |protocol, who, out| protocol.hold(who, out)),
            Event::Joined => self.joined(user, now),
            Event::NewChat { chat } => self.new_chat(user, &chat, now),
            Event::Entered { chat } => self.entered(user, chat),
            Event::Ready { chat } => self.chat_ready(user, chat, now),
            Event::Terminated { chat } => self.terminated(user, chat, now),
            Event::Left => self.left(user),
            Event::Status { students, waiting } => {
                self.waiting = Some(waiting);
                self.nobody_left |= students == 0;
            }
            Event::Pong => self.pong(user, now),
            Event::Nothing => {}
            Event::Foreign(what) => self.foreign(user, "foreign", format_args!("{what}")),
            Event::Refused(reason) => self.wrong(user, "refused", &reason),
            Event::Unexpected(what) => self.wrong(user, "unexpected", &what),
        }
    }

    /// Counts something that should not have come to a user.
    pub fn wrong(&mut self, user: usize, kind: &'static str, what: &str) {
        let who = &self.users[user].identity;
        self.stats.error(kind, || format!("{:?} {}: {what}", who.role, who.id));
    }

    /// The same for what is meant for others, which a server that tells everybody everything is known to send.
    fn foreign(&mut self, user: usize, kind: &'static str, what: std::fmt::Arguments<'_>) {
        if !self.protocol.hears_everything() {
            self.wrong(user, kind, &what.to_string());
        }
    }

    fn joined(&mut self, user: usize, now: Instant) {
        if self.users[user].stage != Stage::Joining {
            return self.wrong(user, "unexpected", "joined twice");
        }
        match self.users[user].identity.role {
            Role::Teacher => {
                self.users[user].stage = Stage::Teaching;
                if self.pings.is_empty() {
                    self.say(user, |protocol, who, out| protocol.ready(who, out));
                }
                self.counts.teachers_joined += 1;
            }
            Role::Student => {
                self.wait(user, now);
                self.counts.students_ready += 1;
            }
        }
    }

    fn wait(&mut self, user: usize, now: Instant) {
        self.users[user].stage = Stage::Waiting;
        self.users[user].ready_at = now;
        self.say(user, |protocol, who, out| protocol.ready(who, out));
    }

    fn new_chat(&mut self, user: usize, id: &str, now: Instant) {
        let role = self.users[user].identity.role;
        let expected = match role {
            Role::Teacher => Stage::Teaching,
            Role::Student => Stage::Waiting,
        };
        let known = self.chats.find(id).map(|key| self.chats.get(key));
        let taken = known.is_some_and(|chat| match role {
            Role::Teacher => chat.teacher.is_some(),
            Role::Student => chat.student.is_some(),
        });
        if self.users[user].stage != expected || taken {
            return self.wrong(user, "unexpected", &format!("a new chat {id} out of turn"));
        }
        let key = self.chats.open(id, now);
        let mut join_ref = 0;
        self.say(user, |protocol, who, out| join_ref = protocol.enter(who, id, out));
        let side = Some(crate::chats::Side { user, join_ref });
        match role {
            Role::Teacher => {
                self.chats.get_mut(key).teacher = side;
                self.users[user].chats += 1;
                if self.users[user].chats > self.students_per_teacher {
                    self.wrong(user, "too_many_chats", "more chats than --studentsPerTeacher");
                }
            }
            Role::Student => {
                self.chats.get_mut(key).student = side;
                self.users[user].stage = Stage::Chatting;
                stats::record(&mut self.stats.assigned, now - self.users[user].ready_at);
            }
        }
    }

    /// The chat of that id if the user has a place in it.
    pub(super) fn own_chat(&mut self, user: usize, id: &str, what: &str) -> Option<usize> {
        let role = self.users[user].identity.role;
        let key = self.chats.find(id).filter(|key| {
            let chat = self.chats.get(*key);
            let side = match role {
                Role::Teacher => chat.teacher,
                Role::Student => chat.student,
            };
            side.is_some_and(|side| side.user == user)
        });
        if key.is_none() {
            self.foreign(user, "unknown_chat", format_args!("{what} in chat {id}, which is not open"));
        }
        key
    }

    fn entered(&mut self, user: usize, id: &str) {
        if let Some(key) = self.own_chat(user, id, "a join") {
            let role = self.users[user].identity.role;
            self.say_in_chat(key, role, |protocol, who, chat, _, out| protocol.entered(who, chat, out));
        }
    }

    fn message(&mut self, user: usize, id: &str, said: &str, now: Instant) {
        let Some(key) = self.own_chat(user, id, "a message") else {
            return;
        };
        match self.users[user].identity.role {
            Role::Teacher => self.answer(user, key, said, now),
            Role::Student => self.question(user, key, said, now),
        }
    }

    /// A teacher's message reached its student, who answers.
    fn question(&mut self, user: usize, key: usize, said: &str, now: Instant) {
        let chat = self.chats.get_mut(key);
        let count = chat.seen + 1;
        let same_process = chat.teacher.is_some();
        self.words.teacher(count, self.message_size);
        let asked = !same_process || count <= chat.sent;
        if !asked || !self.words.are(said, same_process) {
            let expected = format!("{said:?} instead of {:?}", self.words.text());
            return self.wrong(user, messages::difference(said), &expected);
        }
        chat.seen = count;
        // Socket.IO tells students nothing of the chat's being ready.
        self.stats.first_ready.get_or_insert(now);
        self.stats.message(now);
        self.words.student(count, self.users[user].identity.id, self.message_size);
        self.say_in_chat(key, Role::Student, |protocol, who, chat, words, out| {
            protocol.send(who, chat, words.text(), out);
        });
    }

    fn left(&mut self, user: usize) {
        if self.users[user].stage != Stage::Leaving {
            return self.wrong(user, "unexpected", "left without having asked");
        }
        self.users[user].stage = Stage::Gone;
        self.counts.students_gone += 1;
    }

    fn terminated(&mut self, user: usize, id: &str, now: Instant) {
        let Some(key) = self.own_chat(user, id, "an end") else {
            return;
        };
        let role = self.users[user].identity.role;
        self.say_in_chat(key, role, |protocol, who, chat, _, out| protocol.leave_chat(who, chat, out));
        let whole = self.chats.get(key).terminating;
        match role {
            Role::Teacher => {
                self.chats.get_mut(key).teacher = None;
                self.drop_if_left(key);
                self.chat_over(user, whole);
            }
            Role::Student => {
                // A teacher elsewhere does not say how much it wanted to send.
                let chat = self.chats.get_mut(key);
                let whole = whole || (chat.sent == 0 && chat.seen > 0);
                chat.student = None;
                self.drop_if_left(key);
                self.student_dismissed(user, whole, now);
            }
        }
    }

    fn student_dismissed(&mut self, user: usize, whole: bool, now: Instant) {
        if !whole {
            self.wrong(user, "cut_short", "the chat ended before its last message");
        } else if !std::mem::replace(&mut self.users[user].served, true) {
            self.stats.served += 1;
        }
        if self.come_back && !self.closing {
            return self.wait(user, now);
        }
        self.users[user].stage = Stage::Leaving;
        let mut answered = false;
        self.say(user, |protocol, who, out| answered = protocol.leave(who, out));
        if !answered {
            self.left(user);
        }
    }
}
