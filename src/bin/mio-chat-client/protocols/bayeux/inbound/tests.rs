use super::*;

fn student() -> Identity {
    Identity { unanswered: 1, ..Identity::new(Role::Student, 7) }
}

fn all<'a>(who: &mut Identity, mut text: &'a str) -> Vec<Event<'a>> {
    let mut events = vec![next(who, &mut text)];
    while !text.is_empty() {
        events.push(next(who, &mut text));
    }
    events
}

fn said(text: &str) -> Event<'_> {
    Event::Message { chat: "c-1", text: text.into() }
}

const DELIVERY: &str = r#"{"channel":"/chat/c-1/student/receive","data":{"message":"Hello"}}"#;
const WITH_ID: &str = r#"{"channel":"/chat/c-1/student/receive","data":{"message":"Hello"},"id":"t"}"#;
const ACK: &str = r#"{"id":"j","clientId":"s","channel":"/chat/c-1/student/send","successful":true}"#;

#[test]
fn the_usual_forms_are_cut_and_any_other_parsed() {
    for message in [DELIVERY, WITH_ID] {
        let text = format!("[{message}]");
        assert!(usual(&mut student(), &text).is_some(), "{text}");
        assert_eq!(all(&mut student(), &text), [said("Hello")]);
    }
    assert!(usual(&mut student(), &format!("[{ACK}]")).is_some());
    for text in [
        DELIVERY,
        r#"[{"data":{"message":"Hello"},"channel":"/chat/c-1/student/receive"}]"#,
        r#"[{"channel":"/chat/c-1/student/receive","data":{"message":"\u0048ello"}}]"#,
        r#" [ {"channel":"/chat/c-1/student/receive", "data":{"message":"Hello"}, "id":3} ] "#,
    ] {
        assert_eq!(all(&mut student(), text), [said("Hello")], "{text}");
    }
}

#[test]
fn an_array_may_carry_several_in_any_order() {
    for (text, expected) in [
        (format!("[{ACK},{WITH_ID}]"), [Event::Nothing, said("Hello")]),
        (format!("[{DELIVERY},{ACK}]"), [said("Hello"), Event::Nothing]),
        (format!("[{DELIVERY} , {ACK} ]"), [said("Hello"), Event::Nothing]),
    ] {
        let mut who = student();
        assert_eq!(all(&mut who, &text), expected, "{text}");
        assert_eq!(who.unanswered, 0);
    }
}

#[test]
fn what_is_not_the_message_alone_is_taken_whole() {
    for data in [r#"{"message":"a","x":1}"#, r#"{"message":"a","message":"b"}"#, "3"] {
        let text = format!(r#"[{{"channel":"/chat/c-1/student/receive","data":{data}}}]"#);
        assert_eq!(all(&mut student(), &text), [said(data)]);
    }
}

#[test]
fn replies_say_what_was_asked() {
    let mut who = student();
    let mut reply = |channel: &str, more: &str| {
        let text = format!(r#"[{{"id":"1","channel":"{channel}","successful":true{more}}}]"#);
        format!("{:?}", next(&mut who, &mut text.as_str()))
    };
    assert_eq!(reply("/meta/handshake", r#","clientId":"s""#), "Named");
    assert_eq!(reply("/meta/connect", r#","advice":{"reconnect":"retry","interval":0}"#), "Released");
    assert!(reply("/meta/connect", r#","advice":{"reconnect":"none"}"#).starts_with("Refused"));
    assert_eq!(reply("/meta/subscribe", r#","subscription":["/presence/new_chat/student/7"]"#), "Joined");
    assert_eq!(
        reply("/meta/subscribe", r#","subscription":["/chat/c-1/student/receive"]"#),
        "Entered { chat: \"c-1\" }"
    );
    assert_eq!(reply("/meta/unsubscribe", ""), "Nothing");
    assert!(reply("/meta/disconnect", "").contains("1 publications"));
    assert_eq!(reply("/chat/c-1/student/send", ""), "Nothing");
    assert!(reply("/chat/c-1/student/send", "").contains("of nothing"));
    assert_eq!(reply("/meta/disconnect", ""), "Left");
    assert_eq!(who.session, "s");
}

#[test]
fn a_new_chat_counts_for_its_user_with_its_channels() {
    let data = r#"{"sendChannel":"/chat/c-1/student/send","receiveChannel":"/chat/c-1/student/receive","terminatedChannel":"/chat/c-1/student/terminated","joinedChannel":"/chat/c-1/student/joined"}"#;
    let text =
        |to: &str, data: &str| format!(r#"[{{"channel":"/presence/new_chat/{to}","data":{data},"id":"t"}}]"#);
    assert_eq!(all(&mut student(), &text("student/7", data)), [Event::NewChat { chat: "c-1".into() }]);
    assert!(matches!(all(&mut student(), &text("student/8", data))[..], [Event::Foreign(_)]));
    let wrong = data.replace("c-1/student/receive", "c-2/student/receive");
    for data in ["{}", &wrong] {
        assert!(matches!(all(&mut student(), &text("student/7", data))[..], [Event::Unexpected(_)]));
    }
}

#[test]
fn refusals_and_nonsense_are_told_apart() {
    let refused =
        r#"[{"channel":"/chat/c-1/student/send","successful":false,"error":"403::Forbidden channel"}]"#;
    assert!(matches!(all(&mut student(), refused)[..], [Event::Refused(_)]));
    let foreign = r#"[{"channel":"/chat/c-1/teacher/receive","data":{"message":"Hello"}}]"#;
    assert!(matches!(all(&mut student(), foreign)[..], [Event::Foreign(_)]));
    assert_eq!(all(&mut student(), "[]"), [Event::Nothing]);
    for text in ["", "[", "é", "[1]", "[{}]", &format!("[{DELIVERY}"), &format!("{DELIVERY},{DELIVERY}]")] {
        assert!(matches!(all(&mut student(), text)[..], [Event::Unexpected(_)]), "{text}");
    }
    let status = r#"[{"channel":"/presence/status","data":{"students":{"total":3,"waiting":2,"x":0}}}]"#;
    assert_eq!(all(&mut student(), status), [Event::Status { students: 3, waiting: 2 }]);
}
