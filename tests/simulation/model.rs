//! What the simulation hears, and what it holds the core against.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use mio_chat_server::event::{Deliver, Event};
use mio_chat_server::models::id::{ClientId, Role};
use uuid::Uuid;

/// An event that was delivered, as far as the checks need it.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    NewChat { chat: Uuid, teacher: String, student: String },
    Ready(Uuid),
    Message { chat: Uuid, to: Role, payload: String },
    Terminated(Uuid),
    Status { students: usize },
}

#[derive(Default)]
pub struct Mailbox(pub Vec<(ClientId, Told)>);

impl Deliver for Mailbox {
    fn deliver(&mut self, to: ClientId, event: &Event<'_>) {
        let told = match *event {
            Event::NewChat { chat, teacher, student, .. } => {
                Told::NewChat { chat, teacher: teacher.text().into(), student: student.text().into() }
            }
            Event::ChatReady { chat, .. } => Told::Ready(chat),
            Event::Message { chat, to, payload } => Told::Message { chat, to, payload: payload.into() },
            Event::ChatTerminated { chat, .. } => Told::Terminated(chat),
            Event::Status(status) => Told::Status { students: status.students.total },
            Event::Stats(_) => unreachable!("nobody watches the figures here"),
        };
        self.0.push((to, told));
    }
}

/// A chat, as the model knows it.
pub struct Chat {
    pub teacher: String,
    pub student: String,
    pub sent: u64,
}

/// What has to be true, kept in the most obvious way.
#[derive(Default)]
pub struct Model {
    /// Who holds whom: by role and id.
    pub holders: BTreeMap<(bool, String), ClientId>,
    pub ready: BTreeSet<String>,
    pub queue: VecDeque<String>,
    pub chats: HashMap<Uuid, Chat>,
    pub finished: u64,
}
