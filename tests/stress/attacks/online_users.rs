//! The users who are online during the attacks: each teacher chats with as many students as a teacher has.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::script::{HANDSHAKE, Script, Step, connect, event, message, open, presence, push, subscribe};
use super::scripted_clients::{Place, ScriptedClients};
use crate::support::Server;

/// Students that a teacher has at once, by default.
pub const STUDENTS_PER_TEACHER: usize = 5;
/// The interval of heartbeats: shorter than the timeout of every protocol.
const BEAT: Duration = Duration::from_secs(20);
/// Addresses that the users come from.
const ADDRESSES: usize = 100;

/// Online users, who read all that they receive.
pub struct OnlineUsers {
    students: ScriptedClients,
    teachers: ScriptedClients,
}

impl OnlineUsers {
    /// This many teachers, each with five students, over all protocols. The queue is empty then.
    pub fn fill(server: &Server, teachers: usize) -> OnlineUsers {
        let count = teachers * STUDENTS_PER_TEACHER;
        let place =
            Place { server: server.address, first: Ipv4Addr::new(127, 0, 1, 1), addresses: ADDRESSES };
        let students = ScriptedClients::start(
            place,
            (1..=count).map(|id| script("student", id, 0)).collect(),
            count,
            false,
        );
        server.wait_for("the students wait", |snapshot| snapshot["students"]["waiting"] == count);
        let scripts = (1..=teachers).map(|id| script("teacher", id, STUDENTS_PER_TEACHER)).collect();
        let teachers = ScriptedClients::start(place, scripts, teachers, false);
        server.wait_for("all users chat", |snapshot| snapshot["students"]["chatting"] == count);
        OnlineUsers { students, teachers }
    }

    /// How many connections the server has closed so far.
    pub fn closed(&self) -> u64 {
        self.students.ended() + self.teachers.ended()
    }

    pub fn leave(self) {
        self.students.stop();
        self.teachers.stop();
    }
}

/// A user who connects, claims this many times, and stays.
fn script(role: &str, id: usize, claims: usize) -> Script {
    match id % 3 {
        0 => phoenix(role, id, claims),
        1 => socket_io(role, id, claims),
        _ => bayeux(role, id, claims),
    }
}

fn phoenix(role: &str, id: usize, claims: usize) -> Script {
    let topic = if role == "teacher" { "presence:teachers".into() } else { format!("presence:student:{id}") };
    let join = push(&topic, "phx_join", &format!(r#"{{"userId":{id},"role":"{role}"}}"#));
    let ready = push(&topic, "student:ready", &format!(r#"{{"userId":{id}}}"#));
    let claim = push(&topic, "claim:student", &format!(r#"{{"teacherId":{id}}}"#));
    let mut script = vec![open("/ws"), Step::Frame(join)];
    script.extend((role == "student").then_some(Step::Frame(ready)));
    script.extend(vec![Step::Frame(claim); claims]);
    script.push(Step::Beat(push("phoenix", "heartbeat", "{}"), BEAT));
    script
}

fn socket_io(role: &str, id: usize, claims: usize) -> Script {
    let claim = format!(r#"42["presence:claim_student",{{"teacherId":{id}}}]"#);
    let mut script = vec![open("/socket.io/?EIO=3&transport=websocket")];
    script.push(Step::Frame(event(role, &id.to_string())));
    script.extend(vec![Step::Frame(claim); claims]);
    script.push(Step::Beat("2".into(), BEAT));
    script
}

fn bayeux(role: &str, id: usize, claims: usize) -> Script {
    let connect = format!("[{}]", connect("$0", "websocket"));
    let status =
        if role == "teacher" { "/presence/status".into() } else { format!("/presence/new_chat/{role}/{id}") };
    let come = format!("[{},{}]", subscribe("$0", &status), presence("$0", role, &id.to_string()));
    let claim = message("/presence/claim_student", "$0", &format!(r#""data":{{"teacherId":{id}}}"#));
    let mut script = vec![open("/faye"), Step::Frame(HANDSHAKE.into()), Step::Take("clientId")];
    script.extend([Step::Frame(connect.clone()), Step::Frame(come)]);
    script.extend(vec![Step::Frame(format!("[{claim}]")); claims]);
    // A connect that follows another takes its place.
    script.push(Step::Beat(connect, BEAT));
    script
}
