//! Bayeux over HTTP: the forms that a request may have, JSONP, other origins, and what is refused.

use crate::support;

use serde_json::{Value, json};
use support::Server;
use support::bayeux::{connect_now, handshake, ok, publish, subscribe};
use support::raw::{Response, request};

const SHAKE: &str =
    r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}]"#;

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn post(server: &Server, headers: &str, body: &str) -> Response {
    let length = body.len();
    let head = format!("POST /faye HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n");
    request(server, head + body)
}

fn get(server: &Server, query: &str) -> Response {
    request(server, format!("GET /faye{query} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

fn is_handshake(text: &str) -> bool {
    let replies: Value = serde_json::from_str(text).expect("JSON");
    replies[0]["channel"] == "/meta/handshake" && replies[0]["successful"] == true
}

#[test]
fn json_and_forms() {
    let server = Server::start(&[]);
    let form = format!("message={}", encoded(SHAKE));
    for (kind, body) in [
        ("application/json", SHAKE),
        ("application/json; charset=utf-8", SHAKE),
        ("application/x-www-form-urlencoded", &form),
    ] {
        let response = post(&server, &format!("Content-Type: {kind}\r\n"), body);
        assert_eq!(response.status, 200, "{kind}");
        assert!(is_handshake(&response.body), "{kind}: {}", response.body);
        let got = response.header("content-type").unwrap_or_default();
        assert!(got.starts_with("application/json"), "{got}");
    }
}

#[test]
fn scripts() {
    let server = Server::start(&[]);
    for callback in ["cb", "__jsonp1__", "a.b.c", "$"] {
        let response = get(&server, &format!("?message={}&jsonp={callback}", encoded(SHAKE)));
        assert_eq!(response.status, 200);
        let got = response.header("content-type").unwrap_or_default();
        assert!(got.starts_with("text/javascript"), "{got}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("content-disposition"), Some("attachment; filename=f.txt"));
        let body = response.body.strip_prefix(&format!("/**/{callback}(")).expect("the callback is called");
        assert!(is_handshake(body.strip_suffix(");").expect("the call ends")), "{body}");
    }
    assert!(get(&server, &format!("?message={}", encoded(SHAKE))).body.starts_with("/**/jsonpcallback("));
}

#[test]
fn a_script_has_no_line_separators_in_it() {
    let server = Server::start(&[]);
    let mut message: Value = serde_json::from_str(SHAKE).unwrap();
    message[0]["id"] = json!("\u{2028}\u{2029}");
    let response = get(&server, &format!("?message={}&jsonp=cb", encoded(&message.to_string())));
    assert!(response.body.contains("\\u2028\\u2029"), "{}", response.body);
    assert!(!response.body.contains(['\u{2028}', '\u{2029}']), "{}", response.body);
    // Elsewhere they are as they came: a payload is relayed byte for byte.
    let headers = "Content-Type: application/json\r\n";
    assert!(post(&server, headers, &message.to_string()).body.contains("\u{2028}\u{2029}"));
}

#[test]
fn what_is_no_batch_is_a_bad_request() {
    let server = Server::start(&[]);
    let json = "Content-Type: application/json\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (headers, body) in [
        (json, ""),
        (json, "{"),
        (json, "1"),
        (json, "[1]"),
        (form, ""),
        (form, "message=x"),
        (form, "other=%5B%5D"),
        ("", SHAKE),
    ] {
        assert_eq!(post(&server, headers, body).status, 400, "{headers}{body}");
    }
    let message = encoded(SHAKE);
    for callback in ["1a", "a b", "alert(1)", "a..b", "", "%3Cscript%3E", "a%5B0%5D", "%C3%BC"] {
        assert_eq!(get(&server, &format!("?message={message}&jsonp={callback}")).status, 400, "{callback}");
    }
    for query in ["", "?jsonp=cb", "?message=%5B", "?message=&jsonp=cb"] {
        assert_eq!(get(&server, query).status, 400, "{query}");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let bytes = format!("{method} /faye HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(request(&server, bytes).status, 400, "{method}");
    }
}

#[test]
fn other_origins() {
    let server = Server::start(&[]);
    let origin = "http://elsewhere.example";
    let headers = format!("Content-Type: application/json\r\nOrigin: {origin}\r\n");
    let response = post(&server, &headers, SHAKE);
    assert_eq!(response.header("access-control-allow-origin"), Some(origin));
    let too_long = Value::from(vec![json!({}); 1001]).to_string();
    for body in [too_long.as_str(), "nonsense"] {
        let response = post(&server, &headers, body);
        assert_eq!(response.status, 400);
        assert_eq!(response.header("access-control-allow-origin"), Some(origin), "{}", response.body);
    }
    let bytes = format!("OPTIONS /faye HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\r\n");
    let response = request(&server, bytes);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("access-control-allow-origin"), Some(origin));
    assert_eq!(response.header("access-control-max-age"), Some("86400"));
    let headers = response.header("access-control-allow-headers").unwrap_or_default().to_lowercase();
    assert!(headers.contains("content-type"), "{headers}");
    let methods = response.header("access-control-allow-methods").unwrap_or_default();
    assert!(methods.contains("POST") && methods.contains("GET"), "{methods}");
}

#[test]
fn deliveries_by_script() {
    let server = Server::start(&[]);
    let client = handshake(&server);
    ok(&server, subscribe(&client, "/presence/new_chat/teacher/1"));
    ok(&server, subscribe(&client, "/presence/new_chat/student/2"));
    ok(&server, publish(&client, "/presence/teacher/connect", json!({"userId": 1})));
    ok(&server, publish(&client, "/presence/student/connect", json!({"userId": 2})));
    ok(&server, publish(&client, "/presence/claim_student", json!({"teacherId": 1})));
    let mut message = connect_now(&client);
    message["connectionType"] = json!("callback-polling");
    let body = get(&server, &format!("?message={}&jsonp=cb", encoded(&json!([message]).to_string()))).body;
    let replies = body.strip_prefix("/**/cb(").and_then(|rest| rest.strip_suffix(");")).expect("a call");
    let replies: Value = serde_json::from_str(replies).expect("JSON");
    let channels: Vec<_> =
        replies.as_array().unwrap().iter().map(|message| message["channel"].as_str()).collect();
    let expected = ["/meta/connect", "/presence/new_chat/teacher/1", "/presence/new_chat/student/2"];
    assert_eq!(channels, expected.map(Some));
}

/// CometD posts its meta messages to paths of their own below the one that it was given.
#[test]
fn paths_below_take_batches_too() {
    let server = Server::start(&[]);
    for path in ["/faye/", "/faye/handshake"] {
        let length = SHAKE.len();
        let head = "Host: x\r\nContent-Type: application/json";
        let bytes = format!("POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{SHAKE}");
        let response = request(&server, bytes);
        assert_eq!(response.status, 200, "{path}");
        assert!(is_handshake(&response.body), "{path}: {}", response.body);
    }
}
