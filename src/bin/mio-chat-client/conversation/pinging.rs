//! Pings instead of a conversation: each teacher sends one as soon as it has the answer to the last.

use std::time::Instant;

use super::{Conversation, Stage};

/// How far one user has come with its pings.
#[derive(Debug, Clone, Copy)]
pub struct Pings {
    answered: u32,
    /// When the ping was sent that is not answered yet.
    sent_at: Option<Instant>,
}

impl Pings {
    pub const NONE: Self = Self { answered: 0, sent_at: None };
}

impl Conversation {
    /// Everybody is connected: the first pings go out.
    pub fn begin_pings(&mut self, now: Instant) {
        for user in 0..self.pings.len() {
            if self.users[user].stage == Stage::Teaching {
                self.stats.first_ready.get_or_insert(now);
                self.ping(user, now);
            }
        }
    }

    fn ping(&mut self, user: usize, now: Instant) {
        self.pings[user].sent_at = Some(now);
        self.say(user, |protocol, who, out| protocol.ping(who, out));
    }

    pub(super) fn pong(&mut self, user: usize, now: Instant) {
        let Some(sent_at) = self.pings.get_mut(user).and_then(|pings| pings.sent_at.take()) else {
            return self.wrong(user, "unexpected", "a pong without a ping");
        };
        self.stats.message(now);
        self.stats.round_trip(now.saturating_duration_since(sent_at));
        let pings = &mut self.pings[user];
        pings.answered += 1;
        if pings.answered >= self.message_count || self.closing {
            self.users[user].stage = Stage::Gone;
            self.counts.teachers_done += 1;
        } else {
            self.ping(user, now);
        }
    }
}
