//! The commands of users, as texts of each protocol.

use serde_json::{Value, json};

use crate::support::bayeux::{publish, subscribe};
use crate::support::phoenix::Version;

/// A user's role, as it stands in every protocol.
pub type Role = &'static str;

pub const ROLES: [Role; 2] = ["teacher", "student"];

pub fn other(role: Role) -> Role {
    if role == "teacher" { "student" } else { "teacher" }
}

/// A user asks for something.
#[derive(Clone, Debug)]
pub enum Command {
    /// To be online, as a student to be ready too.
    Connect {
        role: Role,
        user: u64,
    },
    Leave {
        role: Role,
        user: u64,
    },
    Claim {
        teacher: u64,
    },
    Enter {
        chat: String,
        role: Role,
        user: u64,
    },
    Say {
        chat: String,
        role: Role,
        mark: String,
    },
    Terminate {
        chat: String,
        role: Role,
    },
    /// To subscribe to new chats, and to nothing else.
    Listen {
        role: Role,
        user: u64,
    },
}

/// A protocol and its version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speech {
    Phoenix(Version),
    /// Socket.IO over this revision of Engine.IO.
    Engine(u8),
    Bayeux,
}

/// The command as Phoenix frames.
pub fn phoenix(version: Version, command: &Command) -> Vec<String> {
    let frame = |topic: &str, event: &str, payload: Value| match version {
        Version::V1 => json!({"topic": topic, "event": event, "payload": payload, "ref": "1"}).to_string(),
        Version::V2 => json!(["1", "1", topic, event, payload]).to_string(),
    };
    let presence = |role: Role, user: u64| match role {
        "teacher" => "presence:teachers".to_owned(),
        _ => format!("presence:student:{user}"),
    };
    let chat_topic = |chat: &str| format!("chats:{chat}");
    match command {
        Command::Connect { role, user } => {
            let topic = presence(role, *user);
            let mut frames = vec![frame(&topic, "phx_join", json!({"userId": user, "role": role}))];
            if *role == "student" {
                frames.push(frame(&topic, "student:ready", json!({"userId": user})));
            }
            frames
        }
        Command::Leave { role, user } => vec![frame(&presence(role, *user), "phx_leave", json!({}))],
        Command::Claim { teacher } => {
            vec![frame("presence:teachers", "claim:student", json!({"teacherId": teacher}))]
        }
        Command::Enter { chat, role, user } => {
            let topic = chat_topic(chat);
            let join = frame(&topic, "phx_join", json!({"userId": user, "role": role}));
            vec![join, frame(&topic, &format!("{role}:joined"), json!({}))]
        }
        Command::Say { chat, role, mark } => {
            vec![frame(&chat_topic(chat), &format!("{role}:send"), json!({"message": mark}))]
        }
        Command::Terminate { chat, .. } => vec![frame(&chat_topic(chat), "chat:terminate", json!({}))],
        Command::Listen { user, .. } => {
            vec![frame(&format!("presence:student:{user}"), "student:ready", json!({"userId": user}))]
        }
    }
}

/// The command as Socket.IO packets.
pub fn socket_io(command: &Command) -> Vec<String> {
    let (event, data) = match command {
        Command::Connect { role, user } => {
            (format!("presence:{role}:connect"), json!({"userId": user, "role": role}))
        }
        Command::Leave { role, user } => {
            (format!("presence:{role}:disconnect"), json!({"userId": user, "role": role}))
        }
        Command::Claim { teacher } => ("presence:claim_student".into(), json!({"teacherId": teacher})),
        Command::Enter { chat, role, user } => {
            (format!("chat:{role}:joined"), json!({"chatId": chat, "userId": user}))
        }
        Command::Say { chat, role, mark } => {
            (format!("chat:{role}:send"), json!({"chatId": chat, "message": mark}))
        }
        Command::Terminate { chat, role } => (format!("chat:{role}:terminate"), json!({"chatId": chat})),
        Command::Listen { .. } => ("ping".into(), Value::Null),
    };
    vec![format!("42{}", json!([event, data]))]
}

/// The command as Bayeux messages of the client with this clientId.
pub fn bayeux(client: &str, command: &Command) -> Vec<Value> {
    let listen = |role: &str, user: u64| subscribe(client, &format!("/presence/new_chat/{role}/{user}"));
    match command {
        Command::Connect { role, user } => {
            let data = json!({"userId": user, "role": role});
            vec![listen(role, *user), publish(client, &format!("/presence/{role}/connect"), data)]
        }
        Command::Leave { role, user } => {
            let data = json!({"userId": user, "role": role});
            vec![publish(client, &format!("/presence/{role}/disconnect"), data)]
        }
        Command::Claim { teacher } => {
            vec![publish(client, "/presence/claim_student", json!({"teacherId": teacher}))]
        }
        Command::Enter { chat, role, user } => vec![
            subscribe(client, &format!("/chat/{chat}/{role}/receive")),
            subscribe(client, &format!("/chat/{chat}/{role}/terminated")),
            publish(client, &format!("/chat/{chat}/{role}/joined"), json!({"userId": user})),
        ],
        Command::Say { chat, role, mark } => {
            vec![publish(client, &format!("/chat/{chat}/{role}/send"), json!({"message": mark}))]
        }
        Command::Terminate { chat, role } => {
            vec![publish(client, &format!("/chat/{chat}/{role}/terminate"), json!({}))]
        }
        Command::Listen { role, user } => vec![listen(role, *user)],
    }
}

/// A new chat that the server tells of.
#[derive(Debug, PartialEq)]
pub struct NewChat {
    pub chat: String,
    pub role: Role,
    pub user: u64,
}

/// What a frame, packet or message tells of a new chat.
pub fn new_chat(speech: Speech, text: &str) -> Option<NewChat> {
    let value: Value = serde_json::from_str(text.strip_prefix("42").unwrap_or(text)).ok()?;
    let (topic, event, payload) = match speech {
        Speech::Phoenix(Version::V1) => (&value["topic"], &value["event"], &value["payload"]),
        Speech::Phoenix(Version::V2) => (&value[2], &value[3], &value[4]),
        Speech::Engine(_) => (&Value::Null, &value[0], &value[1]),
        Speech::Bayeux => (&Value::Null, &value["channel"], &value["data"]),
    };
    let name = match event.as_str()? {
        "new:chat" => format!("new:chat:student:{}", topic.as_str()?.rsplit(':').next()?),
        event => event.replace('/', ":"),
    };
    let (name, user) = name.rsplit_once(':')?;
    let role = match name {
        "new:chat" | "presence:new_chat:teacher" | ":presence:new_chat:teacher" => "teacher",
        "new:chat:student" | "presence:new_chat:student" | ":presence:new_chat:student" => "student",
        _ => return None,
    };
    let of_channel = || payload["sendChannel"].as_str()?.split('/').nth(2);
    let chat = payload["id"].as_str().or_else(of_channel)?.to_owned();
    Some(NewChat { chat, role, user: user.parse().ok()? })
}

#[test]
fn a_new_chat_is_found_in_every_protocol() {
    let found = |speech, text| new_chat(speech, text).map(|new| (new.chat, new.role, new.user));
    let of = |role| Some(("C".to_owned(), role, 7));
    let v1 = r#"{"topic":"presence:teachers","event":"new:chat:7","payload":{"id":"C"},"ref":null}"#;
    assert_eq!(found(Speech::Phoenix(Version::V1), v1), of("teacher"));
    let v2 = r#"[null,null,"presence:student:7","new:chat",{"id":"C"}]"#;
    assert_eq!(found(Speech::Phoenix(Version::V2), v2), of("student"));
    let packet = r#"42["presence:new_chat:teacher:7",{"id":"C"}]"#;
    assert_eq!(found(Speech::Engine(4), packet), of("teacher"));
    let message =
        r#"{"channel":"/presence/new_chat/student/7","data":{"sendChannel":"/chat/C/student/send"}}"#;
    assert_eq!(found(Speech::Bayeux, message), of("student"));
    assert_eq!(found(Speech::Engine(4), r#"42["chat:error",{"event":"chat:teacher:send"}]"#), None);
}
