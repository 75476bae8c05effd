//! The text of a frame: an object in version 1, an array in version 2.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::command::CommandError;
use crate::protocols::Outgoing;
use crate::protocols::json::{self, Fields, escaped};

/// A reference that was not given.
pub const NULL: &str = "null";

/// The serializer that a client asked for with `vsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `{"topic":…,"event":…,"payload":…,"ref":…}`: no `vsn`, or 1.x.
    V1,
    /// `[join_ref,ref,topic,event,payload]`: `vsn=2.0.0`.
    V2,
}

impl Version {
    /// The version that a `vsn` parameter asks for, if there is such a one.
    pub fn from_vsn(vsn: Option<&str>) -> Option<Version> {
        match vsn {
            None => Some(Version::V1),
            Some(vsn) if vsn.starts_with("1.") => Some(Version::V1),
            Some(vsn) if vsn.starts_with("2.") => Some(Version::V2),
            Some(_) => None,
        }
    }
}

/// A frame from a client. References are kept as the JSON they came as, to be echoed with their type.
#[derive(Debug)]
pub struct Frame<'a> {
    pub join_ref: &'a str,
    pub reference: &'a str,
    pub topic: Cow<'a, str>,
    pub event: Cow<'a, str>,
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FrameV1<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FrameV2<'a>(
    #[serde(borrow)] &'a RawValue,
    #[serde(borrow)] &'a RawValue,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow, default)] Option<&'a RawValue>,
);

impl<'a> Frame<'a> {
    /// Reads a frame; `None` if the text is not one.
    pub fn parse(version: Version, text: &'a str) -> Option<Frame<'a>> {
        let plain = match version {
            Version::V1 => Frame::parse_plain_v1(text),
            Version::V2 => Frame::parse_plain_v2(text),
        };
        plain.or_else(|| Frame::parse_any(version, text))
    }

    /// Reads a frame in any form that JSON allows.
    fn parse_any(version: Version, text: &'a str) -> Option<Frame<'a>> {
        let frame = match version {
            Version::V1 => {
                let frame: FrameV1 = serde_json::from_str(text).ok()?;
                let reference = frame.reference.map_or(NULL, RawValue::get);
                Frame {
                    join_ref: NULL,
                    reference,
                    topic: frame.topic,
                    event: frame.event,
                    payload: frame.payload,
                }
            }
            Version::V2 => {
                let FrameV2(join_ref, reference, topic, event, payload) = serde_json::from_str(text).ok()?;
                Frame { join_ref: join_ref.get(), reference: reference.get(), topic, event, payload }
            }
        };
        (is_ref(frame.join_ref) && is_ref(frame.reference)).then_some(frame)
    }

    /// Reads a frame as phoenix.js writes it: these keys in this order, without blanks or escapes outside the payload.
    /// It takes a third of the time of any other. What stands for the payload has to be one JSON value: only then is
    /// this how JSON is read.
    fn parse_plain_v1(text: &'a str) -> Option<Frame<'a>> {
        let (topic, rest) = json::plain_string(text.strip_prefix("{\"topic\":")?)?;
        let (event, rest) = json::plain_string(rest.strip_prefix(",\"event\":")?)?;
        let rest = rest.strip_prefix(",\"payload\":")?.strip_suffix('}')?;
        let (rest, reference) = json::last_plain_scalar(rest)?;
        let payload = rest.strip_suffix(",\"ref\":")?;
        Frame::plain((NULL, reference), topic, event, payload)
    }

    /// The same for version 2.
    fn parse_plain_v2(text: &'a str) -> Option<Frame<'a>> {
        let (join_ref, rest) = json::plain_scalar(text.strip_prefix('[')?)?;
        let (reference, rest) = json::plain_scalar(rest.strip_prefix(',')?)?;
        let (topic, rest) = json::plain_string(rest.strip_prefix(',')?)?;
        let (event, rest) = json::plain_string(rest.strip_prefix(',')?)?;
        let payload = rest.strip_prefix(',')?.strip_suffix(']')?;
        Frame::plain((join_ref, reference), topic, event, payload)
    }

    fn plain(
        (join_ref, reference): (&'a str, &'a str),
        topic: &'a str,
        event: &'a str,
        payload: &'a str,
    ) -> Option<Frame<'a>> {
        let payload = serde_json::from_str(payload).ok()?;
        let (topic, event) = (Cow::Borrowed(topic), Cow::Borrowed(event));
        let frame = Frame { join_ref, reference, topic, event, payload };
        (is_ref(join_ref) && is_ref(reference)).then_some(frame)
    }

    /// The payload as JSON text, which has to be an object.
    pub fn object(&self) -> Result<&'a str, CommandError> {
        json::object(self.payload.map(RawValue::get))
    }

    /// The payload's fields.
    pub fn fields(&self) -> Result<Fields<'a>, CommandError> {
        Fields::parse(self.payload.map(RawValue::get))
    }
}

/// A reference is a string, a number or null, and short: that of a join is kept.
fn is_ref(json: &str) -> bool {
    const MAX_LENGTH: usize = 64;
    let is_scalar = json == NULL || json.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
    is_scalar && json.len() <= MAX_LENGTH
}

/// Writes a frame that answers one of the client's, or follows from it.
pub fn write(
    version: Version,
    (join_ref, reference): (&str, &str),
    topic: &str,
    (event, payload): (&str, &str),
    out: &mut Outgoing,
) {
    let topic = &escaped(topic);
    match version {
        Version::V1 => out(&[
            "{\"topic\":\"",
            topic,
            "\",\"event\":\"",
            event,
            "\",\"payload\":",
            payload,
            ",\"ref\":",
            reference,
            "}",
        ]),
        Version::V2 => {
            out(&["[", join_ref, ",", reference, ",\"", topic, "\",\"", event, "\",", payload, "]"])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::json::mutated;

    fn v1(text: &str) -> Option<Frame<'_>> {
        Frame::parse(Version::V1, text)
    }

    fn v2(text: &str) -> Option<Frame<'_>> {
        Frame::parse(Version::V2, text)
    }

    #[test]
    fn v1_takes_any_key_order_and_ignores_unknown_keys() {
        let text = r#"{"ref":7,"x":[1],"payload":{"a":1},"event":"e","join_ref":"4","topic":"t\u0041"}"#;
        let frame = v1(text).unwrap();
        assert_eq!((frame.topic.as_ref(), frame.event.as_ref()), ("tA", "e"));
        assert_eq!((frame.reference, frame.object().unwrap()), ("7", r#"{"a":1}"#));
    }

    #[test]
    fn refs_keep_their_type() {
        for json in ["\"1\"", "1", "-1", "null"] {
            assert_eq!(v2(&format!(r#"[{json},{json},"t","e",{{}}]"#)).unwrap().reference, json);
        }
        assert_eq!(v1(r#"{"topic":"t","event":"e","payload":{}}"#).unwrap().reference, NULL);
    }

    #[test]
    fn what_is_not_a_frame() {
        for text in
            ["", "{}", "[]", "1", r#"{"topic":"t"}"#, r#"{"topic":1,"event":"e"}"#, "{\"topic\":\"t\""]
        {
            assert!(v1(text).is_none(), "{text}");
        }
        for text in [
            "",
            "{}",
            "[]",
            r#"[null,null,"t"]"#,
            r#"[{},null,"t","e",{}]"#,
            r#"["1","2","t","e",{},1]"#,
            &format!(r#"["{}",null,"t","e",{{}}]"#, "1".repeat(64)),
        ] {
            assert!(v2(text).is_none(), "{text}");
        }
    }

    /// Frames that are nearly as phoenix.js writes them are read like any JSON.
    #[test]
    fn plain_frames_are_read_as_json_is() {
        const FRAMES: [(Version, &str); 3] = [
            (Version::V1, r#"{"topic":"chats:1","event":"a:send","payload":{"m":"x\"","n":[1]},"ref":"12"}"#),
            (Version::V1, r#"{"topic":"t","event":"e","payload":{},"ref":7}"#),
            (Version::V2, r#"["1",null,"chats:1","a:send",{"m":"é","n":[1]}]"#),
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut plain_count = 0;
        for _ in 0..100_000 {
            let (version, frame) = FRAMES[random.usize(0..FRAMES.len())];
            let text = mutated(frame, &[",\"ref\":1", ",\"ref\":\"2\"", "\"topic\":\"t\","], &mut random);
            let plain = match version {
                Version::V1 => Frame::parse_plain_v1(&text),
                Version::V2 => Frame::parse_plain_v2(&text),
            };
            if let Some(plain) = plain {
                plain_count += 1;
                let any = Frame::parse_any(version, &text).unwrap_or_else(|| panic!("not JSON: {text}"));
                assert_eq!(format!("{plain:?}"), format!("{any:?}"), "{text}");
            }
        }
        assert!(plain_count > 10_000);
        for (version, frame) in FRAMES {
            assert!(Frame::parse(version, frame).is_some());
        }
    }

    #[test]
    fn a_payload_is_an_object() {
        for payload in ["null", "1", "\"{\"", "[{}]"] {
            let text = format!(r#"[null,null,"t","e",{payload}]"#);
            assert_eq!(v2(&text).unwrap().object(), Err(CommandError::InvalidPayload), "{payload}");
        }
        let missing = v2(r#"[null,null,"t","e"]"#).unwrap();
        assert_eq!(missing.object(), Err(CommandError::InvalidPayload));
    }
}
