//! A Phoenix message apart from its spelling.

use std::borrow::Cow;
use std::fmt::Write;

use crate::protocols::Role;

/// One message, in either version's frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub topic: Cow<'a, str>,
    pub event: Cow<'a, str>,
    /// JSON text.
    pub payload: &'a str,
    /// The ref that a reply answers, where it is a number as all of this client's are.
    pub reference: Option<u32>,
}

/// A version of the frame.
pub trait Version {
    fn parse<'a>(&self, text: &'a str) -> Option<Message<'a>>;
    /// `topic` comes in two parts so that nobody has to join them first.
    fn write(&self, out: &mut String, push: &Push<'_>);
}

/// What a client sends.
pub struct Push<'a> {
    pub topic: (&'a str, TopicId<'a>),
    pub event: &'a str,
    pub payload: Payload<'a>,
    pub reference: u32,
    pub join_ref: Option<u32>,
}

#[derive(Clone, Copy)]
pub enum TopicId<'a> {
    None,
    User(u64),
    Chat(&'a str),
}

#[derive(Clone, Copy)]
pub enum Payload<'a> {
    Empty,
    User(u64, Role),
    /// A key and a user's id.
    Id(&'static str, u64),
    /// A message's text, which needs no escapes.
    Text(&'a str),
}

impl TopicId<'_> {
    pub fn write(self, out: &mut String) {
        match self {
            Self::None => {}
            Self::User(id) => number(out, id),
            Self::Chat(id) => out.push_str(id),
        }
    }
}

impl Payload<'_> {
    pub fn write(self, out: &mut String) {
        match self {
            Self::Empty => out.push_str("{}"),
            Self::User(id, role) => {
                out.push_str("{\"userId\":");
                number(out, id);
                out.push_str(match role {
                    Role::Teacher => ",\"role\":\"teacher\"}",
                    Role::Student => ",\"role\":\"student\"}",
                });
            }
            Self::Id(key, id) => {
                out.push_str("{\"");
                out.push_str(key);
                out.push_str("\":");
                number(out, id);
                out.push('}');
            }
            Self::Text(text) => {
                out.push_str("{\"message\":\"");
                out.push_str(text);
                out.push_str("\"}");
            }
        }
    }
}

pub fn number(out: &mut String, number: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{number}");
}
