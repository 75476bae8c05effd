//! Bytes into texts: the upgrade's answer, then frames, however the network cuts them.

use crate::frames;
use crate::handshake;

/// What a connection's bytes mean to its user.
#[derive(Debug)]
pub enum Inbound<'a> {
    Opened,
    Text(&'a str),
    Ping(&'a [u8]),
}

/// Why a connection is of no use any more: a kind and its words.
pub type Fault = (&'static str, String);

/// Where a connection's bytes stand, and the incomplete frame that waits for its rest.
#[derive(Debug, Default)]
pub struct Reader {
    open: bool,
    partial: Vec<u8>,
}

impl Reader {
    /// Whether the server has agreed to the upgrade.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Takes what the socket had to give.
    pub fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(Inbound<'_>)) -> Result<(), Fault> {
        if self.partial.is_empty() {
            let used = self.parse(bytes, each)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(bytes);
        let used = self.parse(&whole, each)?;
        if used < whole.len() {
            whole.drain(..used);
            self.partial = whole;
        }
        Ok(())
    }

    /// Takes all that is complete; how many bytes that was.
    fn parse(&mut self, bytes: &[u8], each: &mut impl FnMut(Inbound<'_>)) -> Result<usize, Fault> {
        let mut used = 0;
        if !self.open {
            match handshake::accepted(bytes).map_err(|e| ("handshake", e))? {
                Some(size) => used = size,
                None => return Ok(0),
            }
            self.open = true;
            each(Inbound::Opened);
        }
        while let Some(frame) = frames::parse(&bytes[used..]).map_err(|e| ("framing", e.into()))? {
            used += frame.size;
            match frame.opcode {
                frames::TEXT => match std::str::from_utf8(frame.payload) {
                    Ok(text) => each(Inbound::Text(text)),
                    Err(e) => return Err(("framing", e.to_string())),
                },
                frames::PING => each(Inbound::Ping(frame.payload)),
                frames::PONG => {}
                frames::CLOSE => return Err(("closed", close_reason(frame.payload))),
                other => return Err(("framing", format!("opcode {other}"))),
            }
        }
        Ok(used)
    }
}

fn close_reason(payload: &[u8]) -> String {
    match payload {
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            format!("closed with {code} {}", String::from_utf8_lossy(reason))
        }
        _ => "closed without a code".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn read(pieces: &[&[u8]]) -> (Vec<String>, Result<(), Fault>) {
        let mut reader = Reader::default();
        let mut seen = Vec::new();
        for piece in pieces {
            let taken = reader.take(piece, &mut |inbound| seen.push(format!("{inbound:?}")));
            if taken.is_err() {
                return (seen, taken);
            }
        }
        (seen, Ok(()))
    }

    #[test]
    fn a_stream_means_the_same_however_it_is_cut() {
        let long = "x".repeat(200);
        let mut stream = HEAD.to_vec();
        stream.extend(b"\x81\x02{}\x89\x01p\x8a\x00\x81\x7e\x00\xc8");
        stream.extend(long.as_bytes());
        let expected = ["Opened", "Text(\"{}\")", "Ping([112])", &format!("Text({long:?})")];
        for first in 0..stream.len() {
            for second in [first, (first + 3).min(stream.len()), stream.len()] {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                let (seen, result) = read(&pieces);
                assert_eq!((seen.as_slice(), result), (&expected.map(String::from)[..], Ok(())));
            }
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes).0, expected);
    }

    #[test]
    fn faults_are_named() {
        for (bytes, kind) in [
            (&b"HTTP/1.1 404 Not Found\r\n\r\n"[..], "handshake"),
            (&[HEAD, b"\x82\x00"].concat(), "framing"),
            (&[HEAD, b"\x81\x01\xff"].concat(), "framing"),
            (&[HEAD, b"\x88\x02\x03\xe9"].concat(), "closed"),
        ] {
            assert_eq!(read(&[bytes]).1.unwrap_err().0, kind);
        }
    }
}
