//! RFC 6455 frames from a client's side: what goes out is masked, what comes in is not.

/// The largest message that a server may send, in bytes. Nothing in the conversation comes near it.
pub const MAX_FRAME: usize = 16 << 20;

/// A load client has no secrets to hide from proxies, so one key does for all frames; it only has to be a real mask.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

/// A whole frame as the server sent it.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub opcode: u8,
    pub payload: &'a [u8],
    /// Bytes that the frame took, header included.
    pub size: usize,
}

/// Takes the first frame off `bytes`; `None` while it is incomplete.
///
/// # Errors
/// What is wrong with the frame; nothing after it can be read.
pub fn parse(bytes: &[u8]) -> Result<Option<Frame<'_>>, &'static str> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err("a reserved bit is set");
    }
    if first & 0x80 == 0 || first & 0x0f == 0 {
        return Err("a fragmented message");
    }
    if second & 0x80 != 0 {
        return Err("a masked frame from the server");
    }
    let (length, header) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10),
        (126 | 127, _) => return Ok(None),
        (short, _) => (u64::from(short), 2),
    };
    if length > MAX_FRAME as u64 {
        return Err("a frame that is too large");
    }
    let size = header + length as usize;
    Ok(bytes.get(header..size).map(|payload| Frame { opcode: first & 0x0f, payload, size }))
}

/// Appends one masked frame to `out`.
pub fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let start = out.len();
    out.extend_from_slice(payload);
    for quad in out[start..].chunks_mut(4) {
        for (byte, key) in quad.iter_mut().zip(MASK) {
            *byte ^= key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0x80 | opcode];
        match payload.len() {
            n @ 0..126 => out.push(n as u8),
            n @ 126..=0xffff => {
                out.push(126);
                out.extend((n as u16).to_be_bytes());
            }
            n => {
                out.push(127);
                out.extend((n as u64).to_be_bytes());
            }
        }
        out.extend(payload);
        out
    }

    #[test]
    fn every_cut_of_a_frame_waits_for_the_rest() {
        for length in [0, 1, 125, 126, 300, 70_000] {
            let payload = vec![b'x'; length];
            let bytes = server_frame(TEXT, &payload);
            for cut in (0..bytes.len().min(20)).chain([bytes.len() - 1]) {
                assert_eq!(parse(&bytes[..cut]), Ok(None), "{length} cut at {cut}");
            }
            let frame = parse(&bytes).unwrap().unwrap();
            assert_eq!((frame.payload, frame.size), (&payload[..], bytes.len()));
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        for bytes in [[0xc1, 0], [0x01, 0], [0x80, 0], [0x81, 0x80], [0x81 | 0x10, 0]] {
            assert!(parse(&bytes).is_err(), "{bytes:02x?}");
        }
        let huge = [0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0];
        assert!(parse(&huge).is_err());
    }

    #[test]
    fn a_written_frame_unmasks_to_its_payload() {
        for length in [0, 3, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut out = Vec::new();
            write(&mut out, TEXT, &payload);
            let header = match length {
                0..126 => 2,
                126..=65_535 => 4,
                _ => 10,
            };
            assert_eq!(out[header..header + 4], MASK);
            let plain: Vec<u8> =
                out[header + 4..].iter().enumerate().map(|(i, byte)| byte ^ MASK[i % 4]).collect();
            assert_eq!(plain, payload);
        }
    }
}
