//! All chat state in one struct, and the three ways in: a command, a client gone, the passing of time.

pub mod chat_channel;
pub mod chat_lifetime;
pub mod chat_log;
pub mod client_roster;
pub mod command;
pub mod event;
pub mod id;
pub mod key_set;
pub mod presence_channel;
pub mod roster;
pub mod snapshot;
pub mod status;
pub mod student_roster;
pub mod teacher_roster;

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::Millis;
use crate::chat::chat_lifetime::ChatLifetime;
use crate::chat::client_roster::{ClientRoster, Member};
use crate::chat::command::{Command, CommandError};
use crate::chat::event::Deliver;
use crate::chat::id::{ClientId, Role};
use crate::chat::status::StatusBoard;
use crate::memory::Memory;

/// Users of one client that go off line at once. Each may end five chats and tell five partners.
const LEAVE_AT_ONCE: usize = 64;

/// The limits of the chat itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Chats that a teacher has at once at the most.
    pub students_per_teacher: usize,
    /// Milliseconds over which changes become one status.
    pub status_interval: Millis,
    /// Bytes of messages kept for a chat in progress.
    pub chat_history: usize,
}

/// Who is on line, who waits, who chats. Without I/O: time and ids are passed in, events go to a
/// [`Deliver`].
pub struct Chat {
    models: ChatLifetime,
    clients: ClientRoster,
    /// Clients that are gone or have left, and have users that are still to go off line.
    leaving: BTreeSet<ClientId>,
    status: StatusBoard,
    new_id: Box<dyn FnMut() -> Uuid>,
}

impl Chat {
    /// An empty chat whose chats get their ids from `new_id`, and whose histories and users count towards
    /// `memory`.
    pub fn new(limits: Limits, memory: &Memory, new_id: impl FnMut() -> Uuid + 'static) -> Chat {
        Chat {
            models: ChatLifetime::new(limits.students_per_teacher, limits.chat_history, memory),
            clients: ClientRoster::new(memory),
            leaving: BTreeSet::new(),
            status: StatusBoard::new(limits.status_interval),
            new_id: Box::new(new_id),
        }
    }

    /// Carries out a client's command, or says why not. The events that follow go to `out`.
    pub fn handle(
        &mut self,
        client: ClientId,
        command: Command<'_>,
        now: Millis,
        out: &mut dyn Deliver,
    ) -> Result<(), CommandError> {
        if matches!(command, Command::Send { .. }) {
            // A message takes no id and changes nothing that a status shows.
            return self.dispatch(client, command, now, out);
        }
        let before = self.models.students.changes();
        if !self.leaving.is_empty() {
            self.release_id(&command, now, out);
        }
        let result = self.dispatch(client, command, now, out);
        self.note_changes(before, now);
        result
    }

    fn dispatch(
        &mut self,
        client: ClientId,
        command: Command<'_>,
        now: Millis,
        out: &mut dyn Deliver,
    ) -> Result<(), CommandError> {
        let Chat { models, clients, status, new_id, .. } = self;
        match command {
            Command::Send { chat, from, payload } => {
                chat_channel::send(models, client, chat, from, payload, now, out)
            }
            Command::ConnectTeacher { user } => {
                if presence_channel::connect_teacher(models, clients, client, user)? {
                    status.watch(client);
                }
                Ok(())
            }
            Command::ConnectStudent { user } => {
                presence_channel::connect_student(models, clients, client, user).map(|_| ())
            }
            Command::StudentReady { user } => presence_channel::student_ready(models, client, &user, now),
            Command::Disconnect { role, user } => {
                presence_channel::disconnect(models, clients, client, role, &user, out)?;
                self.note_departure(client, role, now);
                Ok(())
            }
            Command::ClaimStudent { teacher } => {
                presence_channel::claim_student(models, client, &teacher, new_id, out)
            }
            Command::OpenChat { chat, role, user } => chat_channel::open(models, client, chat, role, &user),
            Command::DeliverKept { chat, role } => {
                chat_channel::deliver_kept(models, client, chat, role, out)
            }
            Command::AwaitChat { role, user } => presence_channel::await_chat(models, client, role, &user),
            Command::ListenToChat { chat, role } => chat_channel::listen(models, client, chat, role),
            Command::EnterChat { chat, role } => chat_channel::enter(models, client, chat, role, out),
            Command::Terminate { chat, by } => chat_channel::terminate(models, client, chat, by, out),
            Command::LeaveChat { chat, role } => {
                chat_channel::leave(models, client, chat, role, out);
                Ok(())
            }
        }
    }

    /// A client is gone, or has left: the users that it holds go off line, `LEAVE_AT_ONCE` of them in this call. If
    /// it holds more it is leaving, and this is to be called again. Nothing may come from it meanwhile.
    pub fn remove_users(&mut self, client: ClientId, now: Millis, out: &mut dyn Deliver) {
        let before = self.models.students.changes();
        for _ in 0..LEAVE_AT_ONCE {
            let Some(&member) = self.clients.members(client).last() else {
                break;
            };
            presence_channel::remove(&mut self.models, &mut self.clients, client, member, out);
            let role = if let Member::Teacher(_) = member { Role::Teacher } else { Role::Student };
            self.note_departure(client, role, now);
        }
        self.note_changes(before, now);
        if self.clients.members(client).is_empty() {
            self.leaving.remove(&client);
        } else {
            self.leaving.insert(client);
        }
    }

    /// A client that [`Chat::remove_users`] is to be called for again.
    pub fn next_leaving(&self) -> Option<ClientId> {
        self.leaving.first().copied()
    }

    /// Whether some of a client's users are still to go off line.
    pub fn is_leaving(&self, client: ClientId) -> bool {
        self.leaving.contains(&client)
    }

    /// The id that a command is to take is free if the client that holds it is leaving.
    fn release_id(&mut self, command: &Command<'_>, now: Millis, out: &mut dyn Deliver) {
        let Some((role, user)) = command.requested_user() else {
            return;
        };
        if let Some(owner) = self.models.owner(role, user).filter(|owner| self.leaving.contains(owner))
            && presence_channel::disconnect(&mut self.models, &mut self.clients, owner, role, user, out)
                .is_ok()
        {
            self.note_departure(owner, role, now);
        }
    }

    /// When [`Chat::wake`] wants to be called.
    pub fn next_wakeup(&self) -> Option<Millis> {
        self.status.due()
    }

    /// Does what is due at this time: publishes the status.
    pub fn wake(&mut self, now: Millis, out: &mut dyn Deliver) {
        self.status.publish(self.models.status(), now, out);
    }

    /// The rosters and chats, to read.
    pub fn models(&self) -> &ChatLifetime {
        &self.models
    }

    /// Which users each client holds, to read.
    pub fn clients(&self) -> &ClientRoster {
        &self.clients
    }

    /// When the clients with a teacher are told, to read.
    pub fn status(&self) -> &StatusBoard {
        &self.status
    }

    fn note_changes(&mut self, before: u64, now: Millis) {
        if self.models.students.changes() != before {
            self.status.changed(now);
        }
    }

    /// A teacher who leaves changes the status too. With an empty student roster no status is sent: it
    /// would end the run of an original load client whose students are still to come.
    fn note_departure(&mut self, client: ClientId, role: Role, now: Millis) {
        if role == Role::Teacher {
            self.status.unwatch(client);
            if self.models.students.counts().total > 0 {
                self.status.changed(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::event::Event;
    use crate::chat::id::UserId;

    const CLIENT: ClientId = ClientId { slot: 0, generation: 0 };
    const OTHER: ClientId = ClientId { slot: 1, generation: 0 };

    /// Counts what is told.
    #[derive(Default)]
    struct Counter(usize);

    impl Deliver for Counter {
        fn deliver(&mut self, _: ClientId, _: &Event<'_>) -> bool {
            self.0 += 1;
            true
        }

        fn broadcast(&mut self, to: &mut dyn Iterator<Item = ClientId>, _: &Event<'_>) {
            self.0 += to.count();
        }
    }

    fn student(id: usize) -> UserId {
        UserId::from(&*id.to_string())
    }

    /// A client that holds so many students, who chat with as many teachers of another client.
    fn chats(count: usize) -> Chat {
        let limits = Limits { students_per_teacher: 5, status_interval: 100, chat_history: 0 };
        let mut chat = Chat::new(limits, &Memory::new(0), Uuid::new_v4);
        let out = &mut Counter::default();
        for id in 0..count {
            for (client, command) in [
                (CLIENT, Command::ConnectStudent { user: student(id) }),
                (CLIENT, Command::StudentReady { user: student(id) }),
                (OTHER, Command::ConnectTeacher { user: student(id) }),
                (OTHER, Command::ClaimStudent { teacher: student(id) }),
            ] {
                chat.handle(client, command, 0, out).unwrap();
            }
        }
        assert_eq!(chat.models().chats.counts().active, count as u64);
        chat
    }

    #[test]
    fn the_users_of_a_client_leave_so_many_at_a_time() {
        const COUNT: usize = LEAVE_AT_ONCE * 10 + 1;
        let mut chat = chats(COUNT);
        let mut left = COUNT;
        chat.remove_users(CLIENT, 0, &mut Counter::default());
        while let Some(client) = chat.next_leaving() {
            left -= LEAVE_AT_ONCE;
            assert_eq!((client, chat.clients().members(CLIENT).len()), (CLIENT, left));
            let mut told = Counter::default();
            chat.remove_users(client, 0, &mut told);
            assert!(told.0 <= 2 * LEAVE_AT_ONCE, "{} are told at once", told.0);
        }
        assert_eq!((left, chat.models().students.len(), chat.models().chats.counts().active), (1, 0, 0));
        assert!(!chat.is_leaving(CLIENT));
    }

    #[test]
    fn the_id_of_a_user_who_is_still_to_leave_is_free() {
        let mut chat = chats(LEAVE_AT_ONCE * 2);
        let out = &mut Counter::default();
        let connect = || Command::ConnectStudent { user: student(3) };
        assert_eq!(chat.handle(OTHER, connect(), 0, out), Err(CommandError::IdInUse));
        chat.remove_users(CLIENT, 0, out);
        assert!(chat.models().owner(Role::Student, &student(3)) == Some(CLIENT) && chat.is_leaving(CLIENT));
        let await_chat = Command::AwaitChat { role: Role::Student, user: student(4) };
        assert_eq!(chat.handle(OTHER, await_chat, 0, out), Ok(()));
        assert_eq!(chat.handle(OTHER, connect(), 0, out), Ok(()));
        chat.remove_users(CLIENT, 0, out);
        assert_eq!((chat.next_leaving(), chat.models().students.len()), (None, 1));
        assert_eq!(chat.models().owner(Role::Student, &student(3)), Some(OTHER));
    }
}
