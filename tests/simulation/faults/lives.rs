//! What befalls users: they come, act, hear, lose their connections, and come again.

use mio_chat_server::Millis;

use super::frames;
use super::house::LinkId;
use super::network::{Piece, Pipe};
use super::user::{Scene, Stage, User};
use super::world::{Condition, Event, Link, World};

impl World {
    /// What has arrived at a client, unless its user has left that connection behind.
    pub fn deliver(&mut self, link: LinkId) {
        let index = self.links[link].user;
        if self.users[index].link != link {
            return;
        }
        if self.asleep_until[index] > self.now {
            return self.at(self.asleep_until[index], Event::Down(link));
        }
        while let Some(piece) = self.links[link].down.arrived(self.now) {
            let is_closed = match piece {
                Piece::Bytes(bytes) => self.with_user(index, |user, scene| user.receive(&bytes, scene)),
                Piece::Open | Piece::End => true,
            };
            if is_closed {
                return self.hang_up(index);
            }
        }
        self.send_up(index);
    }

    /// Lets a user do what it would do by now.
    pub fn act(&mut self, index: usize) {
        let asleep_until = self.asleep_until[index];
        if asleep_until > self.now {
            return self.at(asleep_until, Event::Act(index));
        }
        match self.users[index].stage {
            Stage::Away if self.is_over => {}
            Stage::Away => self.connect(index),
            stage => {
                let wants_to_go = self.with_user(index, |user, scene| {
                    user.retry(scene);
                    user.act(scene)
                });
                match stage {
                    Stage::Leaving if wants_to_go => self.hang_up(index),
                    _ if wants_to_go => self.depart(index),
                    _ => {}
                }
            }
        }
        self.send_up(index);
        let longest = if self.users[index].is_chatting() { 8_000 } else { 20_000 };
        let next = self.now + self.random.u64(500..longest);
        let next = next.min(self.users[index].heartbeat_at).max(self.now + 500);
        self.at(next, Event::Act(index));
    }

    fn connect(&mut self, index: usize) {
        let kind = self.users[index].speech.kind;
        let is_same = self.random.u32(0..10) < 7;
        let id = if is_same { self.users[index].speech.id.clone() } else { self.new_id() };
        let link = self.links.len();
        let latency = self.random.u64(1..120);
        let (up, down) = (Pipe::new(latency), Pipe::new(latency));
        self.links.push(Link { user: index, kind, condition: Condition::Healthy, up, down });
        let open = self.links[link].up.push(Piece::Open, self.now, &mut self.random);
        self.at(open, Event::Up(link));
        self.with_user(index, |user, scene| {
            user.connect(link, id, scene);
            if user.speech.is_phoenix() {
                user.opened(scene);
            }
        });
    }

    /// A user has done, and goes in one of the ways there are.
    fn depart(&mut self, index: usize) {
        self.worsen(index, Condition::Lost);
        self.ledger.lose(self.users[index].link);
        let way = self.random.u32(0..3);
        if way == 0 {
            return self.hang_up(index);
        }
        self.with_user(index, |user, scene| {
            if way == 1 {
                let text = user.speech.leave();
                user.say(&text, scene);
            }
            let code = if scene.random.bool() { &[3, 232][..] } else { &[] };
            let header = frames::header(frames::CLOSE, true, scene.random);
            frames::write(&mut user.outbound, &header, code);
            (user.stage, user.since) = (Stage::Leaving, scene.awake);
        });
    }

    /// A user has no connection any more; the other end of it may hear of that.
    fn hang_up(&mut self, index: usize) {
        let link = self.users[index].link;
        let end = self.links[link].up.push(Piece::End, self.now, &mut self.random);
        self.at(end, Event::Up(link));
        self.lose(index);
    }

    /// A user's connection is no more, and it comes back some time.
    pub fn lose(&mut self, index: usize) {
        self.worsen(index, Condition::Lost);
        self.ledger.lose(self.users[index].link);
        let user = &mut self.users[index];
        (user.stage, user.link) = (Stage::Away, usize::MAX);
        user.outbound.clear();
        self.asleep_until[index] = self.now + self.random.u64(500..60_000);
    }

    /// Something has come over a user's connection, or is going to.
    pub fn worsen(&mut self, index: usize, condition: Condition) {
        let link = self.users[index].link;
        let known = &mut self.links[link].condition;
        *known = condition.max(*known);
        self.ledger.spoil(link, condition == Condition::Faulty);
    }

    /// Lets a user do something where it is.
    pub fn with_user<T>(&mut self, index: usize, then: impl FnOnce(&mut User, &mut Scene) -> T) -> T {
        let awake = self.awake();
        let user = &mut self.users[index];
        let is_faulty = self.links.get(user.link).is_some_and(|link| link.condition == Condition::Faulty);
        let World { now, random, ledger, is_over, .. } = self;
        let mut scene = Scene { now: *now, awake, random, ledger, is_faulty, is_over: *is_over };
        then(user, &mut scene)
    }

    /// Sends off what a user has said.
    pub fn send_up(&mut self, index: usize) {
        let bytes = std::mem::take(&mut self.users[index].outbound);
        if bytes.is_empty() {
            return;
        }
        let link = self.users[index].link;
        for at in self.links[link].up.send(&bytes, self.now, &mut self.random) {
            self.at(at, Event::Up(link));
        }
    }

    /// A user's connection is cut, which the server learns some time.
    pub fn reset(&mut self, index: usize) {
        let link = self.users[index].link;
        self.cut(link);
        let later = self.now + self.random.u64(0..20_000);
        let end = self.links[link].up.push(Piece::End, later, &mut self.random);
        self.at(end, Event::Up(link));
        self.lose(index);
    }

    /// Nothing gets through a connection any more.
    pub fn cut(&mut self, link: LinkId) {
        self.links[link].up.cut(self.now, &mut self.random);
        self.links[link].down.cut(self.now, &mut self.random);
    }

    /// Something will come out of a user's connection by then.
    pub fn look_again(&mut self, link: LinkId, at: Millis) {
        self.at(at, Event::Up(link));
        self.at(at, Event::Down(link));
    }
}
