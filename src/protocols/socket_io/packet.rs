//! Socket.IO packets from a client: protocol revision 4 (Engine.IO 3) and 5 (Engine.IO 4), which are the
//! same but for the connect packet.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::chat::command::{Command, CommandError};
use crate::chat::id::Role;
use crate::protocols::json::{self, Fields};

/// A packet, without the Engine.IO type before it.
#[derive(Debug)]
pub enum Packet<'a> {
    Connect {
        namespace: &'a str,
    },
    Disconnect {
        namespace: &'a str,
    },
    Event(EventPacket<'a>),
    /// An event with so many attachments, which follow as messages of their own.
    BinaryEvent {
        event: EventPacket<'a>,
        attachments: usize,
    },
    /// An acknowledgement with so many attachments. This server asks for none.
    BinaryAck {
        attachments: usize,
    },
    /// An acknowledgement or an error. This server asks for no acknowledgement.
    Other,
}

/// An event with its first argument, the only one that node-chat-server looks at.
#[derive(Debug)]
pub struct EventPacket<'a> {
    pub namespace: &'a str,
    /// The acknowledgement that is asked for: digits.
    pub ack: Option<&'a str>,
    /// The event's name as JSON, quotes and all.
    pub name: &'a str,
    data: Option<&'a RawValue>,
}

/// The name and the first argument; the usual case, without a list to allocate.
#[derive(Deserialize)]
struct Arguments<'a>(#[serde(borrow)] &'a RawValue, #[serde(borrow, default)] Option<&'a RawValue>);

impl<'a> Packet<'a> {
    /// Reads `type[attachments-][/namespace,][ack]json`. `None` if it is not of this form, or if its JSON is not
    /// what socket.io-parser accepts for the type.
    pub fn parse(text: &'a str) -> Option<Packet<'a>> {
        let (kind, rest) = text.split_at_checked(1)?;
        let is_binary = matches!(kind, "5" | "6");
        let (attachments, rest) = if is_binary { rest.split_once('-')? } else { ("0", rest) };
        let (namespace, rest) = match rest.strip_prefix('/') {
            Some(_) => rest.split_once(',').unwrap_or((rest, "")),
            None => ("/", rest),
        };
        // A namespace may carry a query, which this server ignores.
        let namespace = namespace.split('?').next().unwrap_or_default();
        let (ack, json) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let ack = (!ack.is_empty() && ack.len() <= 20).then_some(ack);
        match kind {
            "0" => (json.is_empty() || is_json(json, '{')).then_some(Packet::Connect { namespace }),
            "1" => json.is_empty().then_some(Packet::Disconnect { namespace }),
            "2" => EventPacket::parse(namespace, ack, json).map(Packet::Event),
            "3" => is_json(json, '[').then_some(Packet::Other),
            "4" => (is_json(json, '{') || is_json(json, '"')).then_some(Packet::Other),
            "5" => {
                let event = EventPacket::parse(namespace, ack, json)?;
                Some(Packet::BinaryEvent { event, attachments: attachments.parse().ok()? })
            }
            "6" if is_json(json, '[') => Some(Packet::BinaryAck { attachments: attachments.parse().ok()? }),
            _ => None,
        }
    }
}

/// Whether a text is one JSON value that begins with this character.
fn is_json(text: &str, first: char) -> bool {
    text.trim_ascii_start().starts_with(first) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

impl<'a> EventPacket<'a> {
    fn parse(namespace: &'a str, ack: Option<&'a str>, json: &'a str) -> Option<EventPacket<'a>> {
        let (name, data) = match serde_json::from_str(json) {
            Ok(Arguments(name, data)) => (name, data),
            Err(_) => {
                let arguments: Vec<&RawValue> = serde_json::from_str(json).ok()?;
                (*arguments.first()?, arguments.get(1).copied())
            }
        };
        let name = name.get();
        name.starts_with('"').then_some(EventPacket { namespace, ack, name, data })
    }

    /// Whether this is the event of that name.
    pub fn is(&self, name: &str) -> bool {
        self.name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(name)
    }

    /// The commands that the event stands for: what has to happen first, and what it is about.
    pub fn command(&self) -> Result<(Option<Command<'a>>, Command<'a>), CommandError> {
        match self.name.trim_matches('"') {
            "chat:teacher:send" => self.send(Role::Teacher),
            "chat:student:send" => self.send(Role::Student),
            "chat:teacher:joined" => self.joined(Role::Teacher),
            "chat:student:joined" => self.joined(Role::Student),
            "chat:teacher:terminate" => self.terminate(Role::Teacher),
            "chat:student:terminate" => self.terminate(Role::Student),
            "presence:claim_student" => {
                Ok((None, Command::ClaimStudent { teacher: self.fields()?.teacher_id()? }))
            }
            "presence:teacher:connect" => {
                Ok((None, Command::ConnectTeacher { user: self.fields()?.user_in(Role::Teacher)? }))
            }
            // Connected and ready in one.
            "presence:student:connect" => {
                let user = self.fields()?.user_in(Role::Student)?;
                Ok((Some(Command::ConnectStudent { user: user.clone() }), Command::StudentReady { user }))
            }
            "presence:student:disconnect" => {
                let user = self.fields()?.user_in(Role::Student)?;
                Ok((None, Command::Disconnect { role: Role::Student, user }))
            }
            _ => Err(CommandError::UnknownEvent),
        }
    }

    fn send(&self, from: Role) -> Result<(Option<Command<'a>>, Command<'a>), CommandError> {
        let chat = self.fields()?.chat_id()?;
        Ok((None, Command::Send { chat, from, payload: self.object()? }))
    }

    fn joined(&self, role: Role) -> Result<(Option<Command<'a>>, Command<'a>), CommandError> {
        let fields = self.fields()?;
        let chat = fields.chat_id()?;
        let user = fields.user_id()?;
        Ok((Some(Command::OpenChat { chat, role, user }), Command::EnterChat { chat, role }))
    }

    fn terminate(&self, by: Role) -> Result<(Option<Command<'a>>, Command<'a>), CommandError> {
        Ok((None, Command::Terminate { chat: self.fields()?.chat_id()?, by }))
    }

    fn fields(&self) -> Result<Fields<'a>, CommandError> {
        Fields::parse(self.data.map(RawValue::get))
    }

    fn object(&self) -> Result<&'a str, CommandError> {
        json::object(self.data.map(RawValue::get))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> EventPacket<'_> {
        match Packet::parse(text) {
            Some(Packet::Event(event)) => event,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn events_with_and_without_namespace_ack_and_arguments() {
        let packet = event(r#"2/admin,17["a:b",{"x":1},2,3]"#);
        assert_eq!((packet.namespace, packet.ack, packet.name), ("/admin", Some("17"), "\"a:b\""));
        assert_eq!(packet.object(), Ok("{\"x\":1}"));
        let packet = event(r#"2["ping",null]"#);
        assert_eq!((packet.namespace, packet.ack, packet.is("ping")), ("/", None, true));
        assert!(event(r#"2["ping"]"#).data.is_none());
    }

    #[test]
    fn connect_and_disconnect_name_a_namespace() {
        for (text, expected) in [("0", "/"), ("0{\"token\":1}", "/"), ("0/a,{}", "/a"), ("0/a?b=1", "/a")] {
            let Some(Packet::Connect { namespace }) = Packet::parse(text) else { panic!("{text}") };
            assert_eq!(namespace, expected, "{text}");
        }
        assert!(matches!(Packet::parse("1"), Some(Packet::Disconnect { namespace: "/" })));
    }

    #[test]
    fn binary_packets_say_how_much_follows() {
        let packet = Packet::parse(r#"52-/a,7["x",{"_placeholder":true,"num":0}]"#);
        let Some(Packet::BinaryEvent { event, attachments: 2 }) = packet else { panic!("{packet:?}") };
        assert_eq!((event.namespace, event.ack, event.name), ("/a", Some("7"), "\"x\""));
        let packet = Packet::parse(r#"61-7[{"_placeholder":true,"num":0}]"#);
        assert!(matches!(packet, Some(Packet::BinaryAck { attachments: 1 })), "{packet:?}");
    }

    #[test]
    fn each_type_has_the_json_that_fits_it() {
        for text in [
            "0",
            "0{}",
            "0/a,{\"x\":1}",
            "1",
            "1/a",
            "1/a,",
            "37[]",
            "3/a,7[1,2]",
            "4\"x\"",
            "4{\"message\":\"x\"}",
            "51-[\"a\"]",
            "61-7[]",
        ] {
            assert!(Packet::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "9",
            "é",
            "0[]",
            "0x",
            "0{",
            "0{}x",
            "1{}",
            "1x",
            "2",
            "2{}",
            "2[]",
            "2[1]",
            "2[\"a\"",
            "2null",
            "2abc[\"a\"]",
            "2[\"a\"]x",
            "3",
            "37",
            "3{}",
            "37[1",
            "4",
            "4[]",
            "4{",
            "5[\"a\"]",
            "5x-[\"a\"]",
            "51-",
            "51-{}",
            "51-[1]",
            "51-[\"a\"",
            "5-1-[\"a\"]",
            "61-",
            "61-{}",
            "6[]",
        ] {
            assert!(Packet::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn each_command_has_what_it_needs_or_is_refused() {
        let refusal = |text| event(text).command().map(|_| ()).unwrap_err();
        for (text, expected) in [
            (r#"2["presence:claim_student",null]"#, CommandError::InvalidPayload),
            (r#"2["presence:claim_student"]"#, CommandError::InvalidPayload),
            (r#"2["presence:claim_student",{}]"#, CommandError::InvalidTeacherId),
            (r#"2["presence:teacher:connect",{"role":"teacher"}]"#, CommandError::InvalidUserId),
            (r#"2["presence:teacher:connect",{"userId":1,"role":"student"}]"#, CommandError::WrongRole),
            (r#"2["chat:teacher:send",{"message":"x"}]"#, CommandError::InvalidChatId),
            (r#"2["chat:teacher:send",{"chatId":"1"}]"#, CommandError::UnknownChat),
            (r#"2["chat:teacher:send",{"chatId":1}]"#, CommandError::InvalidChatId),
            (r#"2["nonsense",{}]"#, CommandError::UnknownEvent),
        ] {
            assert_eq!(refusal(text), expected, "{text}");
        }
    }
}
