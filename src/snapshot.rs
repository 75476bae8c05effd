//! ElixirChat's `GET /`: the rosters and the chats as one JSON object. The counts are of all; each list ends at
//! [`MAX_LIST`] bytes or at the rows that a request asks for, so that no request takes long, however many are on
//! line. A list walks no more rows than it shows.

use serde::Serialize;

use crate::app::App;
use crate::models::chat_lifetime::ChatLifetime;
use crate::models::id::{Role, UserId};
use crate::models::student_roster::StudentState;

/// Bytes of a list at the most. A row that does not fit ends it.
pub const MAX_LIST: usize = 64 * 1024;
/// Ids of a teacher's students at the most: `--students-per-teacher` may allow more than a list holds.
const MAX_STUDENT_IDS: usize = 1000;

/// What `GET /` shows, made once for all requests of a turn, whatever numbers of rows they ask for.
#[derive(Debug)]
pub struct Snapshot {
    teachers: List,
    students: List,
    chats: List,
    /// What stands before, between and behind the lists.
    around: [String; 4],
}

/// The rows of a list as JSON, with a comma between two.
#[derive(Debug, Default)]
struct List {
    json: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
}

#[derive(Serialize)]
struct TeacherRow<'a> {
    id: &'a UserId,
    student_ids: Vec<&'a UserId>,
}

#[derive(Serialize)]
struct StudentRow<'a> {
    id: &'a UserId,
    status: &'static str,
    teacher_id: Option<&'a UserId>,
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

impl List {
    fn of<T: Serialize>(rows: impl Iterator<Item = T>) -> List {
        let mut list = List::default();
        for row in rows {
            if !list.push(&row) {
                break;
            }
        }
        list
    }

    fn push(&mut self, row: &impl Serialize) -> bool {
        let end = self.json.len();
        if end > 0 {
            self.json.push(b',');
        }
        // Plain structs, for which serde_json has no error.
        let is_written = serde_json::to_writer(&mut self.json, row).is_ok();
        let fits = is_written && self.json.len() <= MAX_LIST;
        if fits {
            self.ends.push(self.json.len());
        } else {
            self.json.truncate(end);
        }
        fits
    }

    fn first(&self, rows: usize) -> &[u8] {
        let rows = rows.min(self.ends.len());
        let end = rows.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        self.json.get(..end).unwrap_or_default()
    }
}

impl Snapshot {
    /// The JSON with at most `limit` rows in each list.
    pub fn json(&self, limit: usize) -> Vec<u8> {
        let [before_teachers, before_students, before_chats, end] = &self.around;
        let parts = [
            before_teachers.as_bytes(),
            self.teachers.first(limit),
            before_students.as_bytes(),
            self.students.first(limit),
            before_chats.as_bytes(),
            self.chats.first(limit),
            end.as_bytes(),
        ];
        parts.concat()
    }
}

impl App {
    /// What is to be shown now.
    pub fn snapshot(&self) -> Snapshot {
        let models = self.models();
        let (students, chats) = (models.students.counts(), models.chats.counts());
        Snapshot {
            around: [
                format!(r#"{{"teachers":{{"total":{},"teachers":["#, models.teachers.len()),
                format!(
                    r#"]}},"students":{{"total":{},"waiting":{},"chatting":{},"finished":{},"students":["#,
                    students.total, students.waiting, students.chatting, students.finished
                ),
                format!(r#"]}},"chats":{{"total":{},"active":["#, chats.total),
                format!(r#"],"finished":{}}}}}"#, chats.finished),
            ],
            teachers: teachers(models),
            students: students_list(models),
            chats: chats_list(models),
        }
    }
}

fn teachers(models: &ChatLifetime) -> List {
    let student = |&chat: &u32| models.party(models.chats.get(chat), Role::Student).0;
    List::of(models.teachers.iter().map(|teacher| TeacherRow {
        id: &teacher.id,
        student_ids: teacher.chats.iter().take(MAX_STUDENT_IDS).map(student).collect(),
    }))
}

fn students_list(models: &ChatLifetime) -> List {
    List::of(models.students.ready().map(|student| {
        let (status, chat) = match student.state() {
            StudentState::Chatting(chat) => ("chatting", Some(chat)),
            StudentState::Finished => ("finished", None),
            StudentState::Waiting { .. } | StudentState::Connected => ("waiting", None),
        };
        let teacher_id = chat.map(|chat| models.party(models.chats.get(chat), Role::Teacher).0);
        StudentRow { id: &student.id, status, teacher_id }
    }))
}

fn chats_list(models: &ChatLifetime) -> List {
    List::of(models.chats.iter().map(|(_, chat)| ChatRow {
        id: chat.id.hyphenated(),
        status: "active",
        teacher_id: models.party(chat, Role::Teacher).0,
        student_id: models.party(chat, Role::Student).0,
        teacher_entered: chat.teacher_entered,
        student_entered: chat.student_entered,
        message_count: chat.message_count,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_at_the_row_that_does_not_fit() {
        let list = List::of(std::iter::repeat_n("x".repeat(1021), 100));
        assert_eq!((list.ends.len(), list.json.len()), (64, MAX_LIST - 1));
        let list = List::of(std::iter::repeat_n("x".repeat(1022), 100));
        assert_eq!((list.ends.len(), list.json.len()), (63, 63 * 1025 - 1));
        let list = List::of(["x".repeat(MAX_LIST)].into_iter());
        assert_eq!(list.first(9), b"");
    }

    #[test]
    fn a_list_walks_no_further_than_it_shows() {
        let mut walked = 0;
        let list = List::of((0..1_000_000).inspect(|_| walked += 1));
        assert_eq!(list.ends.len() + 1, walked);
    }

    #[test]
    fn rows_are_cut_between_two() {
        let list = List::of(1..=3);
        let shown: Vec<_> = (0..5).map(|rows| list.first(rows)).collect();
        assert_eq!(shown, [&b""[..], b"1", b"1,2", b"1,2,3", b"1,2,3"]);
    }
}
