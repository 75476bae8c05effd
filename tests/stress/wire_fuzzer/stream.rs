//! What the server sends on a connection, taken apart: HTTP responses, and WebSocket frames behind a 101.

/// One thing that the server has sent.
#[derive(Debug)]
pub enum Unit {
    Response {
        status: u16,
        body: String,
    },
    Text(String),
    /// A ping, a pong or a close frame.
    Control,
}

/// Takes the first unit that has come whole. The server's bytes are always well formed; the error says what
/// is not.
pub fn next_unit(got: &mut Vec<u8>, is_websocket: bool, is_head: bool) -> Result<Option<Unit>, String> {
    let unit = if is_websocket { frame(got)? } else { response(got, is_head)? };
    let Some((unit, length)) = unit else { return Ok(None) };
    got.drain(..length);
    Ok(Some(unit))
}

fn response(got: &[u8], is_head: bool) -> Result<Option<(Unit, usize)>, String> {
    let Some(end) = got.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return if b"HTTP/1.1 ".starts_with(&got[..got.len().min(9)]) || got.starts_with(b"HTTP/1.1 ") {
            Ok(None)
        } else {
            Err(format!("not a response: {}", String::from_utf8_lossy(got)))
        };
    };
    let head = std::str::from_utf8(&got[..end]).map_err(|_| "a head that is not text")?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status: u16 = status.ok_or_else(|| format!("not a status line: {head}"))?;
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next().map_or(Ok(0), |(_, length)| length.trim().parse::<usize>());
    let length = length.map_err(|_| format!("not a length: {head}"))?;
    let length = if status == 101 || is_head { 0 } else { length };
    let Some(body) = got.get(end + 4..end + 4 + length) else { return Ok(None) };
    let body = String::from_utf8(body.to_owned()).map_err(|_| "a body that is not text")?;
    Ok(Some((Unit::Response { status, body }, end + 4 + length)))
}

fn frame(got: &[u8]) -> Result<Option<(Unit, usize)>, String> {
    let &[first, second, ..] = got else { return Ok(None) };
    if second & 0x80 != 0 {
        return Err("a masked frame".into());
    }
    let (header, length) = match (second, got) {
        (126, &[_, _, a, b, ..]) => (4, u16::from_be_bytes([a, b]) as usize),
        (127, &[_, _, a, b, c, d, e, f, g, h, ..]) => {
            (10, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize)
        }
        (126 | 127, _) => return Ok(None),
        (length, _) => (2, length as usize),
    };
    let Some(payload) = got.get(header..header + length) else { return Ok(None) };
    let unit = match first {
        0x81 => Unit::Text(String::from_utf8(payload.to_owned()).map_err(|_| "a frame that is not text")?),
        0x88..=0x8a => Unit::Control,
        _ => return Err(format!("a frame that begins with {first:#x}")),
    };
    Ok(Some((unit, header + length)))
}
