//! Phoenix frames of version 1: objects.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::frame::{Message, Push, Version, number};

pub struct V1;

impl Version for V1 {
    fn parse<'a>(&self, text: &'a str) -> Option<Message<'a>> {
        usual(text).or_else(|| any(text))
    }

    fn write(&self, out: &mut String, push: &Push<'_>) {
        out.push_str("{\"topic\":\"");
        out.push_str(push.topic.0);
        push.topic.1.write(out);
        out.push_str("\",\"event\":\"");
        out.push_str(push.event);
        out.push_str("\",\"payload\":");
        push.payload.write(out);
        out.push_str(",\"ref\":\"");
        number(out, push.reference);
        out.push_str("\"}");
    }
}

/// The keys in the order of phoenix.js, without spaces or escapes: cut out, not parsed.
fn usual(text: &str) -> Option<Message<'_>> {
    let rest = text.strip_prefix("{\"topic\":\"")?;
    let (topic, rest) = rest.split_once('"')?;
    let rest = rest.strip_prefix(",\"event\":\"")?;
    let (event, rest) = rest.split_once('"')?;
    let rest = rest.strip_prefix(",\"payload\":")?;
    let (payload, reference) = rest.strip_suffix('}')?.rsplit_once(',')?;
    let reference = reference.strip_prefix("\"ref\":")?;
    if topic.contains('\\') || event.contains('\\') {
        return None;
    }
    // Anything but null or a plain number here may be the tail of the payload.
    let reference = match reference {
        "null" => None,
        digits => Some(digits.trim_matches('"').parse().ok()?),
    };
    Some(Message { topic: Cow::Borrowed(topic), event: Cow::Borrowed(event), payload, reference })
}

/// Any key order, by a real parser.
fn any(text: &str) -> Option<Message<'_>> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        topic: Cow<'a, str>,
        #[serde(borrow)]
        event: Cow<'a, str>,
        #[serde(borrow)]
        payload: &'a RawValue,
        #[serde(default, borrow, rename = "ref")]
        reference: Option<&'a RawValue>,
    }
    let frame: Frame<'_> = serde_json::from_str(text).ok()?;
    Some(Message {
        topic: frame.topic,
        event: frame.event,
        payload: frame.payload.get(),
        reference: frame.reference.and_then(|raw| raw.get().trim_matches('"').parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(topic: &'a str, event: &'a str, payload: &'a str, reference: Option<u32>) -> Message<'a> {
        Message { topic: topic.into(), event: event.into(), payload, reference }
    }

    #[test]
    fn the_usual_order_is_cut_and_any_other_parsed() {
        let usual_order = r#"{"topic":"chats:9","event":"chat:ready","payload":{"a":[1,2]},"ref":"4"}"#;
        let expected = message("chats:9", "chat:ready", r#"{"a":[1,2]}"#, Some(4));
        assert_eq!(usual(usual_order).as_ref(), Some(&expected));
        for other in [
            r#"{"ref":"4","payload":{"a":[1,2]},"topic":"chats:9","event":"chat:ready"}"#,
            r#"{"event":"chat:ready","payload":{"a":[1,2]},"ref":4,"topic":"chats:9","new":1}"#,
            r#" { "topic" : "chats:9", "event":"chat:ready", "payload":{"a":[1,2]}, "ref":"4" }"#,
        ] {
            assert_eq!(usual(other), None, "{other}");
            assert_eq!(V1.parse(other).as_ref(), Some(&expected), "{other}");
        }
    }

    #[test]
    fn a_ref_inside_the_payload_is_not_the_frames() {
        let text = r#"{"topic":"t","event":"e","payload":{"a":1,"ref":"3"}}"#;
        assert_eq!(V1.parse(text), Some(message("t", "e", r#"{"a":1,"ref":"3"}"#, None)));
    }

    #[test]
    fn cow_fields_stay_borrowed_where_nothing_is_escaped() {
        let text = r#"{"event":"e","topic":"chats:1","payload":{}}"#;
        assert!(matches!(V1.parse(text).unwrap().topic, Cow::Borrowed("chats:1")));
        let escaped = r#"{"topic":"a\"b","event":"e","payload":{},"ref":null}"#;
        assert_eq!(V1.parse(escaped).unwrap().topic, "a\"b");
    }

    #[test]
    fn what_is_no_frame_is_none() {
        for text in ["", "{}", "[]", "null", "{\"topic\":\"", r#"{"topic":1,"event":"e","payload":{}}"#] {
            assert_eq!(V1.parse(text), None, "{text}");
        }
    }
}
