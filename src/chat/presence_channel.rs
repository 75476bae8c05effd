//! The presence channel: who comes, who goes, and who is claimed.

use log::debug;
use uuid::Uuid;

use super::chat_channel;
use crate::Millis;
use crate::chat::chat_lifetime::ChatLifetime;
use crate::chat::client_roster::{ClientRoster, Member};
use crate::chat::command::CommandError;
use crate::chat::event::{Deliver, Event};
use crate::chat::id::{ClientId, Role, UserId};
use crate::chat::student_roster::{Student, StudentKey, StudentState};
use crate::chat::teacher_roster::{Teacher, TeacherKey};

/// A teacher comes on line. Connecting again on the same client changes nothing.
pub fn connect_teacher(
    models: &mut ChatLifetime,
    clients: &mut ClientRoster,
    client: ClientId,
    user: UserId,
) -> Result<bool, CommandError> {
    if let Some(key) = models.teachers.find(user.text()) {
        return held_by(client, models.teachers.get(key).client);
    }
    if !clients.has_room(client) {
        return Err(CommandError::TooManyUsers);
    }
    debug!("teacher {user:?} arrived");
    let key = models.teachers.insert(Teacher { id: user, client, place: 0, chats: Vec::new() });
    let place = clients.add(client, Member::Teacher(key), &models.teachers.get(key).id);
    models.teachers.set_place(key, place);
    Ok(true)
}

/// A student comes on line, not ready yet. Connecting again on the same client changes nothing.
pub fn connect_student(
    models: &mut ChatLifetime,
    clients: &mut ClientRoster,
    client: ClientId,
    user: UserId,
) -> Result<bool, CommandError> {
    if let Some(key) = models.students.find(user.text()) {
        return held_by(client, models.students.get(key).client);
    }
    if !clients.has_room(client) {
        return Err(CommandError::TooManyUsers);
    }
    debug!("student {user:?} arrived");
    let key = models.students.insert(Student::new(user, client));
    let place = clients.add(client, Member::Student(key), &models.students.get(key).id);
    models.students.set_place(key, place);
    Ok(true)
}

/// A student queues up; also one whose chat is over. One who waits keeps the place.
pub fn student_ready(
    models: &mut ChatLifetime,
    client: ClientId,
    user: &UserId,
    now: Millis,
) -> Result<(), CommandError> {
    let key = student(models, client, user)?;
    if let StudentState::Chatting(_) = models.students.get(key).state() {
        return Err(CommandError::AlreadyChatting);
    }
    models.students.wait(key, now);
    Ok(())
}

/// A teacher takes the next student. Without room or without anybody who waits, nothing happens and
/// nothing is said: clients ask again.
pub fn claim_student(
    models: &mut ChatLifetime,
    client: ClientId,
    user: &UserId,
    new_id: impl FnOnce() -> Uuid,
    out: &mut dyn Deliver,
) -> Result<(), CommandError> {
    let teacher = teacher(models, client, user)?;
    let Some(key) = models.claim(teacher, new_id) else {
        return Ok(());
    };
    let chat = models.chats.get(key);
    let (teacher, at_teacher) = models.participant(chat, Role::Teacher);
    let (student, at_student) = models.participant(chat, Role::Student);
    debug!("teacher {teacher:?} claimed student {student:?} for chat {}", chat.id);
    for (to, client) in [(Role::Teacher, at_teacher), (Role::Student, at_student)] {
        out.deliver(client, &Event::NewChat { to, chat: chat.id, teacher, student });
    }
    Ok(())
}

/// A client wants to hear of a user's next chat: one that it holds, or may come to hold.
pub fn await_chat(
    models: &ChatLifetime,
    client: ClientId,
    role: Role,
    user: &UserId,
) -> Result<(), CommandError> {
    let owner = models.owner(role, user);
    if owner.is_none_or(|owner| owner == client) { Ok(()) } else { Err(CommandError::NotYourUser) }
}

/// A user whom this client holds goes off line: out of the queue, out of every chat.
pub fn disconnect(
    models: &mut ChatLifetime,
    clients: &mut ClientRoster,
    client: ClientId,
    role: Role,
    user: &UserId,
    out: &mut dyn Deliver,
) -> Result<(), CommandError> {
    let member = match role {
        Role::Teacher => Member::Teacher(teacher(models, client, user)?),
        Role::Student => Member::Student(student(models, client, user)?),
    };
    remove(models, clients, client, member, out);
    Ok(())
}

/// Takes a member of a client off its roster, and tells those it chatted with.
pub fn remove(
    models: &mut ChatLifetime,
    clients: &mut ClientRoster,
    client: ClientId,
    member: Member,
    out: &mut dyn Deliver,
) {
    let (place, id) = match member {
        Member::Teacher(key) => remove_teacher(models, key, out),
        Member::Student(key) => remove_student(models, key, out),
    };
    match clients.remove(client, place, &id) {
        Some(Member::Teacher(moved)) => models.teachers.set_place(moved, place),
        Some(Member::Student(moved)) => models.students.set_place(moved, place),
        None => {}
    }
}

fn remove_teacher(models: &mut ChatLifetime, key: TeacherKey, out: &mut dyn Deliver) -> (u32, UserId) {
    while let Some(&chat) = models.teachers.get(key).chats.last() {
        chat_channel::finish(models, chat, out);
    }
    let teacher = models.teachers.remove(key);
    debug!("teacher {:?} left", teacher.id);
    (teacher.place, teacher.id)
}

fn remove_student(models: &mut ChatLifetime, key: StudentKey, out: &mut dyn Deliver) -> (u32, UserId) {
    if let StudentState::Chatting(chat) = models.students.get(key).state() {
        chat_channel::finish(models, chat, out);
    }
    let student = models.students.remove(key);
    debug!("student {:?} left", student.id);
    (student.place, student.id)
}

fn held_by(client: ClientId, owner: ClientId) -> Result<bool, CommandError> {
    if owner == client { Ok(false) } else { Err(CommandError::IdInUse) }
}

fn teacher(models: &ChatLifetime, client: ClientId, user: &UserId) -> Result<TeacherKey, CommandError> {
    let key = models.teachers.find(user.text()).ok_or(CommandError::UnknownTeacher)?;
    if models.teachers.get(key).client == client { Ok(key) } else { Err(CommandError::NotYourUser) }
}

fn student(models: &ChatLifetime, client: ClientId, user: &UserId) -> Result<StudentKey, CommandError> {
    let key = models.students.find(user.text()).ok_or(CommandError::UnknownStudent)?;
    if models.students.get(key).client == client { Ok(key) } else { Err(CommandError::NotYourUser) }
}
