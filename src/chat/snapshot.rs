//! ElixirChat's `GET /`: the rosters and the chats as one JSON object. The counts are of all; each list ends at
//! [`MAX_LIST`] bytes or at the rows that a request asks for, so that no request takes long, however many are on
//! line. A list walks no more rows than it shows, and says `"truncated":true` behind them if it leaves out any.

use std::io::{self, ErrorKind, Write};

use serde::{Serialize, Serializer};

use crate::chat::Chat;
use crate::chat::chat_lifetime::ChatLifetime;
use crate::chat::id::{Role, UserId};
use crate::chat::student_roster::StudentState;
use crate::chat::teacher_roster::Teacher;

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
    /// How many rows there are, also those that do not fit.
    total: usize,
}

/// Where a list is written to: what would exceed [`MAX_LIST`] is refused with an error, which ends the row.
struct Bounded<'a>(&'a mut Vec<u8>);

#[derive(Serialize)]
struct TeacherRow<'a> {
    id: &'a UserId,
    student_ids: StudentIds<'a>,
    /// Whether there are more ids.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// The ids of a teacher's students, which are looked up one by one as they are written.
struct StudentIds<'a> {
    models: &'a ChatLifetime,
    teacher: &'a Teacher,
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

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_LIST {
            return Err(ErrorKind::StorageFull.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Serialize for StudentIds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let student = |&chat: &u32| self.models.participant(self.models.chats.get(chat), Role::Student).0;
        serializer.collect_seq(self.teacher.chats.iter().take(MAX_STUDENT_IDS).map(student))
    }
}

impl List {
    /// The first of `total` rows.
    fn of<T: Serialize>(total: usize, rows: impl Iterator<Item = T>) -> List {
        let mut list = List { total, ..List::default() };
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
        // The rows are plain structs: the only error is that there is no room.
        let fits = serde_json::to_writer(Bounded(&mut self.json), row).is_ok();
        if fits {
            self.ends.push(self.json.len());
        } else {
            self.json.truncate(end);
        }
        fits
    }

    /// The JSON of the first rows, and what closes the list behind them.
    fn first(&self, rows: usize) -> [&[u8]; 2] {
        let rows = rows.min(self.ends.len());
        let end = rows.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        let close: &[u8] = if rows < self.total { br#"],"truncated":true"# } else { b"]" };
        [self.json.get(..end).unwrap_or_default(), close]
    }
}

impl Snapshot {
    /// The JSON with at most `limit` rows in each list.
    pub fn json(&self, limit: usize) -> Vec<u8> {
        let [before_teachers, before_students, before_chats, end] = &self.around;
        let [teachers, end_teachers] = self.teachers.first(limit);
        let [students, end_students] = self.students.first(limit);
        let [chats, end_chats] = self.chats.first(limit);
        let parts = [
            before_teachers.as_bytes(),
            teachers,
            end_teachers,
            before_students.as_bytes(),
            students,
            end_students,
            before_chats.as_bytes(),
            chats,
            end_chats,
            end.as_bytes(),
        ];
        parts.concat()
    }
}

impl Chat {
    /// What is to be shown now.
    pub fn snapshot(&self) -> Snapshot {
        let models = self.models();
        let (students, chats) = (models.students.counts(), models.chats.counts());
        Snapshot {
            around: [
                format!(r#"{{"teachers":{{"total":{},"teachers":["#, models.teachers.len()),
                format!(
                    r#"}},"students":{{"total":{},"waiting":{},"chatting":{},"finished":{},"students":["#,
                    students.total, students.waiting, students.chatting, students.finished
                ),
                format!(r#"}},"chats":{{"total":{},"active":["#, chats.total),
                format!(r#","finished":{}}}}}"#, chats.finished),
            ],
            teachers: teachers(models),
            students: students_list(models),
            chats: chats_list(models),
        }
    }
}

fn teachers(models: &ChatLifetime) -> List {
    let rows = models.teachers.iter().map(|teacher| TeacherRow {
        id: &teacher.id,
        student_ids: StudentIds { models, teacher },
        truncated: teacher.chats.len() > MAX_STUDENT_IDS,
    });
    List::of(models.teachers.len(), rows)
}

fn students_list(models: &ChatLifetime) -> List {
    let rows = models.students.ready().map(|student| {
        let (status, chat) = match student.state() {
            StudentState::Chatting(chat) => ("chatting", Some(chat)),
            StudentState::Finished => ("finished", None),
            StudentState::Waiting { .. } | StudentState::Connected => ("waiting", None),
        };
        let teacher_id = chat.map(|chat| models.participant(models.chats.get(chat), Role::Teacher).0);
        StudentRow { id: &student.id, status, teacher_id }
    });
    List::of(models.students.counts().total, rows)
}

fn chats_list(models: &ChatLifetime) -> List {
    let rows = models.chats.iter().map(|(_, chat)| ChatRow {
        id: chat.id.hyphenated(),
        status: "active",
        teacher_id: models.participant(chat, Role::Teacher).0,
        student_id: models.participant(chat, Role::Student).0,
        teacher_entered: chat.teacher_entered,
        student_entered: chat.student_entered,
        message_count: chat.message_count,
    });
    List::of(models.chats.counts().active as usize, rows)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_list_ends_at_the_row_that_does_not_fit() {
        let list = List::of(100, std::iter::repeat_n("x".repeat(1021), 100));
        assert_eq!((list.ends.len(), list.json.len()), (64, MAX_LIST - 1));
        let list = List::of(100, std::iter::repeat_n("x".repeat(1022), 100));
        assert_eq!((list.ends.len(), list.json.len()), (63, 63 * 1025 - 1));
        let list = List::of(1, ["x".repeat(MAX_LIST)].into_iter());
        assert_eq!(list.first(9).concat(), br#"],"truncated":true"#);
    }

    #[test]
    fn a_list_walks_no_further_than_it_shows() {
        let mut walked = 0;
        let list = List::of(1_000_000, (0..1_000_000).inspect(|_| walked += 1));
        assert_eq!(list.ends.len() + 1, walked);
    }

    #[test]
    fn rows_are_cut_between_two() {
        let list = List::of(3, 1..=3);
        let shown: Vec<_> =
            (0..5).map(|rows| String::from_utf8(list.first(rows).concat()).unwrap()).collect();
        let cut = r#"],"truncated":true"#;
        let cut = ["", "1", "1,2"].map(|rows| rows.to_owned() + cut);
        assert_eq!(shown, [&cut[..], &["1,2,3]".into(), "1,2,3]".into()]].concat());
        assert_eq!(List::of(0, 0..0).first(0).concat(), b"]");
    }

    #[test]
    fn a_row_is_written_no_further_than_it_fits() {
        struct Endless<'a>(&'a Cell<usize>);

        impl Serialize for Endless<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq((0..1_000_000).inspect(|_| self.0.set(self.0.get() + 1)))
            }
        }

        let walked = Cell::new(0);
        let list = List::of(2, [Endless(&walked), Endless(&walked)].iter());
        assert_eq!((list.ends.len(), list.json.len()), (0, 0));
        assert!(list.json.capacity() <= 2 * MAX_LIST && walked.get() < MAX_LIST, "{}", walked.get());
    }
}
