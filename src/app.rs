//! All chat state in one struct, and the three ways in: a command, a client gone, the passing of time.

use uuid::Uuid;

use crate::channels::stats::StatsBoard;
use crate::channels::status::StatusBoard;
use crate::channels::{chat, presence};
use crate::command::{Command, Refusal};
use crate::event::Deliver;
use crate::memory::Memory;
use crate::models::Millis;
use crate::models::chat_lifetime::ChatLifetime;
use crate::models::client_roster::{ClientRoster, Member};
use crate::models::id::{ClientId, Role};
use crate::stats::Stats;

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
pub struct App {
    models: ChatLifetime,
    clients: ClientRoster,
    status: StatusBoard,
    stats: StatsBoard,
    new_id: Box<dyn FnMut() -> Uuid>,
}

impl App {
    /// An empty chat whose chats get their ids from `new_id`, and whose histories count towards `memory`.
    pub fn new(limits: Limits, memory: &Memory, new_id: impl FnMut() -> Uuid + 'static) -> App {
        App {
            models: ChatLifetime::new(limits.students_per_teacher, limits.chat_history, memory),
            clients: ClientRoster::default(),
            status: StatusBoard::new(limits.status_interval),
            stats: StatsBoard::default(),
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
    ) -> Result<(), Refusal> {
        let before = self.models.students.changes();
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
    ) -> Result<(), Refusal> {
        let App { models, clients, status, stats, new_id } = self;
        match command {
            Command::Send { chat, from, payload } => {
                chat::send(models, client, chat, from, payload, now, out)
            }
            Command::ConnectTeacher { user } => {
                if presence::connect_teacher(models, clients, client, user)? {
                    status.watch(client);
                }
                Ok(())
            }
            Command::ConnectStudent { user } => {
                presence::connect_student(models, clients, client, user).map(|_| ())
            }
            Command::StudentReady { user } => presence::student_ready(models, client, &user, now),
            Command::Disconnect { role, user } => {
                presence::disconnect(models, clients, client, role, &user, out)?;
                self.note_departure(client, role, now);
                Ok(())
            }
            Command::ClaimStudent { teacher } => {
                presence::claim_student(models, client, &teacher, new_id, out)
            }
            Command::OpenChat { chat, role, user } => chat::open(models, client, chat, role, &user),
            Command::DeliverKept { chat, role } => chat::deliver_kept(models, client, chat, role, out),
            Command::AwaitChat { role, user } => presence::await_chat(models, client, role, &user),
            Command::ListenToChat { chat, role } => chat::listen(models, client, chat, role),
            Command::EnterChat { chat, role } => chat::enter(models, client, chat, role, out),
            Command::Terminate { chat, by } => chat::terminate(models, client, chat, by, out),
            Command::WatchStats => {
                stats.watch(client, now);
                Ok(())
            }
            Command::UnwatchStats => {
                stats.unwatch(client);
                Ok(())
            }
            Command::LeaveChat { chat, role } => {
                chat::leave(models, client, chat, role, out);
                Ok(())
            }
        }
    }

    /// A client is gone, however it went: every user that it held goes off line.
    pub fn gone(&mut self, client: ClientId, now: Millis, out: &mut dyn Deliver) {
        let before = self.models.students.changes();
        while let Some(&member) = self.clients.members(client).last() {
            presence::remove(&mut self.models, &mut self.clients, client, member, out);
            let role = if let Member::Teacher(_) = member { Role::Teacher } else { Role::Student };
            self.note_departure(client, role, now);
        }
        self.stats.unwatch(client);
        self.note_changes(before, now);
    }

    /// When [`App::wake`] wants to be called.
    pub fn next_wakeup(&self) -> Option<Millis> {
        self.status.due()
    }

    /// Does what is due at this time: publishes the status.
    pub fn wake(&mut self, now: Millis, out: &mut dyn Deliver) {
        self.status.publish(self.models.status(), now, out);
    }

    /// When [`App::publish_stats`] wants to be called.
    pub fn stats_due(&self) -> Option<Millis> {
        self.stats.due()
    }

    /// Tells the server's figures to everybody who watches them.
    pub fn publish_stats(&mut self, stats: &Stats, now: Millis, out: &mut dyn Deliver) {
        self.stats.publish(stats, now, out);
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

    /// Who watches the figures, to read.
    pub fn stats(&self) -> &StatsBoard {
        &self.stats
    }

    fn note_changes(&mut self, before: u64, now: Millis) {
        if self.models.students.changes() != before {
            self.status.changed(now);
        }
    }

    /// A teacher who leaves changes the status too. With nobody on the student roster it is not worth
    /// telling, and would end the run of an original load client whose students are still to come.
    fn note_departure(&mut self, client: ClientId, role: Role, now: Millis) {
        if role == Role::Teacher {
            self.status.unwatch(client);
            if self.models.students.counts().total > 0 {
                self.status.changed(now);
            }
        }
    }
}
