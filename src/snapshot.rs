//! ElixirChat's `GET /`: the rosters and the chats as one JSON object, lists bounded.

use serde::Serialize;

use crate::app::App;
use crate::models::chat_lifetime::ChatLifetime;
use crate::models::id::{Role, UserId};
use crate::models::student_roster::StudentState;

/// What `GET /` shows. The lists are bounded, the counts are of all.
#[derive(Serialize)]
pub struct Snapshot<'a> {
    teachers: Teachers<'a>,
    students: Students<'a>,
    chats: Chats<'a>,
}

#[derive(Serialize)]
struct Teachers<'a> {
    total: usize,
    teachers: Vec<TeacherRow<'a>>,
}

#[derive(Serialize)]
struct TeacherRow<'a> {
    id: &'a UserId,
    student_ids: Vec<&'a UserId>,
}

#[derive(Serialize)]
struct Students<'a> {
    total: usize,
    waiting: usize,
    chatting: usize,
    finished: usize,
    students: Vec<StudentRow<'a>>,
}

#[derive(Serialize)]
struct StudentRow<'a> {
    id: &'a UserId,
    status: &'static str,
    teacher_id: Option<&'a UserId>,
}

#[derive(Serialize)]
struct Chats<'a> {
    total: u64,
    active: Vec<ChatRow<'a>>,
    finished: u64,
}

#[derive(Serialize)]
struct ChatRow<'a> {
    id: uuid::fmt::Hyphenated,
    status: &'static str,
    teacher_id: &'a UserId,
    student_id: &'a UserId,
    teacher_entered: bool,
    student_entered: bool,
    message_count: u64,
}

impl App {
    /// A snapshot with at most `limit` rows in each list.
    pub fn snapshot(&self, limit: usize) -> Snapshot<'_> {
        let models = self.models();
        Snapshot {
            teachers: teachers(models, limit),
            students: students(models, limit),
            chats: chats(models, limit),
        }
    }
}

fn teachers(models: &ChatLifetime, limit: usize) -> Teachers<'_> {
    let student = |&chat: &u32| models.party(models.chats.get(chat), Role::Student).0;
    let rows = models.teachers.iter().take(limit).map(|teacher| TeacherRow {
        id: &teacher.id,
        student_ids: teacher.chats.iter().take(limit).map(student).collect(),
    });
    Teachers { total: models.teachers.len(), teachers: rows.collect() }
}

fn students(models: &ChatLifetime, limit: usize) -> Students<'_> {
    let rows = models.students.iter().filter_map(|student| {
        let (status, chat) = match student.state() {
            StudentState::Connected => return None,
            StudentState::Waiting { .. } => ("waiting", None),
            StudentState::Chatting(chat) => ("chatting", Some(chat)),
            StudentState::Finished => ("finished", None),
        };
        let teacher_id = chat.map(|chat| models.party(models.chats.get(chat), Role::Teacher).0);
        Some(StudentRow { id: &student.id, status, teacher_id })
    });
    let counts = models.students.counts();
    Students {
        total: counts.total,
        waiting: counts.waiting,
        chatting: counts.chatting,
        finished: counts.finished,
        students: rows.take(limit).collect(),
    }
}

fn chats(models: &ChatLifetime, limit: usize) -> Chats<'_> {
    let rows = models.chats.iter().take(limit).map(|(_, chat)| ChatRow {
        id: chat.id.hyphenated(),
        status: "active",
        teacher_id: models.party(chat, Role::Teacher).0,
        student_id: models.party(chat, Role::Student).0,
        teacher_entered: chat.teacher_entered,
        student_entered: chat.student_entered,
        message_count: chat.message_count,
    });
    let counts = models.chats.counts();
    Chats { total: counts.total, active: rows.take(limit).collect(), finished: counts.finished }
}
