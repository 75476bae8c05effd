//! Engine.IO over JSONP, to which browsers fall back that cannot ask other origins for anything but scripts.

use crate::support;

use std::io::Write;

use serde_json::{Value, json};
use support::Server;
use support::raw::{self, Bystander, Response};
use support::socket_io::{Polling, REVISIONS, Socket, SocketIo, decode, encode, request};

fn get(server: &Server, path: &str) -> Response {
    raw::request(server, request("GET", path, "", ""))
}

#[track_caller]
fn assert_error(response: &Response, code: u8, message: &str) {
    let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
    assert_eq!((response.status, &response.body), (400, &body));
}

/// The payload of a script that calls the function with this index, as engine.io's clients have it evaluated.
#[track_caller]
fn script_payload(response: &Response, index: &str) -> String {
    assert_eq!(response.status, 200, "{}", response.body);
    assert!(response.header("content-type").unwrap().starts_with("text/javascript"), "{}", response.head);
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert!(response.header("cache-control").unwrap().contains("no-store"));
    let call = response.body.strip_prefix(&format!("___eio[{index}](")).expect("the function is called");
    serde_json::from_str(call.strip_suffix(");").expect("the call ends")).expect("the argument is a string")
}

/// The body of the form in which a JSONP client posts a payload: engine.io-client's escapes, then the browser's.
fn jsonp_form(payload: &str) -> String {
    let field = payload.replace("\\n", "\\\n").replace('\n', "\\n");
    let encoded: String = field.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("d={encoded}")
}

#[test]
fn a_conversation_by_jsonp() {
    for revision in REVISIONS {
        let server = Server::start(&[]);
        let mut teacher = SocketIo::teacher(&server, (4, Socket), 1);
        let opening = format!("/socket.io/?EIO={revision}&transport=polling&t=1&b64=1&j=12");
        let packets = decode(revision, &script_payload(&get(&server, &opening), "12"));
        let open: Value = serde_json::from_str(&packets[0][1..]).unwrap();
        assert_eq!(open["upgrades"], json!(["websocket"]));
        let path = format!("{opening}&sid={}", open["sid"].as_str().unwrap());
        let poll = |index: &str| {
            let path = path.replace("j=12", &format!("j={index}"));
            decode(revision, &script_payload(&get(&server, &path), index))
        };
        let post = |packets: &[&str]| {
            let form = jsonp_form(&encode(revision, packets));
            let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
            let response = raw::request(&server, request("POST", &path, kind, &form));
            assert_eq!((response.status, &*response.body), (200, "ok"));
            assert!(response.header("content-type").unwrap().starts_with("text/html"));
        };
        if revision == 4 {
            post(&["40"]);
            assert!(poll("12")[0].starts_with("40{"));
        }
        post(&[r#"421["presence:student:connect",{"userId":2}]"#]);
        // Another transport of the same page has another index.
        assert_eq!(poll("0"), [r#"431[{"status":"ok"}]"#]);
        teacher.emit("presence:claim_student", json!({"teacherId": 1}));
        let chat = teacher.expect("presence:new_chat:teacher:1")["id"].as_str().unwrap().to_owned();
        assert!(poll("12")[0].starts_with(r#"42["presence:new_chat:student:2""#));
        post(&[&format!(r#"42["chat:student:joined",{{"chatId":"{chat}","userId":2}}]"#)]);
        teacher.enter(&chat, "teacher", 1);
        assert_eq!(teacher.expect(&format!("chat:{chat}:ready")), json!({}));
        for text in [r"a\nb", r"a\\nb", r"a\\\nb", r"\\", "é 😀 +&=%20", r"\u2028", "</script>"] {
            let payload = format!("{{\"chatId\":\"{chat}\",\n \"message\":\"{text}\"}}");
            post(&[&format!(r#"42["chat:student:send",{payload}]"#), r#"42["ping"]"#]);
            teacher.hear(&chat, "teacher", &payload);
            assert_eq!(poll("12"), [r#"42["pong"]"#]);
        }
        // A poll that is held, and a message that JSON may have and scripts of old may not.
        let mut held = server.connect();
        held.write_all(request("GET", &path, "", "").as_bytes()).unwrap();
        Bystander::new(&server).settle();
        let payload = format!("{{\"chatId\":\"{chat}\",\"message\":\"\u{2028}\u{2029}\\\"</script>\"}}");
        teacher.say("teacher", &payload);
        let response = raw::read_response(&mut held);
        assert!(response.body.is_ascii(), "{}", response.body);
        let [packet] = &decode(revision, &script_payload(&response, "12"))[..] else { panic!("one packet") };
        let event: Value = serde_json::from_str(&packet[2..]).unwrap();
        assert_eq!(event[1], serde_json::from_str::<Value>(&payload).unwrap());
        // The end of the session answers it too.
        held.write_all(request("GET", &path, "", "").as_bytes()).unwrap();
        Bystander::new(&server).settle();
        post(&["1"]);
        let response = raw::read_response(&mut held);
        assert_eq!(decode(revision, &script_payload(&response, "12")), ["6"]);
        assert_error(&get(&server, &path), 1, "Session ID unknown");
    }
}

#[test]
fn what_jsonp_calls_is_a_function_by_its_index() {
    let server = Server::start(&[]);
    for index in ["", "x", "-1", "+1", "1.5", "0x1", "1%5D", "alert(1)", "%31", "4294967296", "1;alert(1)//"]
    {
        let response = get(&server, &format!("/socket.io/?EIO=3&transport=polling&j={index}"));
        assert_error(&response, 3, "Bad request");
    }
}

#[test]
fn an_index_is_a_number_of_32_bits() {
    let server = Server::start(&[]);
    for (index, called) in [("0", "0"), ("007", "7"), ("4294967295", "4294967295")] {
        let response = get(&server, &format!("/socket.io/?EIO=4&transport=polling&j={index}"));
        assert!(script_payload(&response, called).starts_with("0{"));
    }
    let digits = "1".repeat(5000);
    assert_error(&get(&server, &format!("/socket.io/?EIO=4&transport=polling&j={digits}")), 3, "Bad request");
}

/// The limits are those of other posts: of the bytes of the form, and of the packets in it.
#[test]
fn a_form_may_have_the_size_of_the_largest_message_and_a_thousand_packets() {
    for revision in REVISIONS {
        let server = Server::start(&["--max-message-size", "20000"]);
        let mut client = SocketIo::student(&server, (revision, Polling), 1);
        let path = format!("{}&j=0", client.session().path());
        let form = |length| {
            let form = jsonp_form(&encode(revision, &["3"]));
            let padding = length - form.len() - "&x=".len();
            format!("{form}&x={}", "y".repeat(padding))
        };
        assert_eq!(raw::request(&server, request("POST", &path, "", &form(20000))).body, "ok");
        assert_eq!(raw::request(&server, request("POST", &path, "", &form(20001))).status, 413);
        client.settle();
        let post = |count| {
            let form = jsonp_form(&encode(revision, &vec!["3"; count]));
            raw::request(&server, request("POST", &path, "", &form))
        };
        assert_eq!(post(1000).body, "ok");
        client.settle();
        assert_error(&post(1001), 3, "Bad request");
        server.wait_until_students_are(0);
    }
}

#[test]
fn a_form_that_does_not_parse_ends_the_session() {
    let server = Server::start(&[]);
    for form in ["", "x=1:2", "1:2", "d=", "d=x", "d=5%3Aab", "D=1%3A2", "d=%FF", "d=1%3A2x"] {
        let mut client = SocketIo::student(&server, (3, Polling), 1);
        let path = format!("{}&j=0", client.session().path());
        assert_error(&raw::request(&server, request("POST", &path, "", form)), 3, "Bad request");
        assert_error(&get(&server, &path), 1, "Session ID unknown");
        server.wait_until_students_are(0);
    }
}
