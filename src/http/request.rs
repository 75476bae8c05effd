//! Requests, read in place from the bytes that have come so far.

use std::borrow::Cow;
use std::str;

use httparse::Status::{Complete, Partial};

use super::response::Status;

/// The largest request head, in bytes: a larger one is answered with 431.
pub const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 100;

/// A body and the bytes that it takes on the wire, which differ if it is chunked; `None` if it has not
/// come whole.
type Body<'a> = Option<(Cow<'a, [u8]>, usize)>;

/// A request that has come whole.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    query: &'a str,
    /// The authority of a target in absolute form.
    authority: Option<&'a str>,
    /// HTTP/1.1, not 1.0.
    pub is_http_11: bool,
    headers: Vec<httparse::Header<'a>>,
    pub body: Cow<'a, [u8]>,
}

impl<'a> Request<'a> {
    /// Reads one request from the start of `input` and says how many bytes it took; `None` if it has not
    /// come whole. An error is the status to answer with, after which the connection cannot be used: 413 if the
    /// body has more than `max_body` bytes.
    pub fn parse(input: &'a [u8], max_body: usize) -> Result<Option<(Request<'a>, usize)>, Status> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let length = match head.parse(input) {
            Ok(Complete(length)) if length <= MAX_HEAD => length,
            Ok(Partial) if input.len() <= MAX_HEAD => return Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Status::HEAD_TOO_LARGE),
            Err(_) => return Err(Status::BAD_REQUEST),
        };
        let (authority, target) = origin_form(head.path.unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Request {
            method: head.method.unwrap_or_default(),
            path,
            query,
            authority,
            is_http_11: head.version == Some(1),
            headers: head.headers.to_vec(),
            body: Cow::Borrowed(&[]),
        };
        // A request for the right host is what HTTP/1.1 asks for first (RFC 9112, 3.2).
        if request.is_http_11 && request.all("host").count() != 1 {
            return Err(Status::BAD_REQUEST);
        }
        let Some((body, taken)) = request.read_body(&input[length..], max_body)? else {
            return Ok(None);
        };
        request.body = body;
        Ok(Some((request, length + taken)))
    }

    /// Whether the head has come whole, and the client waits for a word before it sends the body
    /// (RFC 9110, 10.1.1).
    pub fn expects_continue(input: &[u8]) -> bool {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let is_whole = matches!(head.parse(input), Ok(Complete(_)));
        let expects = |header: &httparse::Header| {
            header.name.eq_ignore_ascii_case("expect") && header.value.eq_ignore_ascii_case(b"100-continue")
        };
        is_whole && head.version == Some(1) && head.headers.iter().any(expects)
    }

    /// The host and port that the request is for: those of a target in absolute form go before the header
    /// (RFC 9112, 3.2.2). `None` in HTTP/1.0, if it names none.
    pub fn host(&self) -> Option<&'a str> {
        self.authority.or_else(|| self.header("host"))
    }

    /// The value of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.all(name).next().and_then(|value| str::from_utf8(value).ok()).map(str::trim)
    }

    /// Whether a header that lists tokens has this one, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|candidate| candidate.eq_ignore_ascii_case(token))
    }

    /// The tokens of a header that is a comma-separated list, over all its lines.
    pub fn tokens(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let lines = self.all(name).filter_map(|value| str::from_utf8(value).ok());
        lines.flat_map(|line| line.split(',')).map(str::trim)
    }

    /// The value of a query parameter, as it stands in the target.
    pub fn query(&self, name: &str) -> Option<&'a str> {
        let pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The value of a query parameter, decoded.
    pub fn query_decoded(&self, name: &str) -> Option<Cow<'a, str>> {
        form_field(self.query.as_bytes(), name)
    }

    /// The value of a field of a body that is a form, decoded.
    pub fn form(&self, name: &str) -> Option<Cow<'_, str>> {
        form_field(&self.body, name)
    }

    /// Whether the connection stays open for another request (RFC 9112, 9.3).
    pub fn keeps_alive(&self) -> bool {
        if self.is_http_11 {
            !self.has_token("connection", "close")
        } else {
            self.has_token("connection", "keep-alive")
        }
    }

    /// The values of all headers of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect::<Vec<_>>().into_iter()
    }

    fn read_body(&self, input: &'a [u8], max_body: usize) -> Result<Body<'a>, Status> {
        let chunked = self.all("transfer-encoding").next().is_some();
        let mut lengths = self.all("content-length");
        let length = lengths.next();
        if chunked {
            // Two lengths for one body are how requests are smuggled (RFC 9112, 6.3).
            if length.is_some() || !self.is_http_11 {
                return Err(Status::BAD_REQUEST);
            }
            let mut codings = self.tokens("transfer-encoding");
            let is_chunked = codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
            if !is_chunked || codings.next().is_some() {
                return Err(Status::NOT_IMPLEMENTED);
            }
            return read_chunks(input, max_body);
        }
        let Some(length) = length else {
            return Ok(Some((Cow::Borrowed(&[]), 0)));
        };
        if lengths.any(|other| other != length) {
            return Err(Status::BAD_REQUEST);
        }
        let length = content_length(length, max_body)?;
        Ok(input.get(..length).map(|body| (Cow::Borrowed(body), length)))
    }
}

fn form_field<'a>(form: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The authority that a proxy may put before a target, with a scheme (RFC 9112, 3.2.2), and the target without
/// them.
fn origin_form(target: &str) -> (Option<&str>, &str) {
    match target.split_once("://") {
        Some((scheme, rest)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            let authority = rest.split(['/', '?', '#']).next();
            (authority, rest.find('/').map_or("/", |at| &rest[at..]))
        }
        _ => (None, target),
    }
}

fn content_length(value: &[u8], max_body: usize) -> Result<usize, Status> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Status::BAD_REQUEST);
    }
    let length = str::from_utf8(value).ok().and_then(|value| value.parse().ok());
    length.filter(|&length| length <= max_body).ok_or(Status::BODY_TOO_LARGE)
}

/// Puts a chunked body together (RFC 9112, 7.1). Trailers are read and dropped.
fn read_chunks(input: &[u8], max_body: usize) -> Result<Body<'_>, Status> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let (header, size) = match httparse::parse_chunk_size(&input[at..]) {
            Ok(Complete((header, size))) => (header, size),
            // A chunk's size line with its extensions has the room of a head.
            Ok(Partial) if input.len() - at <= MAX_HEAD => return Ok(None),
            _ => return Err(Status::BAD_REQUEST),
        };
        at += header;
        // Each read begins anew at the first chunk, so chunks that are mostly wrapping are not taken.
        if at > 2 * body.len() + MAX_HEAD {
            return Err(Status::BODY_TOO_LARGE);
        }
        if size == 0 {
            let trailers = read_trailers(&input[at..])?;
            return Ok(trailers.map(|length| (Cow::Owned(body), at + length)));
        }
        if size > (max_body - body.len()) as u64 {
            return Err(Status::BODY_TOO_LARGE);
        }
        let end = at + size as usize;
        match input.get(end..end + 2) {
            Some(b"\r\n") => body.extend_from_slice(&input[at..end]),
            Some(_) => return Err(Status::BAD_REQUEST),
            None => return Ok(None),
        }
        at = end + 2;
    }
}

fn read_trailers(input: &[u8]) -> Result<Option<usize>, Status> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    match httparse::parse_headers(input, &mut headers) {
        Ok(Complete((length, _))) => Ok(Some(length)),
        Ok(Partial) if input.len() <= MAX_HEAD => Ok(None),
        _ => Err(Status::BAD_REQUEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BODY: usize = 64 * 1024;

    fn parse(input: &str) -> Result<Option<(Request<'_>, usize)>, Status> {
        Request::parse(input.as_bytes(), MAX_BODY)
    }

    fn whole(input: &str) -> Request<'_> {
        let (request, length) = parse(input).unwrap().unwrap();
        assert_eq!(length, input.len());
        request
    }

    #[test]
    fn reads_target_headers_and_tokens() {
        let request =
            whole("GET /ws?vsn=2.0.0&a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\r\n");
        assert_eq!((request.method, request.path), ("GET", "/ws"));
        assert_eq!(
            (request.query("vsn"), request.query("a"), request.query("b")),
            (Some("2.0.0"), Some(""), None)
        );
        assert!(request.has_token("connection", "upgrade"));
        assert!(request.keeps_alive());
    }

    #[test]
    fn says_incomplete_at_every_cut_and_leaves_what_follows() {
        let one = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
        let chunked =
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        for text in [one, chunked] {
            for cut in 0..text.len() {
                assert!(parse(&text[..cut]).unwrap().is_none(), "{cut}");
            }
            let twice = format!("{text}{text}");
            let (request, length) = parse(&twice).unwrap().unwrap();
            assert_eq!((&*request.body, length), (&b"abc"[..], text.len()));
        }
    }

    #[test]
    fn knows_who_waits_for_a_word_before_the_body() {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n";
        assert!(Request::expects_continue(head.as_bytes()));
        assert!(!Request::expects_continue(&head.as_bytes()[..head.len() - 1]));
        assert!(!Request::expects_continue(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"));
    }

    #[test]
    fn keep_alive_is_the_default_of_1_1_only() {
        assert!(!whole("GET / HTTP/1.0\r\n\r\n").keeps_alive());
        assert!(whole("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keeps_alive());
        assert!(!whole("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").keeps_alive());
    }

    #[test]
    fn refuses_with_the_status_that_fits() {
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(MAX_HEAD));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
        let post = |headers: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n");
        for (input, status) in [
            ("GET\r\n\r\n".into(), Status::BAD_REQUEST),
            ("GET / HTTP/1.1\r\n\r\n".into(), Status::BAD_REQUEST),
            ("\0\u{1}\r\n".into(), Status::BAD_REQUEST),
            (long, Status::HEAD_TOO_LARGE),
            (many, Status::HEAD_TOO_LARGE),
            (post("Content-Length: 70000"), Status::BODY_TOO_LARGE),
            (post("Content-Length: 99999999999999999999999"), Status::BODY_TOO_LARGE),
            (post("Content-Length: -1"), Status::BAD_REQUEST),
            (post("Content-Length: 1\r\nContent-Length: 2"), Status::BAD_REQUEST),
            (post("Content-Length: 1\r\nTransfer-Encoding: chunked"), Status::BAD_REQUEST),
            (post("Transfer-Encoding: gzip"), Status::NOT_IMPLEMENTED),
            (post("Transfer-Encoding: chunked\r\n\r\nfffffff"), Status::BODY_TOO_LARGE),
            (post("Transfer-Encoding: chunked\r\n\r\n1\r\nabc"), Status::BAD_REQUEST),
            (
                post(&format!("Transfer-Encoding: chunked\r\n\r\n{}", "1\r\nx\r\n".repeat(6000))),
                Status::BODY_TOO_LARGE,
            ),
        ] {
            assert_eq!(parse(&input).map(|_| ()), Err(status), "{input:.60}");
        }
    }
}
