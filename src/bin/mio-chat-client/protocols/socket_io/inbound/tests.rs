use super::*;
use crate::reader::{Inbound, Reader};

const TEACHER: Identity = Identity::new(Role::Teacher, 1);
const STUDENT: Identity = Identity::new(Role::Student, 7);

fn to_student(text: &str) -> Event<'_> {
    event(Revision::V3, &STUDENT, text)
}

fn said(text: &str) -> Event<'_> {
    Event::Message { chat: "c-1", text: text.into() }
}

#[test]
fn the_usual_form_is_cut_and_any_other_parsed() {
    let usual_form = r#"42["chat:c-1:student:receive",{"chatId":"c-1","message":"Hello"}]"#;
    assert!(usual(&usual_form[2..]).is_some());
    assert!(matches!(to_student(usual_form), Event::Message { text: Cow::Borrowed("Hello"), .. }));
    for text in [
        r#"42["chat:c-1:student:receive",{"message":"Hello","chatId":"c-1"}]"#,
        r#"42["chat:c-1:student:receive",{"chatId":"c-1","message":"\u0048ello"}]"#,
        r#"42[ "chat:c-1:student:receive" , { "message" : "Hello" , "chatId" : "c-1" } ]"#,
    ] {
        assert_eq!(to_student(text), said("Hello"), "{text}");
    }
}

#[test]
fn what_is_not_the_message_alone_is_taken_whole() {
    for payload in [
        r#"{"chatId":"c-2","message":"Hello"}"#,
        r#"{"chatId":"c-1","message":"Hello","x":1}"#,
        r#"{"chatId":"c-1","message":"Hello"},{}"#,
        r#"{"message":"Hello"}"#,
        r#"{"chatId":"c-1","message":"a","message":"b"}"#,
        "null",
    ] {
        let text = format!(r#"42["chat:c-1:student:receive",{payload}]"#);
        assert_eq!(to_student(&text), said(payload), "{payload}");
    }
}

#[test]
fn a_new_chat_counts_for_its_user_with_its_channels() {
    let payload = r#"{"receiveChannel":"chat:c-1:student:receive","sendChannel":"chat:student:send","terminatedChannel":"chat:c-1:student:terminated","joinedChannel":"chat:student:joined","id":"c-1"}"#;
    let text = |to: &str, payload: &str| format!(r#"42["presence:new_chat:{to}",{payload}]"#);
    assert_eq!(to_student(&text("student:7", payload)), Event::NewChat { chat: "c-1".into() });
    for other in ["student:8", "teacher:7", "student:"] {
        assert!(matches!(to_student(&text(other, payload)), Event::Foreign(_)), "{other}");
    }
    let wrong = payload.replace("c-1:student:receive", "c-2:student:receive");
    assert!(matches!(to_student(&text("student:7", &wrong)), Event::Unexpected(_)));
    assert!(matches!(to_student(&text("student:7", "{}")), Event::Unexpected(_)));
}

#[test]
fn the_other_sides_events_are_foreign() {
    let received = r#"42["chat:c-1:student:receive",{"chatId":"c-1","message":"Hello"}]"#;
    assert_eq!(event(Revision::V3, &TEACHER, received), Event::Foreign("chat:c-1:student:receive"));
    let terminated = r#"42["chat:c-1:teacher:terminated",{}]"#;
    assert_eq!(to_student(terminated), Event::Foreign("chat:c-1:teacher:terminated"));
    assert_eq!(event(Revision::V3, &TEACHER, terminated), Event::Terminated { chat: "c-1" });
}

#[test]
fn a_status_needs_only_the_students() {
    let status = r#"42["presence:status",{"teachers":{"total":{"total":1}},"students":{"total":3,"waiting":2,"x":0}}]"#;
    assert_eq!(to_student(status), Event::Status { students: 3, waiting: 2 });
}

#[test]
fn engine_io_asks_in_4_only() {
    let open = r#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#;
    for (text, in_3, in_4) in [
        (open, Event::Nothing, Event::Asks("40")),
        ("40", Event::Joined, Event::Joined),
        (r#"40{"sid":"x"}"#, Event::Joined, Event::Joined),
        ("3", Event::Nothing, Event::Nothing),
        ("6", Event::Nothing, Event::Nothing),
        (r#"42["pong"]"#, Event::Pong, Event::Pong),
        (r#"42["pong",null]"#, Event::Pong, Event::Pong),
    ] {
        assert_eq!(event(Revision::V3, &TEACHER, text), in_3, "{text}");
        assert_eq!(event(Revision::V4, &TEACHER, text), in_4, "{text}");
    }
    assert_eq!(event(Revision::V4, &TEACHER, "2"), Event::Asks("3"));
}

#[test]
fn refusals_and_nonsense_are_told_apart() {
    let error = r#"42["chat:error",{"event":"chat:student:send","reason":"unknown chat"}]"#;
    for text in [error, r#"44"Invalid namespace""#] {
        assert!(matches!(to_student(text), Event::Refused(_)), "{text}");
    }
    for text in
        ["", "é", "2", "1", "41", "42", "42[]", "42[1]", "42{}", r#"42["what",{}]"#, r#"42["chat:x"]"#, "5"]
    {
        assert!(matches!(to_student(text), Event::Unexpected(_)), "{text}");
    }
}

#[test]
fn packets_mean_the_same_however_the_network_cuts_them() {
    let packets =
        ["0{\"sid\":\"x\"}", "40", r#"42["chat:c-1:student:receive",{"chatId":"c-1","message":"Hello"}]"#];
    let mut stream =
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            .to_vec();
    for packet in packets {
        stream.extend([0x81, u8::try_from(packet.len()).unwrap()]);
        stream.extend(packet.as_bytes());
    }
    for cut in 0..stream.len() {
        let mut reader = Reader::default();
        let mut seen = Vec::new();
        for piece in [&stream[..cut], &stream[cut..]] {
            let each = &mut |inbound: Inbound<'_>| {
                if let Inbound::Text(text) = inbound {
                    seen.push(format!("{:?}", to_student(text)));
                }
            };
            reader.take(piece, each).unwrap();
        }
        let expected = [Event::Nothing, Event::Joined, said("Hello")].map(|event| format!("{event:?}"));
        assert_eq!(seen, expected, "cut at {cut}");
    }
}
