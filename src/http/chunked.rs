//! The chunked transfer coding (RFC 9112, 7.1), decoded as it comes: each byte is looked at once, however the
//! message is split. It is read to the letter, since what a proxy in front reads differently is how requests are
//! smuggled: a size has a digit, an extension follows its grammar, CRLF alone ends a line.

use super::response::Status;

/// Bytes of a size line, or of the trailers, at the most.
const MAX_LINE: usize = super::request::MAX_HEAD;

/// Where the decoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size, of which so many digits have come.
    Size {
        digits: usize,
    },
    /// Behind the size or an extension: an extension or the end of the line, perhaps after white space.
    Extensions,
    /// The same, after white space, behind which the line must not end.
    Gap,
    /// Before the name of an extension.
    NameStart,
    Name,
    /// Behind a name, after white space.
    NameEnd,
    /// Before the value of an extension.
    ValueStart,
    Value,
    Quoted,
    /// Behind a backslash in a quoted value.
    Escaped,
    /// Behind the CR of the size line.
    SizeLf,
    /// In the chunk, of which so many bytes are to come.
    Data {
        left: usize,
    },
    DataCr,
    DataLf,
    /// At the beginning of a trailer line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// Behind the CR of the empty line at the end.
    EndLf,
    Done,
}

/// A body on its way.
#[derive(Debug)]
pub struct ChunkedDecoder {
    state: State,
    size: usize,
    /// Bytes of the size line or the trailers so far.
    line: usize,
    max_body: usize,
    body: Vec<u8>,
    /// Bytes that were looked at.
    taken: usize,
}

impl ChunkedDecoder {
    /// A decoder for a body of at most this many bytes.
    pub fn new(max_body: usize) -> ChunkedDecoder {
        let state = State::Size { digits: 0 };
        ChunkedDecoder { state, size: 0, line: 0, max_body, body: Vec::new(), taken: 0 }
    }

    /// Takes what has been decoded.
    pub fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.body.capacity()
    }

    /// Bytes that the coding has taken so far.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Goes on with what has come, up to the end of the body. Returns whether that is reached. Trailers are read
    /// and dropped. An error is the status to answer with: 413 if the body has more than its bytes, or so many
    /// chunks that most of it is framing, which is kept until the body is whole.
    pub fn decode(&mut self, mut input: &[u8]) -> Result<bool, Status> {
        while self.state != State::Done {
            if let State::Data { left } = self.state {
                let (data, rest) = input.split_at(left.min(input.len()));
                self.body.extend_from_slice(data);
                self.taken += data.len();
                let left = left - data.len();
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                input = rest;
            }
            let Some((&byte, rest)) = input.split_first() else {
                return Ok(false);
            };
            self.state = self.step(byte)?;
            self.taken += 1;
            input = rest;
            if self.taken > 2 * self.body.len() + MAX_LINE {
                return Err(Status::BODY_TOO_LARGE);
            }
        }
        Ok(true)
    }

    /// The state after one more byte that is not the chunk's data.
    fn step(&mut self, byte: u8) -> Result<State, Status> {
        self.line += 1;
        if self.line > MAX_LINE {
            return Err(Status::BAD_REQUEST);
        }
        Ok(match (self.state, byte) {
            (State::Size { digits }, _) if byte.is_ascii_hexdigit() => self.digit(digits, byte)?,
            (State::Size { digits: 0 }, _) => return Err(Status::BAD_REQUEST),
            (State::Size { .. } | State::Extensions | State::Name | State::Value, b'\r') => State::SizeLf,
            (State::Size { .. } | State::Extensions | State::Value, b' ' | b'\t') => State::Gap,
            (
                State::Size { .. }
                | State::Extensions
                | State::Gap
                | State::Name
                | State::NameEnd
                | State::Value,
                b';',
            ) => State::NameStart,
            (State::Gap, b' ' | b'\t') => State::Gap,
            (State::NameStart, b' ' | b'\t') => State::NameStart,
            (State::NameStart | State::Name, _) if is_token(byte) => State::Name,
            (State::Name | State::NameEnd, b' ' | b'\t') => State::NameEnd,
            (State::Name | State::NameEnd, b'=') => State::ValueStart,
            (State::ValueStart, b' ' | b'\t') => State::ValueStart,
            (State::ValueStart, b'"') => State::Quoted,
            (State::ValueStart | State::Value, _) if is_token(byte) => State::Value,
            (State::Quoted, b'"') => State::Extensions,
            (State::Quoted, b'\\') => State::Escaped,
            (State::Quoted | State::Escaped, _) if is_text(byte) => State::Quoted,
            (State::SizeLf, b'\n') => {
                self.line = 0;
                if self.size == 0 { State::TrailerStart } else { State::Data { left: self.size } }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                (self.line, self.size) = (0, 0);
                State::Size { digits: 0 }
            }
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart | State::TrailerName, _) if is_token(byte) => State::TrailerName,
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, _) if is_text(byte) => State::TrailerValue,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(Status::BAD_REQUEST),
        })
    }

    fn digit(&mut self, digits: usize, byte: u8) -> Result<State, Status> {
        let digit = (byte as char).to_digit(16).unwrap_or_default() as usize;
        // A size above the limit ends it here, so the product never overflows.
        self.size = self.size * 16 + digit;
        if self.size > self.max_body - self.body.len() {
            return Err(Status::BODY_TOO_LARGE);
        }
        Ok(State::Size { digits: digits + 1 })
    }
}

/// A character of a token (RFC 9110, 5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A character of a field value or of a quoted string (RFC 9110, 5.5 and 5.6.4).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BODY: usize = 1000;

    fn decode(pieces: &[&[u8]]) -> Result<Option<(Vec<u8>, usize)>, Status> {
        let mut decoder = ChunkedDecoder::new(MAX_BODY);
        for piece in pieces {
            if decoder.decode(piece)? {
                let taken = decoder.taken();
                return Ok(Some((decoder.take_body(), taken)));
            }
        }
        Ok(None)
    }

    /// What a body comes to as a whole, which has to be the same byte by byte.
    fn outcome(text: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Status> {
        let whole = decode(&[text]);
        let bytes: Vec<_> = text.chunks(1).collect();
        assert_eq!(decode(&bytes), whole, "{}", text.escape_ascii());
        whole
    }

    #[test]
    fn bodies() {
        for (text, body) in [
            ("0\r\n\r\n", ""),
            ("000\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            ("2\r\n\r\n\r\n1\r\nc\r\n0\r\n\r\n", "\r\nc"),
            ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
            ("1;a\r\nx\r\n0;b=c;d\r\n\r\n", "x"),
            ("1 ;\ta = \"q;\\\"\t\"\t; b\r\nx\r\n0\r\n\r\n", "x"),
            ("1;a=\"\" ;b\r\nx\r\n0\r\n\r\n", "x"),
            ("0\r\nA: b\r\nC:\td\r\nE:\r\n\r\n", ""),
        ] {
            let expected = Ok(Some((body.as_bytes().to_vec(), text.len())));
            assert_eq!(outcome(text.as_bytes()), expected, "{text:?}");
            assert_eq!(outcome(format!("{text}GET").as_bytes()), expected, "{text:?}");
            (0..text.len())
                .for_each(|cut| assert_eq!(outcome(&text.as_bytes()[..cut]), Ok(None), "{text:?}"));
        }
    }

    #[test]
    fn what_is_no_chunk_is_a_bad_request_at_once() {
        for text in [
            "\r\n",
            ";a\r\n",
            " 1\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            "g\r\n",
            "1\n",
            "1\r\r\n",
            "1 \r\n",
            "1;\r\n",
            "1;a=\r\n",
            "1;a b\r\n",
            "1;=b\r\n",
            "1;a=b c\r\n",
            "1;a=\"b\r\n",
            "1;a=\"b\"c\r\n",
            "1;a\nb\r\n",
            "1;a=\"\n\"\r\n",
            "1;a \r\n",
            "1\r\nxy\r\n",
            "1\r\nx\n",
            "1\r\nx\r\r",
            "0\r\n\n",
            "0\r\nA: b\n",
            "0\r\nA: b\r\r\n",
            "0\r\n A: b\r\n",
            "0\r\nA\r\n\r\n",
            "0\r\nA : b\r\n",
            "0\r\n: b\r\n",
            "0\r\nA: b\r\n c\r\n",
            "0\r\n\rx",
            "0\r\nA: \0\r\n",
        ] {
            assert_eq!(outcome(text.as_bytes()), Err(Status::BAD_REQUEST), "{text:?}");
        }
    }

    #[test]
    fn limits() {
        let chunks = |sizes: &[usize]| -> Vec<u8> {
            let chunk = |size: &usize| format!("{size:x}\r\n{}\r\n", "x".repeat(*size)).into_bytes();
            sizes.iter().flat_map(chunk).chain(*b"0\r\n\r\n").collect()
        };
        let length = |sizes| outcome(&chunks(sizes)).map(|whole| whole.map(|(body, _)| body.len()));
        assert_eq!(length(&[MAX_BODY]), Ok(Some(MAX_BODY)));
        assert_eq!(length(&[MAX_BODY - 1, 1]), Ok(Some(MAX_BODY)));
        assert_eq!(length(&[MAX_BODY + 1]), Err(Status::BODY_TOO_LARGE));
        assert_eq!(length(&[MAX_BODY, 1]), Err(Status::BODY_TOO_LARGE));
        assert_eq!(outcome(&[b'f'; 40]), Err(Status::BODY_TOO_LARGE));
        // One size line, and the framing of all chunks.
        assert_eq!(outcome(&[b'0'; MAX_LINE]), Ok(None));
        assert_eq!(outcome(&[b'0'; MAX_LINE + 1]), Err(Status::BAD_REQUEST));
        let trailers = |length: usize| format!("0\r\nA:{}\r\n\r\n", "x".repeat(length - 6)).into_bytes();
        // The framing of a body is one size line longer than its trailers.
        assert_eq!(outcome(&trailers(MAX_LINE - 3)), Ok(Some((vec![], MAX_LINE))));
        assert_eq!(outcome(&trailers(MAX_LINE - 2)), Err(Status::BODY_TOO_LARGE));
        let framing = |chunks| {
            let mut decoder = ChunkedDecoder::new(1 << 20);
            decoder.decode(&[&b"1\r\nx\r\n".repeat(chunks)[..], b"0\r\n\r\n"].concat())
        };
        // Each chunk takes 6 bytes, of which 2 are allowed for its one byte of the body.
        assert_eq!(framing((MAX_LINE - 5) / 4), Ok(true));
        assert_eq!(framing((MAX_LINE - 5) / 4 + 1), Err(Status::BODY_TOO_LARGE));
    }
}
