//! Reads a request from bytes that come in pieces. What was looked at is not looked at again: the search for the
//! end of the head and the decoding of the body go on where they stopped.

use std::borrow::Cow;

use super::chunked::ChunkedDecoder;
use super::request::{MAX_HEAD, Request};
use super::response::Status;

/// How far a request is read that has not come whole.
#[derive(Debug, Default)]
pub struct RequestReader {
    /// Bytes that were searched for the end of the head.
    searched: usize,
    /// Where the line begins that is searched.
    line: usize,
    /// A line has come that is not empty. Empty ones before the request are passed over (RFC 9112, 2.2).
    has_begun: bool,
    /// The head, once it has come whole.
    head: Option<Head>,
}

#[derive(Debug)]
struct Head {
    length: usize,
    body: Body,
    expects_continue: bool,
}

/// How the end of a body is found (RFC 9112, 6.3).
#[derive(Debug)]
pub enum Body {
    Length(usize),
    Chunked(ChunkedDecoder),
}

impl RequestReader {
    /// Reads the request at the start of `input`, of which a part may have been there before, and says how many
    /// bytes it took; `None` if it has not come whole. An error is the status to answer with, after which the
    /// connection cannot be used: 413 if the body has more than `max_body` bytes.
    pub fn read<'a>(
        &mut self,
        input: &'a [u8],
        max_body: usize,
    ) -> Result<Option<(Request<'a>, usize)>, Status> {
        let mut request = None;
        if self.head.is_none() {
            let Some(length) = self.find_head(input)? else {
                return Ok(None);
            };
            let parsed = Request::parse_head(&input[..length])?;
            let body = parsed.framing(max_body)?;
            self.head = Some(Head { length, body, expects_continue: parsed.expects_continue() });
            request = Some(parsed);
        }
        let Some(Head { length, body, .. }) = &mut self.head else {
            return Ok(None);
        };
        let rest = &input[*length..];
        let (body, taken) = match body {
            Body::Length(wanted) => match rest.get(..*wanted) {
                Some(body) => (Cow::Borrowed(body), *wanted),
                None => return Ok(None),
            },
            Body::Chunked(decoder) => {
                if !decoder.decode(&rest[decoder.taken()..])? {
                    return Ok(None);
                }
                (Cow::Owned(decoder.take_body()), decoder.taken())
            }
        };
        let request = request.map_or_else(|| Request::parse_head(&input[..*length]), Ok)?;
        Ok(Some((request.with_body(body), *length + taken)))
    }

    /// Whether the client waits for a word before it sends the body (RFC 9110, 10.1.1). True once.
    pub fn take_expects_continue(&mut self) -> bool {
        self.head.as_mut().is_some_and(|head| std::mem::take(&mut head.expects_continue))
    }

    /// Bytes of memory that it holds beside the input.
    pub fn memory(&self) -> usize {
        match &self.head {
            Some(Head { body: Body::Chunked(decoder), .. }) => decoder.memory(),
            _ => 0,
        }
    }

    /// The length of the head: its end is the first empty line behind a line that is not empty. What cannot become
    /// a request line is refused before that.
    fn find_head(&mut self, input: &[u8]) -> Result<Option<usize>, Status> {
        while let Some(at) = input[self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = self.searched + at;
            let line = input[self.line..end].strip_suffix(b"\r").unwrap_or(&input[self.line..end]);
            (self.searched, self.line) = (end + 1, end + 1);
            if line.is_empty() && self.has_begun {
                let is_short = self.searched <= MAX_HEAD;
                return if is_short { Ok(Some(self.searched)) } else { Err(Status::HEAD_TOO_LARGE) };
            }
            if !line.is_empty() && !self.has_begun && end <= MAX_HEAD {
                Request::parse_line(line)?;
            }
            self.has_begun |= !line.is_empty();
        }
        let is_first_look = self.searched == self.line;
        self.searched = input.len();
        if input.len() > MAX_HEAD {
            return Err(Status::HEAD_TOO_LARGE);
        }
        if is_first_look && !self.has_begun && !Request::may_begin(&input[self.line..]) {
            return Err(Status::BAD_REQUEST);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BODY: usize = 64 * 1024;

    /// Feeds a request in pieces of this length, and spoils the body that was read already: it is not needed again.
    fn feed(text: &[u8], piece: usize) -> Result<Option<(Vec<u8>, usize)>, Status> {
        let mut reader = RequestReader::default();
        let mut input = Vec::new();
        for piece in text.chunks(piece) {
            input.extend_from_slice(piece);
            if let Some((request, taken)) = reader.read(&input, MAX_BODY)? {
                return Ok(Some((request.body.to_vec(), taken)));
            }
            if let Some(Head { length, body: Body::Chunked(_), .. }) = reader.head {
                input[length..].fill(0);
            } else if reader.head.is_none() {
                assert_eq!(reader.searched, input.len());
            }
        }
        Ok(None)
    }

    #[test]
    fn a_request_is_the_same_however_it_comes() {
        let head = |headers: &str| format!("POST /a HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let chunked = head("Transfer-Encoding: chunked\r\n");
        for (text, body) in [
            (head(""), ""),
            (format!("\r\n\r\n{}", head("")), ""),
            (head("").replace("\r\n", "\n"), ""),
            (head("Content-Length: 3\r\n") + "abc", "abc"),
            (head("Content-Length: 5\r\n") + "\r\n\r\nx", "\r\n\r\nx"),
            (chunked.clone() + "2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: u\r\n\r\n", "abc"),
        ] {
            for piece in 1..=text.len() {
                let expected = Ok(Some((body.as_bytes().to_vec(), text.len())));
                assert_eq!(feed(text.as_bytes(), piece), expected, "{piece}: {text:?}");
                assert_eq!(feed(&text.as_bytes()[..text.len() - 1], piece), Ok(None), "{piece}: {text:?}");
            }
        }
        for (text, status) in [
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), Status::BAD_REQUEST),
            ("G\0T".to_owned(), Status::BAD_REQUEST),
            ("GET /\r\n".to_owned(), Status::BAD_REQUEST),
            ("GET / HTTP/2.0\r\n".to_owned(), Status::BAD_REQUEST),
            (chunked + "1\nx", Status::BAD_REQUEST),
            (head("Content-Length: 65537\r\n"), Status::BODY_TOO_LARGE),
        ] {
            assert_eq!(feed(text.as_bytes(), text.len()), Err(status), "{text:?}");
            if !text.contains('\0') {
                assert_eq!(feed(text.as_bytes(), 1), Err(status), "{text:?}");
            }
        }
    }

    #[test]
    fn a_head_has_16_kib_at_the_most() {
        let head = |length: usize| {
            let begin = "GET / HTTP/1.1\r\nHost: x\r\nPadding: ";
            format!("{begin}{}\r\n\r\n", "x".repeat(length - begin.len() - 4))
        };
        for piece in [1000, MAX_HEAD + 1] {
            assert_eq!(feed(head(MAX_HEAD).as_bytes(), piece), Ok(Some((vec![], MAX_HEAD))));
            assert_eq!(feed(head(MAX_HEAD + 1).as_bytes(), piece), Err(Status::HEAD_TOO_LARGE));
            assert_eq!(feed(&[b'\r', b'\n'].repeat(MAX_HEAD), piece), Err(Status::HEAD_TOO_LARGE));
        }
    }

    #[test]
    fn who_waits_for_a_word_is_told_once() {
        let text = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n";
        let mut reader = RequestReader::default();
        assert!(reader.read(&text.as_bytes()[..text.len() - 1], 9).unwrap().is_none());
        assert!(!reader.take_expects_continue());
        assert!(reader.read(text.as_bytes(), 9).unwrap().is_none());
        assert!(reader.take_expects_continue() && !reader.take_expects_continue());
    }
}
