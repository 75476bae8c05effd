//! Requests, read in place from the bytes that have come so far.

use std::borrow::Cow;
use std::str;

use httparse::Status::{Complete, Partial};

use super::chunked::{ChunkedDecoder, is_token};
use super::reader::{Body, RequestReader};
use super::response::Status;
use super::uri::{Target, split_host};

/// The largest request head, in bytes: a larger one is answered with 431.
pub const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 100;

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
    /// come whole. For one that comes in pieces, see [`RequestReader`].
    pub fn parse(input: &'a [u8], max_body: usize) -> Result<Option<(Request<'a>, usize)>, Status> {
        RequestReader::default().read(input, max_body)
    }

    /// Reads a head that has come whole, with or without empty lines before it. The error is the status to answer
    /// with.
    pub fn parse_head(head: &'a [u8]) -> Result<Request<'a>, Status> {
        let head = skip_empty_lines(head);
        let end = head.iter().position(|byte| *byte == b'\n').ok_or(Status::BAD_REQUEST)?;
        let line = head[..end].strip_suffix(b"\r").unwrap_or(&head[..end]);
        let (method, target, is_http_11) = Request::parse_line(line)?;
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let headers = match httparse::parse_headers(&head[end + 1..], &mut headers) {
            Ok(Complete((_, headers))) => headers.to_vec(),
            Err(httparse::Error::TooManyHeaders) => return Err(Status::HEAD_TOO_LARGE),
            Ok(Partial) | Err(_) => return Err(Status::BAD_REQUEST),
        };
        let Target { authority, path, query } = Target::parse(method, target).ok_or(Status::BAD_REQUEST)?;
        let body = Cow::Borrowed(&[][..]);
        let request = Request { method, path, query, authority, is_http_11, headers, body };
        request.check_host()?;
        Ok(request)
    }

    /// Whether input begins with a request for the head of a response, whatever else is wrong with it.
    pub fn begins_as_head(input: &[u8]) -> bool {
        skip_empty_lines(input).starts_with(b"HEAD ")
    }

    /// Takes a request line apart: method, target, and whether it is HTTP/1.1 (RFC 9112, 3). A later minor version
    /// is served as 1.1 (RFC 9110, 2.5).
    pub fn parse_line(line: &[u8]) -> Result<(&str, &str, bool), Status> {
        let line = str::from_utf8(line).map_err(|_| Status::BAD_REQUEST)?;
        let mut parts = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Status::BAD_REQUEST);
        };
        let minor = version.strip_prefix("HTTP/1.").filter(|minor| minor.len() == 1);
        let minor = minor.and_then(|minor| minor.parse::<u8>().ok()).ok_or(Status::BAD_REQUEST)?;
        let is_method = !method.is_empty() && method.bytes().all(is_token);
        if !is_method || target.is_empty() || target.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Status::BAD_REQUEST);
        }
        Ok((method, target, minor >= 1))
    }

    /// A request has one host that follows the grammar; in HTTP/1.0 it may have none (RFC 9112, 3.2).
    fn check_host(&self) -> Result<(), Status> {
        let mut hosts = self.all("host");
        let is_right = match (hosts.next(), hosts.next()) {
            (None, _) => !self.is_http_11,
            (Some(host), None) => str::from_utf8(host).is_ok_and(|host| split_host(trim(host)).is_some()),
            (Some(_), Some(_)) => false,
        };
        if is_right { Ok(()) } else { Err(Status::BAD_REQUEST) }
    }

    /// Whether the client waits for a word before it sends the body (RFC 9110, 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.is_http_11 && self.has_token("expect", "100-continue")
    }

    /// The same request with this body.
    pub fn with_body(self, body: Cow<'a, [u8]>) -> Request<'a> {
        Request { body, ..self }
    }

    /// The host and port that the request is for: those of a target in absolute form go before the header
    /// (RFC 9112, 3.2.2). `None` in HTTP/1.0, if it names none.
    pub fn host(&self) -> Option<&'a str> {
        self.authority.or_else(|| self.header("host"))
    }

    /// The value of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.all(name).next().and_then(|value| str::from_utf8(value).ok()).map(trim)
    }

    /// Whether a header that lists tokens has this one, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|candidate| candidate.eq_ignore_ascii_case(token))
    }

    /// The tokens of a header that is a comma-separated list, over all its lines. What is not UTF-8 is no token.
    pub fn tokens(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let elements = self.all(name).flat_map(|line| line.split(|byte| *byte == b','));
        elements.filter_map(|element| str::from_utf8(element).ok()).map(trim)
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

    /// Whether the connection stays open for another request: `close` goes before all else (RFC 9112, 9.3).
    pub fn keeps_alive(&self) -> bool {
        let may_stay = self.is_http_11 || self.has_token("connection", "keep-alive");
        may_stay && !self.has_token("connection", "close")
    }

    /// The values of all headers of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect::<Vec<_>>().into_iter()
    }

    /// How the end of the body is found (RFC 9112, 6.3). The error is the status to answer with.
    pub fn framing(&self, max_body: usize) -> Result<Body, Status> {
        let mut lengths = self.all("content-length");
        let length = lengths.next();
        if self.all("transfer-encoding").next().is_some() {
            // Two lengths for one body are how requests are smuggled.
            if length.is_some() || !self.is_http_11 {
                return Err(Status::BAD_REQUEST);
            }
            self.check_codings()?;
            return Ok(Body::Chunked(ChunkedDecoder::new(max_body)));
        }
        let Some(length) = length else {
            return Ok(Body::Length(0));
        };
        if lengths.any(|other| other != length) {
            return Err(Status::BAD_REQUEST);
        }
        content_length(length, max_body).map(Body::Length)
    }

    /// A body's last coding has to be chunked, which has to be there once; others before it are not implemented.
    fn check_codings(&self) -> Result<(), Status> {
        // The list of tokens leaves out what is not UTF-8. A proxy may read it as a coding.
        if !self.all("transfer-encoding").all(<[u8]>::is_ascii) {
            return Err(Status::BAD_REQUEST);
        }
        let codings: Vec<_> = self.tokens("transfer-encoding").filter(|coding| !coding.is_empty()).collect();
        let chunked = codings.iter().filter(|coding| coding.eq_ignore_ascii_case("chunked")).count();
        let is_last = codings.last().is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        match (chunked, is_last) {
            (1, true) if codings.len() == 1 => Ok(()),
            (1, true) => Err(Status::NOT_IMPLEMENTED),
            _ => Err(Status::BAD_REQUEST),
        }
    }
}

/// Removes the empty lines that may precede a request line (RFC 9112, 2.2).
fn skip_empty_lines(input: &[u8]) -> &[u8] {
    let empty = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    input.get(empty..).unwrap_or_default()
}

/// Removes optional white space (RFC 9110, 5.6.3): spaces and tabs only. If other characters that Unicode calls white
/// space were removed too, a value would be valid here and invalid for a proxy in front.
fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

fn form_field<'a>(form: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value)
}

fn content_length(value: &[u8], max_body: usize) -> Result<usize, Status> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Status::BAD_REQUEST);
    }
    let length = str::from_utf8(value).ok().and_then(|value| value.parse().ok());
    length.filter(|&length| length <= max_body).ok_or(Status::BODY_TOO_LARGE)
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
    fn keep_alive_is_the_default_of_1_1_only() {
        assert!(!whole("GET / HTTP/1.0\r\n\r\n").keeps_alive());
        assert!(whole("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keeps_alive());
        assert!(!whole("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").keeps_alive());
    }

    #[test]
    fn what_is_not_utf_8_hides_no_other_token() {
        let text = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: \xff, close,\xfe\r\n\r\n";
        let (request, _) = Request::parse(text, MAX_BODY).unwrap().unwrap();
        assert_eq!(request.tokens("connection").collect::<Vec<_>>(), ["close"]);
    }

    #[test]
    fn tells_head_by_the_beginning() {
        for (input, is_head) in [
            ("HEAD /", true),
            ("\r\n\nHEAD ", true),
            ("HEAD", false),
            ("HEADS /", false),
            ("head /", false),
            ("GET / HTTP/1.1\r\nHEAD / HTTP/1.1", false),
            ("\r\n", false),
            ("", false),
        ] {
            assert_eq!(Request::begins_as_head(input.as_bytes()), is_head, "{input:?}");
        }
    }

    #[test]
    fn a_coding_that_is_not_utf_8_is_not_passed_over() {
        let text =
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \xff\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(Request::parse(text, MAX_BODY).map(|_| ()), Err(Status::BAD_REQUEST));
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
            (post("Transfer-Encoding: gzip"), Status::BAD_REQUEST),
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
