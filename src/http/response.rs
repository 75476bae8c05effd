//! Responses, as bytes.

use std::borrow::Cow;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

/// A status line's code and phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

impl Status {
    pub const OK: Status = Status(200, "OK");
    pub const BAD_REQUEST: Status = Status(400, "Bad Request");
    pub const FORBIDDEN: Status = Status(403, "Forbidden");
    pub const NOT_FOUND: Status = Status(404, "Not Found");
    pub const METHOD_NOT_ALLOWED: Status = Status(405, "Method Not Allowed");
    pub const TIMEOUT: Status = Status(408, "Request Timeout");
    pub const BODY_TOO_LARGE: Status = Status(413, "Content Too Large");
    pub const UPGRADE_REQUIRED: Status = Status(426, "Upgrade Required");
    pub const HEAD_TOO_LARGE: Status = Status(431, "Request Header Fields Too Large");
    pub const NOT_IMPLEMENTED: Status = Status(501, "Not Implemented");
    pub const UNAVAILABLE: Status = Status(503, "Service Unavailable");
}

/// A response with a body of known length.
#[derive(Debug)]
pub struct Response {
    status: Status,
    content_type: &'static str,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Cow<'static, [u8]>,
    /// The body was not made, since only the head is asked for; so its length is not known.
    has_no_length: bool,
}

impl Response {
    /// A response with a body of this media type.
    pub fn new(content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Response {
        let body = body.into();
        Response { status: Status::OK, content_type, headers: Vec::new(), body, has_no_length: false }
    }

    /// A response with a JSON body.
    pub fn json(status: Status, body: Vec<u8>) -> Response {
        Response { status, ..Response::new("application/json; charset=utf-8", body) }
    }

    /// A response that says in a line of text what the matter is.
    pub fn error(status: Status, detail: &str) -> Response {
        Response { status, ..Response::new("text/plain; charset=utf-8", format!("{detail}\n").into_bytes()) }
    }

    /// A response with a body of plain text.
    pub fn text(body: String) -> Response {
        Response::new("text/plain; charset=UTF-8", body.into_bytes())
    }

    /// A response that is a script which calls a function with a JSON value. It begins with a comment, so
    /// that the function's name cannot be the beginning of something else, and says that it is a file.
    pub fn script(function: &str, json: &str) -> Response {
        Response::javascript(format!("/**/{function}({json});"))
            .with("Content-Disposition", "attachment; filename=f.txt")
    }

    /// A response that is a script, in which JSON may stand as it is.
    pub fn javascript(script: String) -> Response {
        // Two characters that JSON allows in strings and JavaScript did not.
        let script = script.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
        Response::new("text/javascript; charset=utf-8", script.into_bytes())
    }

    /// The answer to a browser that asks what a page of another origin may send.
    pub fn preflight(methods: &'static str, headers: &'static str) -> Response {
        Response::text(String::new())
            .with("Access-Control-Allow-Methods", methods)
            .with("Access-Control-Allow-Headers", headers)
            .with("Access-Control-Max-Age", "86400")
    }

    /// A response to HEAD whose body was not made. It may leave its length out (RFC 9110, 9.3.2).
    pub fn without_length(self) -> Response {
        Response { has_no_length: true, ..self }
    }

    /// Keeps caches from storing the response.
    pub fn uncached(self) -> Response {
        self.with("Cache-Control", "no-cache, no-store")
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    /// Lets a page of another origin read the response: the one that asks by name, so that it may send
    /// cookies along, or any if none is named.
    pub fn with_cors(self, origin: Option<&str>) -> Response {
        let response = self.with("Vary", "Origin");
        match origin {
            Some(origin) => response
                .with("Access-Control-Allow-Origin", origin.to_owned())
                .with("Access-Control-Allow-Credentials", "true"),
            None => response.with("Access-Control-Allow-Origin", "*"),
        }
    }

    /// The response's status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Appends the response, without its body in answer to HEAD. `now` is in milliseconds of Unix time. Every
    /// response keeps browsers from guessing at what it is: text that a user wrote is then never run as a script.
    pub fn write(&self, out: &mut Vec<u8>, is_head: bool, keep_alive: bool, now: u64) {
        let Status(code, phrase) = self.status;
        let (content_type, length) = (self.content_type, self.body.len());
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now));
        // An Upgrade header is named in Connection too (RFC 9110, 7.8).
        let is_upgrade = self.headers.iter().any(|(name, _)| *name == "Upgrade");
        let connection = match (keep_alive, is_upgrade) {
            (true, false) => "keep-alive",
            (true, true) => "keep-alive, Upgrade",
            (false, false) => "close",
            (false, true) => "close, Upgrade",
        };
        // Writing into a Vec cannot fail.
        let _ = write!(
            out,
            "HTTP/1.1 {code} {phrase}\r\nDate: {date}\r\nContent-Type: {content_type}\r\n\
             Connection: {connection}\r\nX-Content-Type-Options: nosniff\r\n"
        );
        if !self.has_no_length {
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if !is_head {
            out.extend_from_slice(&self.body);
        }
    }
}
