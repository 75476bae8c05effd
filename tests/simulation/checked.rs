//! The chat and its model side by side: whatever one is asked, the other is, and they have to agree.

use std::collections::HashSet;

use fastrand::Rng;
use mio_chat_server::Millis;
use mio_chat_server::chat::client_roster::Member;
use mio_chat_server::chat::command::{Command, CommandError};
use mio_chat_server::chat::event::{Deliver, Event};
use mio_chat_server::chat::id::{ClientId, Role};
use mio_chat_server::chat::student_roster::StudentState;
use mio_chat_server::chat::{Chat, Limits};
use mio_chat_server::memory::Memory;
use uuid::Uuid;

use super::model::{Events, Model, Told};

/// The app, with its model.
pub struct CheckedApp {
    app: Chat,
    pub model: Model,
    students_per_teacher: usize,
}

/// Hands events on, and keeps what was told to whom.
struct Witness<'a> {
    told: Events,
    /// Whether a message was not, since its recipient has not joined.
    is_undelivered: bool,
    out: &'a mut dyn Deliver,
}

impl Deliver for Witness<'_> {
    fn deliver(&mut self, to: ClientId, event: &Event<'_>) -> bool {
        let is_delivered = self.out.deliver(to, event);
        if is_delivered || !matches!(event, Event::Message { .. }) {
            self.told.push((to, event.into()));
        } else {
            self.is_undelivered = true;
        }
        is_delivered
    }
}

impl<'a> Witness<'a> {
    fn new(out: &'a mut dyn Deliver) -> Witness<'a> {
        Witness { told: Events::new(), is_undelivered: false, out }
    }
}

impl CheckedApp {
    pub fn new(seed: u64, limits: Limits) -> CheckedApp {
        let mut ids = Rng::with_seed(seed);
        let students_per_teacher = limits.students_per_teacher;
        let model = Model::new(limits, ids.clone());
        let app = Chat::new(limits, &Memory::new(usize::MAX), move || Uuid::from_u128(ids.u128(..)));
        CheckedApp { app, model, students_per_teacher }
    }

    /// See [`Chat::handle`].
    pub fn handle(
        &mut self,
        client: ClientId,
        command: Command<'_>,
        now: Millis,
        out: &mut dyn Deliver,
    ) -> Result<(), CommandError> {
        let what = command.clone();
        let mut witness = Witness::new(out);
        let result = self.app.handle(client, command, now, &mut witness);
        let (expected, events) = self.model.handle(client, &what, witness.is_undelivered);
        assert_eq!(result, expected, "{what:?} by {client:?}");
        if let Command::DeliverKept { .. } = what {
            assert_eq!(witness.told, events, "in the order in which they were sent");
        } else {
            assert_same(witness.told, events);
        }
        self.check_counts();
        result
    }

    /// See [`Chat::gone`].
    pub fn gone(&mut self, client: ClientId, now: Millis, out: &mut dyn Deliver) {
        let expected = self.model.gone(client);
        let mut witness = Witness::new(out);
        self.app.remove_users(client, now, &mut witness);
        assert_same(witness.told, expected);
        assert!(self.app.clients().members(client).is_empty(), "a client that is gone holds nobody");
        self.check_counts();
    }

    /// See [`Chat::wake`].
    pub fn wake(&mut self, now: Millis, out: &mut dyn Deliver) {
        let mut witness = Witness::new(out);
        self.app.wake(now, &mut witness);
        let told: HashSet<_> = witness.told.iter().map(|(client, _)| *client).collect();
        assert_eq!(told.len(), witness.told.len(), "one status for a client, however many teachers it has");
        let is_teacher = |((is_teacher, _), client)| if is_teacher { Some(client) } else { None };
        let holders = self.model.holders.clone().into_iter();
        assert!(told.is_subset(&holders.filter_map(is_teacher).collect()), "a status for no teacher");
        for (_, told) in &witness.told {
            assert_eq!(*told, Told::Status { students: self.model.ready.len() });
        }
    }

    fn check_counts(&self) {
        let status = self.app.models().status();
        let (chatting, waiting) = (self.model.chats.len(), self.model.queue.len());
        assert_eq!(status.students.total, self.model.ready.len());
        assert_eq!(status.students.waiting, waiting);
        assert_eq!(status.students.chatting, chatting);
        assert_eq!(status.students.finished, self.model.ready.len() - waiting - chatting);
        assert_eq!((status.chats.active, status.chats.finished), (chatting as u64, self.model.finished));
        let teachers = self.model.holders.keys().filter(|(is_teacher, _)| *is_teacher).count();
        assert_eq!(status.teachers.total, teachers);
        assert_eq!(self.app.models().students.len() + teachers, self.model.holders.len());
    }

    /// What points at each other does so in both directions. These clients are all that there are.
    pub fn check_links(&self, clients: &[ClientId]) {
        let models = self.app.models();
        let queue = models.students.queue().map(|key| models.students.get(key).id.text());
        assert!(queue.eq(&self.model.queue), "the queue is in order");
        let mut students = HashSet::new();
        for (key, chat) in models.chats.iter() {
            assert!(students.insert(chat.student), "a student in two chats");
            assert_eq!(models.teachers.get(chat.teacher).chats[chat.teacher_index as usize], key);
            assert_eq!(models.students.get(chat.student).state(), StudentState::Chatting(key));
            assert_eq!(chat.message_count, self.model.chats[&chat.id].sent);
            let kept = self.model.chats[&chat.id].history.iter().map(|kept| (kept.sender, &*kept.payload));
            let messages: Vec<_> = chat.messages().collect();
            assert!(messages.iter().map(|message| (message.sender, &*message.payload)).eq(kept));
            for role in [Role::Teacher, Role::Student] {
                assert_eq!(models.participant(chat, role).0.text(), self.model.chats[&chat.id].party(role));
            }
        }
        for teacher in models.teachers.iter() {
            assert!(teacher.chats.len() <= self.students_per_teacher);
        }
        let mut members = 0;
        for &client in clients {
            for (place, member) in self.app.clients().members(client).iter().enumerate() {
                let (holder, known) = match *member {
                    Member::Teacher(key) => (models.teachers.get(key).client, models.teachers.get(key).place),
                    Member::Student(key) => (models.students.get(key).client, models.students.get(key).place),
                };
                assert_eq!((holder, known as usize), (client, place));
                members += 1;
            }
        }
        assert_eq!(members, self.model.holders.len(), "nobody gone is known");
    }

    /// Nothing is left of anybody.
    pub fn check_empty(&self) {
        let models = self.app.models();
        assert!(self.app.clients().is_empty() && self.model.holders.is_empty());
        assert!(models.students.is_empty() && models.teachers.is_empty());
        assert_eq!(models.chats.iter().count() + models.students.queue().count(), 0);
        assert_eq!(self.app.status().watchers(), 0);
    }
}

/// The same was told to the same, in whichever order: no command but the one that delivers what was kept has two
/// things to tell one client of which one would have to come first.
fn assert_same(told: Events, mut expected: Events) {
    for event in &told {
        let found = expected.iter().position(|expected| expected == event);
        let found =
            found.unwrap_or_else(|| panic!("told {event:?}, which was not to be; left: {expected:?}"));
        expected.swap_remove(found);
    }
    assert!(expected.is_empty(), "not told: {expected:?}");
}
