//! Messages from clients, and the replies to them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{CONNECT_TIMEOUT, CONNECTION_TYPES};
use crate::Millis;
use crate::chat::command::CommandError;
use crate::protocols::{Outgoing, json};

/// A message from a client. What is not of the type that it should be is as good as missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "text")]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    client_id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    supported_connection_types: Option<&'a RawValue>,
    #[serde(borrow)]
    connection_type: Option<&'a RawValue>,
    #[serde(borrow)]
    subscription: Option<&'a RawValue>,
    #[serde(borrow)]
    advice: Option<&'a RawValue>,
}

/// A text; `None` if the value is none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(read_text(<&RawValue>::deserialize(deserializer)?.get()))
}

/// The text that a JSON value is, if it is one.
fn read_text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    let has_escape = inner.bytes().fold(false, |found, byte| found | (byte == b'\\'));
    if has_escape { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// What a client asks for with its connect.
#[derive(Deserialize)]
struct Advice {
    timeout: Option<f64>,
}

/// One text or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

/// Messages that a batch may have.
pub const MAX_BATCH: usize = 1000;

/// Why a text is no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// Neither a message nor an array of messages.
    Malformed,
    /// It has more than `MAX_BATCH` messages.
    TooLong,
}

impl BatchError {
    /// The error in words.
    pub fn reason(self) -> &'static str {
        match self {
            BatchError::Malformed => "not a Bayeux batch",
            BatchError::TooLong => "too many messages in a batch",
        }
    }
}

/// The array of a batch, of which no more is read than it may have.
struct BatchVisitor<'v> {
    is_too_long: &'v mut bool,
}

impl<'de> DeserializeSeed<'de> for BatchVisitor<'_> {
    type Value = Vec<Message<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for BatchVisitor<'_> {
    type Value = Vec<Message<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut messages = Vec::new();
        while let Some(message) = array.next_element()? {
            if messages.len() == MAX_BATCH {
                *self.is_too_long = true;
                break;
            }
            messages.push(message);
        }
        Ok(messages)
    }
}

impl<'a> Message<'a> {
    /// Takes a batch apart: an array of messages, or a single one.
    pub fn parse_batch(text: &'a str) -> Result<Vec<Message<'a>>, BatchError> {
        match Message::parse_plain(text) {
            Some(message) => Ok(vec![message]),
            None => Message::parse_any(text),
        }
    }

    /// Takes a batch of one publication apart as Faye's client writes it: these keys in this order, without blanks or
    /// escapes outside the data, which has to be one JSON value.
    fn parse_plain(text: &'a str) -> Option<Message<'a>> {
        let (channel, rest) = json::plain_string(text.strip_prefix("[{\"channel\":")?)?;
        let rest = rest.strip_prefix(",\"data\":")?.strip_suffix("}]")?;
        let (rest, id) = json::last_plain_scalar(rest)?;
        let (rest, client_id) = json::last_plain_scalar(rest.strip_suffix(",\"id\":")?)?;
        let data = rest.strip_suffix(",\"clientId\":")?;
        Some(Message {
            id: serde_json::from_str(id).ok()?,
            channel: Some(Cow::Borrowed(channel)),
            client_id: serde_json::from_str(client_id).ok()?,
            data: serde_json::from_str(data).ok()?,
            version: None,
            supported_connection_types: None,
            connection_type: None,
            subscription: None,
            advice: None,
        })
    }

    /// Takes a batch apart in any form that JSON allows.
    fn parse_any(text: &'a str) -> Result<Vec<Message<'a>>, BatchError> {
        if !text.trim_start().starts_with('[') {
            return serde_json::from_str(text)
                .map(|message| vec![message])
                .map_err(|_| BatchError::Malformed);
        }
        let mut is_too_long = false;
        let mut json = serde_json::Deserializer::from_str(text);
        let messages = BatchVisitor { is_too_long: &mut is_too_long }.deserialize(&mut json);
        match messages.and_then(|messages| json.end().map(|()| messages)) {
            _ if is_too_long => Err(BatchError::TooLong),
            messages => messages.map_err(|_| BatchError::Malformed),
        }
    }

    /// Reads one message of a batch that was parsed before.
    pub fn parse(text: &'a str) -> Option<Message<'a>> {
        serde_json::from_str(text).ok()
    }

    /// Where each message of a batch stands in its text, in bytes. The batch has been parsed before.
    pub fn ranges(text: &str) -> Vec<Range<usize>> {
        let messages: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
        let begin = |message: &RawValue| message.get().as_ptr() as usize - text.as_ptr() as usize;
        messages.into_iter().map(|message| begin(message)..begin(message) + message.get().len()).collect()
    }

    /// The channel that the message is for; empty if it names none.
    pub fn channel(&self) -> &str {
        self.channel.as_deref().unwrap_or_default()
    }

    /// Whether it is for a channel of the chat, and not for the protocol itself.
    pub fn is_publication(&self) -> bool {
        !self.channel().starts_with("/meta/")
    }

    /// The sender's clientId. One that is not a string is returned as it stands, and is unknown.
    pub fn client_id(&self) -> Option<Cow<'a, str>> {
        let json = self.client_id?.get();
        match json {
            "null" | "\"\"" | "0" | "false" => None,
            _ => Some(read_text(json).unwrap_or(Cow::Borrowed(json))),
        }
    }

    /// What is published, as JSON text.
    pub fn data(&self) -> Option<&'a str> {
        self.data.map(RawValue::get)
    }

    /// The channels to subscribe to or to unsubscribe from.
    pub fn subscription(&self) -> Option<Vec<String>> {
        match serde_json::from_str(self.subscription?.get()).ok()? {
            Texts::One(name) if name.is_empty() => None,
            Texts::One(name) => Some(vec![name]),
            Texts::Many(names) => Some(names),
        }
    }

    /// Whether the message names a version, whichever.
    pub fn has_version(&self) -> bool {
        self.version.is_some_and(|version| version.get() != "null")
    }

    /// The transports that the client has.
    pub fn connection_types(&self) -> Option<Vec<String>> {
        serde_json::from_str(self.supported_connection_types?.get()).ok()
    }

    /// The transport that a connect comes over.
    pub fn connection_type(&self) -> Option<String> {
        serde_json::from_str(self.connection_type?.get()).ok()
    }

    /// How long a connect may be held.
    pub fn timeout(&self) -> Millis {
        let advice = self.advice.and_then(|advice| serde_json::from_str::<Advice>(advice.get()).ok());
        match advice.and_then(|advice| advice.timeout) {
            // A negative or fractional wish becomes the next whole number of milliseconds that is not.
            Some(timeout) => (timeout as Millis).min(CONNECT_TIMEOUT),
            None => CONNECT_TIMEOUT,
        }
    }

    /// Writes what [`Message::reply`] does for a publication of a known client on a valid channel, whose name needs no
    /// escapes: each message of a chat has one.
    pub fn acknowledge(&self, out: &mut Outgoing) {
        let (begin, id, comma) = match self.id {
            Some(id) => ("{\"id\":", id.get(), ","),
            None => ("{", "", ""),
        };
        let client_id = self.client_id.map_or("null", RawValue::get);
        let channel = self.channel();
        out(&[
            begin,
            id,
            comma,
            "\"clientId\":",
            client_id,
            ",\"channel\":\"",
            channel,
            "\",\"successful\":true}",
        ]);
    }

    /// The beginning of the reply: successful, until it is said that it is not.
    pub fn reply(&self) -> Reply<'_> {
        Reply {
            id: self.id,
            client_id: self.client_id.filter(|_| self.client_id().is_some()).map(Id::Given),
            channel: self.channel(),
            successful: true,
            version: None,
            supported_connection_types: None,
            subscription: None,
            error: None,
            advice: None,
        }
    }
}

/// A reply, field by field as Faye orders them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<Id<'a>>,
    channel: &'a str,
    successful: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supported_connection_types: Option<[&'static str; CONNECTION_TYPES.len()]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<ReplyAdvice>,
}

/// A clientId that goes back as it came, or a new one.
#[derive(Serialize)]
#[serde(untagged)]
enum Id<'a> {
    Given(&'a RawValue),
    New(&'a str),
}

/// What a client is to do next.
#[derive(Serialize)]
struct ReplyAdvice {
    reconnect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<Millis>,
}

impl<'a> Reply<'a> {
    /// The reply to a handshake, which says what is on offer whether it succeeds or not.
    pub fn to_handshake(message: &'a Message<'_>) -> Reply<'a> {
        let reply = message.reply().without_client();
        Reply { version: Some("1.0"), supported_connection_types: Some(CONNECTION_TYPES), ..reply }
    }

    pub fn fail(self, error: String) -> Reply<'a> {
        Reply { successful: false, error: Some(error), ..self }
    }

    pub fn with_client(self, id: &'a str) -> Reply<'a> {
        Reply { client_id: Some(Id::New(id)), ..self }
    }

    pub fn without_client(self) -> Reply<'a> {
        Reply { client_id: None, ..self }
    }

    /// Names the channels of a subscribe or unsubscribe, as they came.
    pub fn with_subscription(self, message: &'a Message<'_>) -> Reply<'a> {
        Reply { subscription: message.subscription, ..self }
    }

    /// What the client is to do next: connect again, or begin anew.
    pub fn with_advice(self) -> Reply<'a> {
        let advice = if self.successful {
            ReplyAdvice { reconnect: "retry", interval: Some(0), timeout: Some(CONNECT_TIMEOUT) }
        } else {
            ReplyAdvice { reconnect: "handshake", interval: None, timeout: None }
        };
        Reply { advice: Some(advice), ..self }
    }

    /// The reply as JSON. It is made of what has been JSON, for which serde_json has no error.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The JSON array of these values, written once: a batch may have many replies.
pub fn array(values: &[String]) -> String {
    let mut json = String::with_capacity(values.iter().map(|value| value.len() + 1).sum::<usize>() + 2);
    json.push('[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push_str(value);
    }
    json.push(']');
    json
}

// Faye's errors: a code, what it is about, and the words.

pub fn mismatch(types: &[String]) -> String {
    format!("301:{}:Connection types not supported", types.join(","))
}

pub fn unknown_client(message: &Message<'_>) -> String {
    format!("401:{}:Unknown client", message.client_id().unwrap_or_default())
}

pub fn missing(parameter: &str) -> String {
    format!("402:{parameter}:Missing required parameter")
}

pub fn forbidden(channel: &str) -> String {
    format!("403:{channel}:Forbidden channel")
}

pub fn invalid(channel: &str) -> String {
    format!("405:{channel}:Invalid channel")
}

/// What the chat refuses, in Faye's form; of what Faye knows nothing, in our words.
pub fn refused(message: &Message<'_>, refusal: CommandError) -> String {
    // For a subscribe it is the channels that are forbidden.
    let subscription = message.subscription().map(|names| names.join(","));
    let channel = subscription.as_deref().unwrap_or(message.channel());
    match refusal {
        CommandError::InvalidUserId => missing("userId"),
        CommandError::InvalidTeacherId => missing("teacherId"),
        CommandError::UnknownEvent
        | CommandError::UnmatchedTopic
        | CommandError::UnknownChat
        | CommandError::NotYourChat
        | CommandError::NotYourUser => forbidden(channel),
        other => format!("400:{channel}:{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::json::mutated;

    /// Batches that are nearly as Faye's client writes them are read like any JSON.
    #[test]
    fn plain_batches_are_read_as_json_is() {
        const BATCH: &str =
            r#"[{"channel":"/chat/1/a","data":{"m":"x\"","n":[1]},"clientId":"c1","id":"7"}]"#;
        let mut random = fastrand::Rng::with_seed(1);
        let mut plain_count = 0;
        for _ in 0..50_000 {
            let text =
                mutated(BATCH, &["\"id\":1", ",\"clientId\":\"2\"", "\"channel\":\"t\",", "}]"], &mut random);
            if let Some(plain) = Message::parse_plain(&text) {
                plain_count += 1;
                let any = Message::parse_any(&text).unwrap_or_else(|_| panic!("not JSON: {text}"));
                assert_eq!(format!("{:?}", [plain]), format!("{any:?}"), "{text}");
            }
        }
        assert!(plain_count > 5_000);
        assert!(Message::parse_plain(BATCH).is_some());
    }
}
