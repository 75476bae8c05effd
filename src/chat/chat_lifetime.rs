//! The life of a chat across both rosters and the log: node-chat-server's `ChatLifetime`, whose mutex
//! is not needed here, since a claim is one call in one thread.

use uuid::Uuid;

use super::chat_log::{ActiveChat, ChatCounts, ChatKey, ChatLog};
use super::id::{ClientId, Role, UserId};
use super::student_roster::{StudentCounts, StudentRoster};
use super::teacher_roster::{TeacherKey, TeacherRoster};
use crate::memory::Memory;

/// What every teacher is told when a student arrives, leaves or changes state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    pub teachers: TeacherCounts,
    pub students: StudentCounts,
    pub chats: ChatCounts,
}

/// How many teachers are on line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TeacherCounts {
    pub total: usize,
}

/// What became of the claims so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimCounts {
    /// A chat began.
    pub answered: u64,
    /// The teacher had as many students as one may have.
    pub full: u64,
    /// No student waited.
    pub empty: u64,
}

/// Both rosters and the chat log, which change together.
#[derive(Debug)]
pub struct ChatLifetime {
    pub teachers: TeacherRoster,
    pub students: StudentRoster,
    pub chats: ChatLog,
    claims: ClaimCounts,
    students_per_teacher: usize,
}

impl ChatLifetime {
    /// Empty rosters, with a bound on the chats of a teacher and on the bytes of history of a chat, which count
    /// towards `memory`.
    pub fn new(students_per_teacher: usize, history_limit: usize, memory: &Memory) -> ChatLifetime {
        ChatLifetime {
            teachers: TeacherRoster::default(),
            students: StudentRoster::default(),
            chats: ChatLog::new(history_limit, memory),
            claims: ClaimCounts::default(),
            students_per_teacher,
        }
    }

    /// Begins a chat between a teacher who has room and the student who has waited longest; `None` if
    /// there is no room or no student waits.
    pub fn claim(&mut self, teacher: TeacherKey, new_id: impl FnOnce() -> Uuid) -> Option<ChatKey> {
        if self.teachers.get(teacher).chats.len() >= self.students_per_teacher {
            self.claims.full += 1;
            return None;
        }
        let Some(student) = self.students.next_waiting() else {
            self.claims.empty += 1;
            return None;
        };
        self.claims.answered += 1;
        let chat = self.chats.begin(new_id(), teacher, student);
        self.students.assign(student, chat);
        self.chats.get_mut(chat).teacher_index = self.teachers.add_chat(teacher, chat);
        Some(chat)
    }

    /// Ends a chat: the student is finished, the teacher has a place free.
    pub fn finish(&mut self, key: ChatKey) -> ActiveChat {
        let chat = self.chats.finish(key);
        if let Some(moved) = self.teachers.remove_chat(chat.teacher, chat.teacher_index) {
            self.chats.get_mut(moved).teacher_index = chat.teacher_index;
        }
        self.students.chat_finished(chat.student);
        chat
    }

    /// The user on one side of a chat, and the client that holds it.
    pub fn participant(&self, chat: &ActiveChat, role: Role) -> (&UserId, ClientId) {
        match role {
            Role::Teacher => {
                let teacher = self.teachers.get(chat.teacher);
                (&teacher.id, teacher.client)
            }
            Role::Student => {
                let student = self.students.get(chat.student);
                (&student.id, student.client)
            }
        }
    }

    /// The client that holds a user, if the user is on line.
    pub fn owner(&self, role: Role, user: &UserId) -> Option<ClientId> {
        match role {
            Role::Teacher => self.teachers.find(user.text()).map(|key| self.teachers.get(key).client),
            Role::Student => self.students.find(user.text()).map(|key| self.students.get(key).client),
        }
    }

    /// What became of the claims so far.
    pub fn claims(&self) -> ClaimCounts {
        self.claims
    }

    /// The counts of the moment.
    pub fn status(&self) -> Status {
        Status {
            teachers: TeacherCounts { total: self.teachers.len() },
            students: self.students.counts(),
            chats: self.chats.counts(),
        }
    }
}
