//! `GET /` has two forms: a page for browsers, and JSON for all others.

use crate::support;

use std::io::Write;
use support::Server;
use support::raw::{self, read_head, read_response, request};

/// The headers of a browser that navigates to an address.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

fn get(server: &Server, headers: &str) -> raw::Response {
    request(server, format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"))
}

fn page(server: &Server) -> raw::Response {
    get(server, &format!("Accept: {BROWSER}\r\n"))
}

#[test]
fn only_who_asks_for_html_gets_it() {
    let server = Server::start(&[]);
    for (accept, expected) in [
        (BROWSER, HTML),
        ("text/html", HTML),
        ("Text/HTML;charset=utf-8", HTML),
        ("text/html;q=0.2, application/json;q=0.1", HTML),
        ("text/html, application/json", HTML),
        ("text/html;q=0.5, */*", HTML),
        ("*/*", JSON),
        ("", JSON),
        ("text/*", JSON),
        ("image/png", JSON),
        ("application/json", JSON),
        ("application/json, text/plain, */*", JSON),
        ("application/json, text/html", JSON),
        ("text/html;q=0.9, application/json", JSON),
        ("text/html;q=0", JSON),
        ("text/html; q=0.000, */*", JSON),
        ("text/html;q=x", JSON),
        ("text/html;q=NaN", JSON),
        ("text/htmlx, xtext/html", JSON),
    ] {
        let response = get(&server, &format!("Accept: {accept}\r\n"));
        let content_type = response.header("content-type");
        assert_eq!((response.status, content_type), (200, Some(expected)), "{accept}");
        assert_eq!(response.header("vary"), Some("Accept"), "{accept}");
    }
    assert_eq!(get(&server, "").header("content-type"), Some(JSON), "no Accept at all");
    let lines = get(&server, "Accept: */*;q=0.1\r\nAccept: text/html\r\n");
    assert_eq!(lines.header("content-type"), Some(HTML), "a list may have several lines");
}

#[test]
fn the_page_is_guarded_and_not_stored() {
    let response = page(&Server::start(&[]));
    let policy = response.header("content-security-policy").expect("a policy");
    for directive in [
        "default-src 'none'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.split(';').any(|part| part.trim() == directive), "{directive} in {policy}");
    }
    assert!(!policy.contains('*') && !policy.contains("unsafe-eval"), "{policy}");
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("cache-control"), Some("no-cache, no-store"));
}

#[test]
fn the_page_is_one_document_that_names_no_other_host() {
    let body = page(&Server::start(&[])).body;
    assert!(body.starts_with("<!doctype html>") && body.ends_with("</script>\n"), "it is whole");
    // The one address is the name of a vocabulary, in the icon, and nothing is asked there.
    let addresses = body.replace("xmlns='http://www.w3.org/2000/svg'", "");
    assert_eq!(addresses.find("://"), None);
    for attribute in ["src=", "href=", "url(", "@import", "import "] {
        for (at, _) in body.match_indices(attribute) {
            let value = body[at + attribute.len()..].trim_start_matches(['"', '\'']);
            assert!(value.starts_with("data:"), "{attribute}{value:.40}");
        }
    }
}

#[test]
fn the_files_of_the_page_do_not_end_it_early() {
    let body = page(&Server::start(&[])).body;
    for tag in ["<style", "</style>", "<script", "</script>"] {
        assert_eq!(body.matches(tag).count(), 1, "{tag}");
    }
}

#[test]
fn head_is_the_page_without_the_page() {
    let server = Server::start(&[]);
    let whole = page(&server);
    let mut stream = server.connect();
    stream.write_all(format!("HEAD / HTTP/1.1\r\nHost: x\r\nAccept: {BROWSER}\r\n\r\n").as_bytes()).unwrap();
    let head = read_head(&mut stream);
    let without_changes = |head: &str| {
        let lines =
            head.lines().filter(|line| !line.starts_with("Date:") && !line.starts_with("Connection:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_changes(&head), without_changes(&whole.head));
    // Nothing of a body stands before the next answer.
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_response(&mut stream).body, r#"{"status":"ok"}"#);
}

#[test]
fn other_methods_and_other_paths_have_no_page() {
    let server = Server::start(&[]);
    for (line, status) in [("POST /", 405), ("GET /page", 404), ("GET /index.html", 404)] {
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: {BROWSER}\r\n\r\n");
        assert_eq!(request(&server, head).status, status, "{line}");
    }
}
