//! Reads a request from bytes that come in pieces. What was looked at is not looked at again: the search for the
//! end of the head and the decoding of the body go on where they stopped.

use std::borrow::Cow;

use super::chunked::{ChunkedDecoder, is_token};
use super::request::{MAX_HEAD, Request};
use super::response::Status;

/// How far a request is read that has not come whole.
#[derive(Debug, Default)]
pub struct RequestReader {
    /// Bytes that were searched for the end of the head.
    searched: usize,
    /// Where the line begins that is searched.
    line: usize,
    /// The method has come whole, though not the request line.
    has_method: bool,
    /// The request line has come whole. Empty lines before it are passed over (RFC 9112, 2.2).
    has_begun: bool,
    /// The head, once it has come whole.
    head: Option<Head>,
}

#[derive(Debug)]
struct Head {
    length: usize,
    body: Body,
    expects_continue: bool,
    /// [`RequestReader::take_head`] has not given it yet.
    is_new: bool,
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
            let parsed = Request::parse_head(input.get(..length).unwrap_or_default())?;
            let body = parsed.framing(max_body)?;
            let expects_continue = parsed.expects_continue();
            self.head = Some(Head { length, body, expects_continue, is_new: true });
            request = Some(parsed);
        }
        let Some(Head { length, body, .. }) = &mut self.head else {
            return Ok(None);
        };
        let (head, rest) = input.split_at_checked(*length).ok_or(Status::BAD_REQUEST)?;
        let (body, taken) = match body {
            Body::Length(wanted) => match rest.get(..*wanted) {
                Some(body) => (Cow::Borrowed(body), *wanted),
                None => return Ok(None),
            },
            Body::Chunked(decoder) => {
                if !decoder.decode(rest.get(decoder.taken()..).unwrap_or_default())? {
                    return Ok(None);
                }
                (Cow::Owned(decoder.take_body()), decoder.taken())
            }
        };
        let request = request.map_or_else(|| Request::parse_head(head), Ok)?;
        Ok(Some((request.with_body(body), *length + taken)))
    }

    /// The request as far as its head says, if that has come and the body has not. Once, so that it is not parsed for
    /// each piece of the body. `input` is that of the last call of [`RequestReader::read`].
    pub fn take_head<'a>(&mut self, input: &'a [u8]) -> Option<Request<'a>> {
        let head = self.head.as_mut()?;
        let is_new = std::mem::take(&mut head.is_new);
        is_new.then(|| input.get(..head.length)).flatten().and_then(|head| Request::parse_head(head).ok())
    }

    /// Whether the client waits for a word before it sends the body (RFC 9110, 10.1.1). True once.
    pub fn take_expects_continue(&mut self) -> bool {
        self.head.as_mut().is_some_and(|head| std::mem::take(&mut head.expects_continue))
    }

    /// Bytes of memory that it takes beside the input, itself included: a connection has one only while a request
    /// is incomplete.
    pub fn memory(&self) -> usize {
        let body = match &self.head {
            Some(Head { body: Body::Chunked(decoder), .. }) => decoder.memory(),
            _ => 0,
        };
        size_of::<RequestReader>() + body
    }

    /// The length of the head: its end is the first empty line behind a line that is not empty. What cannot become
    /// a request line is refused before that. Only bytes that came since the last call are searched, and none behind
    /// the limit, so that the result does not depend on how the head was split.
    fn find_head(&mut self, input: &[u8]) -> Result<Option<usize>, Status> {
        let head = input.get(..MAX_HEAD).unwrap_or(input);
        while let Some(at) = head.get(self.searched..).and_then(|fresh| fresh.iter().position(is_lf)) {
            let end = self.searched + at;
            let line = head.get(self.line..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            (self.searched, self.line) = (end + 1, end + 1);
            if line.is_empty() && self.has_begun {
                return Ok(Some(self.searched));
            }
            if !line.is_empty() && !self.has_begun {
                Request::parse_line(line)?;
                self.has_begun = true;
            }
        }
        if !self.has_begun {
            self.check_method(head.get(self.searched..).unwrap_or_default())?;
        }
        self.searched = head.len();
        if input.len() > MAX_HEAD { Err(Status::HEAD_TOO_LARGE) } else { Ok(None) }
    }

    /// Checks the next bytes of a line that has not come whole and may become the request line: until its first
    /// space it is a method, or empty.
    fn check_method(&mut self, fresh: &[u8]) -> Result<(), Status> {
        for &byte in fresh {
            if self.has_method {
                break;
            }
            self.has_method = byte == b' ';
            if !self.has_method && !is_token(byte) && byte != b'\r' {
                return Err(Status::BAD_REQUEST);
            }
        }
        Ok(())
    }
}

fn is_lf(byte: &u8) -> bool {
    *byte == b'\n'
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
            ("\r\n\0".to_owned(), Status::BAD_REQUEST),
            ("GET /\r\n".to_owned(), Status::BAD_REQUEST),
            ("GET / HTTP/2.0\r\n".to_owned(), Status::BAD_REQUEST),
            (chunked + "1\nx", Status::BAD_REQUEST),
            (head("Content-Length: 65537\r\n"), Status::BODY_TOO_LARGE),
        ] {
            for piece in 1..=text.len() {
                assert_eq!(feed(text.as_bytes(), piece), Err(status), "{piece}: {text:?}");
            }
        }
    }

    /// Bytes that were searched are replaced by line ends, of which two would end the head if they were searched
    /// again.
    #[test]
    fn each_byte_of_a_head_is_searched_once() {
        let text = b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
        let mut reader = RequestReader::default();
        for length in 1..text.len() {
            let mut input = text[..length].to_vec();
            if reader.has_begun {
                input[..length - 1].fill(b'\n');
            }
            assert!(reader.read(&input, MAX_BODY).unwrap().is_none(), "{length}");
        }
        assert!(reader.read(text, MAX_BODY).unwrap().is_some());
    }

    /// A head that is parsed is spoiled until the body is whole: parsed again, it would be a bad request.
    #[test]
    fn a_head_is_not_parsed_for_each_piece_of_the_body() {
        let head = "POST / HTTP/1.1\r\nHost: x\r\n";
        for rest in
            ["Content-Length: 5\r\n\r\nabcde", "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"]
        {
            let text = format!("{head}{rest}");
            let length = text.find("\r\n\r\n").unwrap() + 4;
            let mut reader = RequestReader::default();
            assert!(reader.read(&text.as_bytes()[..length], MAX_BODY).unwrap().is_none());
            assert_eq!(reader.take_head(text.as_bytes()).map(|request| request.method), Some("POST"));
            assert!(reader.take_head(text.as_bytes()).is_none(), "once");
            let mut input = text.clone().into_bytes();
            input[..length].fill(0);
            for end in length..text.len() {
                assert!(reader.read(&input[..end], MAX_BODY).unwrap().is_none(), "{end}: {text:?}");
            }
            let (request, taken) = reader.read(text.as_bytes(), MAX_BODY).unwrap().unwrap();
            assert_eq!((&*request.body, taken), (&b"abcde"[..], text.len()));
        }
    }

    #[test]
    fn a_head_has_16_kib_at_the_most() {
        let head = |length: usize| {
            let begin = "GET / HTTP/1.1\r\nHost: x\r\nPadding: ";
            format!("{begin}{}\r\n\r\n", "x".repeat(length - begin.len() - 4))
        };
        for piece in [1, 1000, MAX_HEAD, MAX_HEAD + 1] {
            assert_eq!(feed(head(MAX_HEAD).as_bytes(), piece), Ok(Some((vec![], MAX_HEAD))));
            assert_eq!(feed(head(MAX_HEAD + 1).as_bytes(), piece), Err(Status::HEAD_TOO_LARGE));
            assert_eq!(feed(&[b'\r', b'\n'].repeat(MAX_HEAD), piece), Err(Status::HEAD_TOO_LARGE));
        }
    }

    #[test]
    fn a_decoded_body_counts_as_memory_until_it_is_whole() {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let text = format!("{head}3e8\r\n{}\r\n0\r\n\r\n", "x".repeat(1000));
        let mut reader = RequestReader::default();
        assert!(reader.read(&text.as_bytes()[..head.len()], MAX_BODY).unwrap().is_none());
        let before = reader.memory();
        assert!(reader.read(&text.as_bytes()[..text.len() - 1], MAX_BODY).unwrap().is_none());
        assert!(before >= size_of::<RequestReader>() && reader.memory() >= before + 1000);
        assert!(reader.read(text.as_bytes(), MAX_BODY).unwrap().is_some());
        assert_eq!(reader.memory(), before);
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
