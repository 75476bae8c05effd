//! What happens to users: they connect, act, receive, lose their connections, and come again.

use super::network::{Event, LinkId};
use super::transport::{Closed, Transport};
use super::user::{Scene, Stage, User};
use super::world::{Condition, SessionId, World};

impl World {
    /// Something has arrived at a client, unless its user has left that session behind.
    pub fn receive(&mut self, link: LinkId) {
        let session = self.network.links[link].session;
        let Some(index) = self.view.sessions.get(session).map(|session| session.user) else {
            if self.operator.receive(link, &mut self.network) {
                self.shell.writable(&self.network, link);
            }
            return;
        };
        if self.users[index].session != session {
            return;
        }
        if self.asleep_until[index] > self.network.now {
            return self.network.at(self.asleep_until[index], Event::Down(link));
        }
        while let Some((piece, is_unblocked)) = self.network.read(link) {
            if is_unblocked {
                self.shell.writable(&self.network, link);
            }
            let result = self.with_user(index, |user, scene| user.receive(link, piece, scene));
            if let Err(closed) = result {
                return self.closed_by_server(index, &closed);
            }
        }
    }

    /// The server has closed a session, or what is left of it.
    fn closed_by_server(&mut self, index: usize, closed: &Closed) {
        let session = &self.view.sessions[self.users[index].session];
        assert!(session.condition > Condition::Healthy, "{} for a healthy {session:?}", closed.0);
        if matches!(self.users[index].stage, Stage::Doomed(..)) {
            self.view.figures.nonsense_closed += 1;
        }
        self.hang_up(index);
    }

    /// Lets a user do what it would do by now.
    pub fn act(&mut self, index: usize) {
        let asleep_until = self.asleep_until[index];
        if asleep_until > self.network.now {
            return self.network.at(asleep_until, Event::Act(index));
        }
        match self.users[index].stage {
            Stage::Away if self.is_over => {}
            Stage::Away => self.connect(index),
            stage => {
                let wants_to_leave = self.with_user(index, |user, scene| {
                    user.retry(scene);
                    user.act(scene)
                });
                match stage {
                    Stage::Leaving if wants_to_leave => self.hang_up(index),
                    _ if wants_to_leave => self.depart(index),
                    _ => {}
                }
            }
        }
        let longest = if self.users[index].is_chatting() { 8_000 } else { 20_000 };
        let next = self.network.now + self.network.random.u64(500..longest);
        let next = next.min(self.users[index].heartbeat_at).max(self.network.now + 500);
        self.network.at(next, Event::Act(index));
    }

    fn connect(&mut self, index: usize) {
        let is_same = self.network.random.u32(0..10) < 7;
        let id = if is_same { self.users[index].wire.id.clone() } else { self.new_id() };
        let session = self.new_session(index, &id);
        self.with_user(index, |user, scene| user.connect(session, id, scene));
    }

    /// A user is done, and leaves in one of the ways there are.
    fn depart(&mut self, index: usize) {
        let session = self.users[index].session;
        self.worsen(session, Condition::Lost);
        self.view.leave(session);
        let way = self.network.random.u32(0..3);
        if way == 0 {
            return self.hang_up(index);
        }
        self.with_user(index, |user, scene| {
            if way == 1 {
                let text = user.wire.leave();
                user.send(vec![text], scene);
            }
            if let Some(Transport::WebSocket(socket)) = &mut user.transport {
                socket.send_close(scene.network);
            }
            (user.stage, user.since) = (Stage::Leaving, scene.network.awake());
        });
    }

    /// A user closes its connections, of which the server learns.
    pub fn hang_up(&mut self, index: usize) {
        if let Some(transport) = &mut self.users[index].transport {
            transport.close(&mut self.network);
        }
        if let Stage::Doomed(link, _) = self.users[index].stage {
            self.network.close(link);
        }
        self.lose(index);
    }

    /// A user's connections are no more, and it comes back some time.
    pub fn lose(&mut self, index: usize) {
        let session = self.users[index].session;
        self.worsen(session, Condition::Lost);
        self.view.leave(session);
        let user = &mut self.users[index];
        (user.stage, user.session, user.transport) = (Stage::Away, SessionId::MAX, None);
        self.asleep_until[index] = self.network.now + self.network.random.u64(500..60_000);
    }

    /// Something has happened to a session, or is going to.
    pub fn worsen(&mut self, session: SessionId, condition: Condition) {
        let known = &mut self.view.sessions[session].condition;
        *known = condition.max(*known);
        self.view.ledger.spoil(session, condition == Condition::Faulty);
    }

    /// Lets a user do something where it is.
    pub fn with_user<T>(&mut self, index: usize, then: impl FnOnce(&mut User, &mut Scene) -> T) -> T {
        let user = &mut self.users[index];
        let session = self.view.sessions.get(user.session);
        let is_faulty = session.is_some_and(|session| session.condition == Condition::Faulty);
        let World { network, view, is_over, .. } = self;
        let mut scene = Scene { network, ledger: &mut view.ledger, is_faulty, is_over: *is_over };
        then(user, &mut scene)
    }
}
