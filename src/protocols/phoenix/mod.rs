//! Phoenix Channels: the protocol of ElixirChat and of phoenix.js, in serializer versions 1 and 2.
//!
//! Joins, leaves, heartbeats and errors are answered; other pushes are not, as in ElixirChat.

mod encode;
mod frame;
mod topic;
mod transport;

use std::borrow::Cow;

use tungstenite::protocol::frame::coding::CloseCode;

use super::{Decoded, Outgoing, Request, Wake};
use crate::Millis;
use crate::chat::command::{Command, CommandError};
use crate::chat::event::Event;
use crate::chat::id::Role;

use encode::encode;
pub use encode::encode_figures;
pub use frame::Version;
use frame::{Frame, NULL};
use topic::{Joined, Membership, TopicName};

/// The most topics that one socket may have joined at once.
pub const MAX_TOPICS: usize = 1024;

/// One client's socket: its version and the topics that it has joined.
#[derive(Debug)]
pub struct Phoenix {
    version: Version,
    /// How long the client may send nothing.
    idle_timeout: Millis,
    joined: Vec<Joined>,
}

/// What is needed to answer a frame.
#[derive(Debug)]
pub struct ReplyContext<'a> {
    refs: (&'a str, &'a str),
    topic: Cow<'a, str>,
    action: Action,
}

impl ReplyContext<'_> {
    /// Whether the request is a join or a leave: pushes are answered only if they fail.
    pub fn is_answered_if_ok(&self) -> bool {
        !matches!(self.action, Action::Push)
    }
}

#[derive(Debug)]
enum Action {
    /// Join a topic, in place of the membership at this index if there is one.
    Join(Membership, Option<usize>),
    /// Leave the topic at this index.
    Leave(usize),
    Push,
}

/// A frame's commands (see [`Request`]), and how to answer it. Without commands it joins or leaves the figures.
type Plan<'a> = (Option<Command<'a>>, Option<Command<'a>>, Action);

/// See [`super::Encoding::broadcast`].
pub fn broadcast(version: Version, event: &Event<'_>, out: &mut Outgoing) {
    encode(version, NULL, event, out);
}

impl Phoenix {
    /// A socket that has joined nothing yet.
    pub fn new(version: Version, idle_timeout: Millis) -> Phoenix {
        Phoenix { version, idle_timeout, joined: Vec::new() }
    }

    /// The serializer's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// See [`super::Protocol::decode`].
    pub fn decode<'a>(&mut self, text: &'a str, out: &mut Outgoing) -> Decoded<'a> {
        let Some(frame) = Frame::parse(self.version, text) else {
            return Decoded::Close(CloseCode::Invalid, "not a Phoenix frame");
        };
        let refs = (frame.join_ref, frame.reference);
        if frame.topic == "phoenix" && frame.event == "heartbeat" {
            self.reply(refs, &frame.topic, Ok(()), out);
            return Decoded::Done;
        }
        if self.is_stale_leave(&frame) {
            self.reply(refs, &frame.topic, Ok(()), out);
            return Decoded::Done;
        }
        match self.plan(&frame) {
            Ok((first, command, action)) => {
                let watches = matches!(action, Action::Join(..));
                let context = super::ReplyContext::Phoenix(ReplyContext { refs, topic: frame.topic, action });
                match command {
                    Some(command) => {
                        Decoded::Request(Request { first: first.into_iter().collect(), command, context })
                    }
                    None => Decoded::WatchFigures(watches, context),
                }
            }
            Err(refusal) => {
                self.reply(refs, &frame.topic, Err(refusal), out);
                Decoded::Refused(refusal)
            }
        }
    }

    /// See [`super::Protocol::answer`].
    pub fn answer(
        &mut self,
        context: ReplyContext<'_>,
        result: Result<(), CommandError>,
        out: &mut Outgoing,
    ) {
        let ReplyContext { refs, topic, action } = context;
        match action {
            Action::Push if result.is_ok() => {}
            Action::Push => self.reply(refs, &topic, result, out),
            Action::Join(membership, replaced) => {
                self.replace(replaced, &topic, out);
                if result.is_ok() {
                    let join_ref = (refs.0 != NULL).then(|| refs.0.into());
                    if self.joined.is_empty() {
                        // A student who waits has joined one topic: no room for four.
                        self.joined.reserve_exact(1);
                    }
                    self.joined.push(Joined { membership, join_ref });
                }
                self.reply(refs, &topic, result, out);
            }
            Action::Leave(index) => {
                let left = self.joined.remove(index);
                self.reply(refs, &topic, Ok(()), out);
                self.close(&left, &topic, out);
            }
        }
    }

    /// See [`super::Protocol::wake`]. Clients send a heartbeat every 30 s, and this server none.
    pub fn wake(&self, heard: Millis, now: Millis) -> Wake {
        let deadline = heard + self.idle_timeout;
        if deadline > now { Wake::At(deadline) } else { Wake::Close(CloseCode::Away, "idle timeout") }
    }

    /// See [`super::Protocol::wants`].
    pub fn wants(&self, event: &Event<'_>) -> bool {
        self.joined_for(event).is_some()
    }

    /// See [`super::Protocol::deliver`].
    pub fn deliver(&self, event: &Event<'_>, out: &mut Outgoing) -> bool {
        let Some(joined) = self.joined_for(event) else {
            return false;
        };
        encode(self.version, joined.join_ref.as_deref().unwrap_or(NULL), event, out);
        true
    }

    /// Whether the client has joined the topic of the server's figures.
    pub fn watches_figures(&self) -> bool {
        self.joined.iter().any(|joined| joined.membership == Membership::Figures)
    }

    fn joined_for(&self, event: &Event<'_>) -> Option<&Joined> {
        self.joined.iter().find(|joined| joined.membership.is_subscribed(event))
    }

    fn plan<'a>(&self, frame: &Frame<'a>) -> Result<Plan<'a>, CommandError> {
        let topic = TopicName::parse(&frame.topic).ok_or(CommandError::UnmatchedTopic)?;
        let index = self.joined.iter().position(|joined| joined.membership.is_of(&topic));
        if frame.event == "phx_join" {
            return self.join(topic, index, frame);
        }
        let index = index.ok_or(CommandError::UnmatchedTopic)?;
        let membership = &self.joined[index].membership;
        if frame.event == "phx_leave" {
            return Ok((None, membership.leave(), Action::Leave(index)));
        }
        Ok((None, Some(push(membership, frame)?), Action::Push))
    }

    /// A leave that names an earlier join crossed with the rejoin, and is not about the new one.
    fn is_stale_leave(&self, frame: &Frame<'_>) -> bool {
        frame.event == "phx_leave"
            && frame.join_ref != NULL
            && TopicName::parse(&frame.topic).is_some_and(|topic| {
                let joined = self.joined.iter().find(|joined| joined.membership.is_of(&topic));
                joined.is_some_and(|joined| joined.join_ref.as_deref() != Some(frame.join_ref))
            })
    }

    fn join<'a>(
        &self,
        topic: TopicName<'_>,
        index: Option<usize>,
        frame: &Frame<'_>,
    ) -> Result<Plan<'a>, CommandError> {
        let (membership, command) = topic.join(&frame.fields()?)?;
        let replaced = index.map(|index| &self.joined[index].membership);
        if replaced.is_none() && self.joined.len() >= MAX_TOPICS {
            return Err(CommandError::TooManyTopics);
        }
        // A teacher who joins as another user leaves first. A rejoin of the same user is no departure:
        // the queue and the chats stay as they are.
        let first = replaced.filter(|replaced| match (replaced, &membership) {
            (Membership::Teachers(before), Membership::Teachers(after)) => before != after,
            _ => false,
        });
        Ok((first.and_then(Membership::leave), command, Action::Join(membership, index)))
    }

    /// Drops a membership that a rejoin replaces. Version 2 says so, with the reference of the earlier
    /// join; in version 1 a close would be taken for that of the new one.
    fn replace(&mut self, index: Option<usize>, topic: &str, out: &mut Outgoing) {
        if let Some(index) = index {
            let replaced = self.joined.remove(index);
            if self.version == Version::V2 {
                self.close(&replaced, topic, out);
            }
        }
    }

    fn reply(&self, refs: (&str, &str), topic: &str, result: Result<(), CommandError>, out: &mut Outgoing) {
        let reply;
        let payload = match result {
            Ok(()) => r#"{"status":"ok","response":{}}"#,
            Err(refusal) => {
                let reason = refusal.reason();
                reply = format!(r#"{{"status":"error","response":{{"reason":"{reason}"}}}}"#);
                &reply
            }
        };
        frame::write(self.version, refs, topic, ("phx_reply", payload), out);
    }

    fn close(&self, left: &Joined, topic: &str, out: &mut Outgoing) {
        let join_ref = left.join_ref.as_deref().unwrap_or(NULL);
        frame::write(self.version, (join_ref, NULL), topic, ("phx_close", "{}"), out);
    }
}

/// The command of a push, by its topic and its event.
fn push<'a>(membership: &Membership, frame: &Frame<'a>) -> Result<Command<'a>, CommandError> {
    match (membership, frame.event.as_ref()) {
        (&Membership::Chat(chat, role), event) => chat_push(chat, role, event, frame),
        (Membership::Teachers(_), "claim:student") => {
            Ok(Command::ClaimStudent { teacher: frame.fields()?.teacher_id()? })
        }
        (Membership::Student(user), "student:ready") => {
            let ready = frame.fields()?.user_id()?;
            if ready == *user {
                Ok(Command::StudentReady { user: ready })
            } else {
                Err(CommandError::WrongUser)
            }
        }
        _ => Err(CommandError::UnknownEvent),
    }
}

fn chat_push<'a>(
    chat: uuid::Uuid,
    role: Role,
    event: &str,
    frame: &Frame<'a>,
) -> Result<Command<'a>, CommandError> {
    let (event_role, command) = match event {
        "teacher:send" => (Role::Teacher, Command::Send { chat, from: role, payload: frame.object()? }),
        "student:send" => (Role::Student, Command::Send { chat, from: role, payload: frame.object()? }),
        "teacher:joined" => (Role::Teacher, Command::EnterChat { chat, role }),
        "student:joined" => (Role::Student, Command::EnterChat { chat, role }),
        "chat:terminate" => (role, Command::Terminate { chat, by: role }),
        _ => return Err(CommandError::UnknownEvent),
    };
    if role == event_role { Ok(command) } else { Err(CommandError::WrongRole) }
}
