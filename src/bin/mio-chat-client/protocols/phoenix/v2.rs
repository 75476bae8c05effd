//! Phoenix frames of version 2: arrays of join_ref, ref, topic, event and payload.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::frame::{Message, Push, Version, number};

pub struct V2;

impl Version for V2 {
    fn parse<'a>(&self, text: &'a str) -> Option<Message<'a>> {
        usual(text).or_else(|| any(text))
    }

    fn write(&self, out: &mut String, push: &Push<'_>) {
        match push.join_ref {
            Some(join_ref) => {
                out.push_str("[\"");
                number(out, join_ref);
                out.push_str("\",\"");
            }
            None => out.push_str("[null,\""),
        }
        number(out, push.reference);
        out.push_str("\",\"");
        out.push_str(push.topic.0);
        push.topic.1.write(out);
        out.push_str("\",\"");
        out.push_str(push.event);
        out.push_str("\",");
        push.payload.write(out);
        out.push(']');
    }
}

/// Without spaces or escapes: cut out, not parsed.
fn usual(text: &str) -> Option<Message<'_>> {
    let (join_ref, rest) = text.strip_prefix('[')?.split_once(',')?;
    let (reference, rest) = rest.split_once(',')?;
    let (topic, rest) = rest.strip_prefix('"')?.split_once('"')?;
    let (event, rest) = rest.strip_prefix(",\"")?.split_once('"')?;
    let payload = rest.strip_prefix(',')?.strip_suffix(']')?;
    plain_ref(join_ref)?;
    if topic.contains('\\') || event.contains('\\') {
        return None;
    }
    let reference = plain_ref(reference)?;
    Some(Message { topic: Cow::Borrowed(topic), event: Cow::Borrowed(event), payload, reference })
}

/// The number of a ref that is null or a number in quotes; nothing for any other.
fn plain_ref(text: &str) -> Option<Option<u32>> {
    match text {
        "null" => Some(None),
        quoted => {
            let digits = quoted.strip_prefix('"')?.strip_suffix('"')?;
            digits.parse().ok().map(Some)
        }
    }
}

/// Any spelling, by a real parser.
fn any(text: &str) -> Option<Message<'_>> {
    let (_, reference, topic, event, payload): (&RawValue, &RawValue, &RawValue, &RawValue, &RawValue) =
        serde_json::from_str(text).ok()?;
    Some(Message {
        topic: string(topic)?,
        event: string(event)?,
        payload: payload.get(),
        reference: reference.get().trim_matches('"').parse().ok(),
    })
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(plain) => Some(Cow::Borrowed(plain)),
        Err(_) => serde_json::from_str(raw.get()).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spelling_is_cut_and_any_other_parsed() {
        let expected = Message {
            topic: "chats:9".into(),
            event: "chat:ready".into(),
            payload: r#"{"a":[1,2]}"#,
            reference: Some(4),
        };
        let usual_spelling = r#"["1","4","chats:9","chat:ready",{"a":[1,2]}]"#;
        assert_eq!(usual(usual_spelling).as_ref(), Some(&expected));
        for other in [
            r#"[ "1" , "4" , "chats:9" , "chat:ready" , {"a":[1,2]} ]"#,
            r#"["a,b","4","chats:9","chat:ready",{"a":[1,2]}]"#,
            r#"[1,4,"chats:9","chat:ready",{"a":[1,2]}]"#,
            r#"[null,"4","chats\u003a9","chat:ready",{"a":[1,2]}]"#,
        ] {
            assert_eq!(usual(other), None, "{other}");
            assert_eq!(V2.parse(other).as_ref(), Some(&expected), "{other}");
        }
    }

    #[test]
    fn what_is_no_frame_is_none() {
        for text in ["", "[]", "{}", "[null,null]", r#"[1,2,3,4,5]"#, r#"["1","2","t","e"]"#] {
            assert_eq!(V2.parse(text), None, "{text}");
        }
    }
}
