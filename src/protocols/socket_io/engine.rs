//! Engine.IO: what lies under Socket.IO packets, and how they are put together in HTTP bodies.

use std::borrow::Cow;
use std::fmt::Write;

use crate::Millis;
use crate::chat::id::ClientId;

/// The revision of Engine.IO that a client asked for with `EIO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// socket.io-client 1.x and 2.x: the client pings.
    V3,
    /// socket.io-client 3.x and 4.x: the server pings.
    V4,
}

impl Revision {
    /// The revision that a request asks for; engine.io takes a missing one for 3.
    pub fn from_query(eio: Option<&str>) -> Option<Revision> {
        match eio {
            None | Some("3") => Some(Revision::V3),
            Some("4") => Some(Revision::V4),
            Some(_) => None,
        }
    }

    /// How long after a ping is due the other side is taken for gone: the original's of each time.
    pub fn ping_timeout(self) -> Millis {
        match self {
            Revision::V3 => 60_000,
            Revision::V4 => 20_000,
        }
    }

    /// The body of the open packet.
    pub fn open_packet(self, sid: &str, upgrades: &[&str], max_payload: usize) -> String {
        let upgrades: Vec<_> = upgrades.iter().map(|upgrade| format!("\"{upgrade}\"")).collect();
        let max_payload = match self {
            Revision::V3 => String::new(),
            Revision::V4 => format!(",\"maxPayload\":{max_payload}"),
        };
        format!(
            r#"{{"sid":"{sid}","upgrades":[{}],"pingInterval":{},"pingTimeout":{}{max_payload}}}"#,
            upgrades.join(","),
            super::PING_INTERVAL,
            self.ping_timeout(),
        )
    }

    /// The body of the error for a namespace that does not exist.
    pub fn invalid_namespace(self) -> &'static str {
        match self {
            Revision::V3 => r#""Invalid namespace""#,
            Revision::V4 => r#"{"message":"Invalid namespace"}"#,
        }
    }

    /// Puts packets together to a body, as text.
    pub fn encode_payload<'a>(self, packets: impl Iterator<Item = &'a str>) -> String {
        let mut body = String::new();
        for packet in packets {
            match self {
                Revision::V3 => {
                    let packet = ascii(packet);
                    // Writing into a String cannot fail.
                    let _ = write!(body, "{}:{packet}", packet.len());
                }
                Revision::V4 => {
                    if !body.is_empty() {
                        body.push(SEPARATOR);
                    }
                    body.push_str(packet);
                }
            }
        }
        body
    }

    /// Takes a body apart, up to one packet more than [`MAX_PACKETS`]; `None` if it is not a payload as far as that.
    pub fn decode_payload(self, body: &[u8]) -> Option<Vec<Cow<'_, str>>> {
        match self {
            Revision::V4 => {
                let packets = str::from_utf8(body).ok()?.split(SEPARATOR).take(MAX_PACKETS + 1);
                Some(packets.map(Cow::Borrowed).collect())
            }
            Revision::V3 if matches!(body.first(), Some(0 | 1)) => decode_binary(body),
            Revision::V3 => decode_counted(str::from_utf8(body).ok()?),
        }
    }
}

/// Packets that one post may carry. Each may have an answer, which waits for the next poll: without a limit a small
/// body of pings would have a large one.
pub const MAX_PACKETS: usize = 1000;

/// What stands between packets in Engine.IO 4.
const SEPARATOR: char = '\x1e';

/// JSON with all that is not ASCII escaped. Engine.IO 3 clients disagree on how other characters travel in
/// a body: 1.x decodes UTF-8 once more than 2.x does. What is escaped is read alike by both.
fn ascii(packet: &str) -> Cow<'_, str> {
    if packet.is_ascii() {
        return Cow::Borrowed(packet);
    }
    let mut escaped = String::with_capacity(packet.len() * 2);
    for character in packet.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Cow::Owned(escaped)
}

/// `length:packet…`, at least one, the length in UTF-16 units.
fn decode_counted(mut body: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut packets = Vec::new();
    while (packets.is_empty() || !body.is_empty()) && packets.len() <= MAX_PACKETS {
        let (length, rest) = body.split_once(':')?;
        let length: usize = length.parse().ok()?;
        let (packet, rest) = split_at_utf16(rest, length)?;
        packets.push(undo_double_encoding(packet));
        body = rest;
    }
    Some(packets)
}

fn split_at_utf16(text: &str, units: usize) -> Option<(&str, &str)> {
    let mut left = units;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return Some(text.split_at(at));
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some((text, ""))
}

/// socket.io-client 1.x encodes a packet to UTF-8 before it puts it into a body that is UTF-8 itself, which
/// 2.x does not. Text of which every character is a byte, and the bytes are UTF-8, is of that kind.
fn undo_double_encoding(packet: &str) -> Cow<'_, str> {
    if packet.is_ascii() {
        return Cow::Borrowed(packet);
    }
    let bytes: Option<Vec<u8>> = packet.chars().map(|character| u8::try_from(character).ok()).collect();
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(packet),
    }
}

/// The form that 1.x uses in browsers: a byte for the kind (0 text), the digits of the length as bytes of
/// their own, 255, the packet.
fn decode_binary(mut body: &[u8]) -> Option<Vec<Cow<'_, str>>> {
    let mut packets = Vec::new();
    while let Some((kind, rest)) = body.split_first()
        && packets.len() <= MAX_PACKETS
    {
        let end = rest.iter().position(|&byte| byte == 255)?;
        let mut length = 0usize;
        for &digit in &rest[..end] {
            length = length.checked_mul(10)?.checked_add(usize::from(digit))?;
        }
        let (packet, rest) = rest[end + 1..].split_at_checked(length)?;
        packets.push(match kind {
            0 => Cow::Borrowed(str::from_utf8(packet).ok()?),
            _ => Cow::Borrowed("b"),
        });
        body = rest;
    }
    Some(packets)
}

/// A script that calls a function of the page's `___eio` with a payload as a string: JSONP, as in engine.io. The
/// index is all of it that a client chooses.
pub fn call(index: u32, payload: &str) -> String {
    // A string, for which serde_json has no error.
    let payload = serde_json::to_string(payload).unwrap_or_default();
    format!("___eio[{index}]({payload});")
}

/// Restores the newlines of a payload that came in a form field, as JSONP clients of engine.io-client send it: `\n`
/// (two characters) for a newline, which browsers would make a CRLF of, and `\\n` (three) for `\n`. A newline
/// behind a backslash, which JSON has none of, is read as `\n` too: the encoding does not tell them apart.
pub fn unescape_newlines(field: &str) -> String {
    let mut payload = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, after)) = rest.split_once("\\n") {
        match before.strip_suffix('\\') {
            Some(before) => payload.extend([before, "\\n"]),
            None => payload.extend([before, "\n"]),
        }
        rest = after;
    }
    payload.push_str(rest);
    payload
}

/// A session's id: which client it means, and the secret that says that the one who names it may.
pub fn session_id(client: ClientId, secret: u64) -> String {
    format!("{:08x}{:08x}{secret:016x}", client.slot, client.generation)
}

/// Reads a session's id.
pub fn parse_session_id(sid: &str) -> Option<(ClientId, u64)> {
    if sid.len() != 32 || !sid.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let part = |range| u64::from_str_radix(&sid[range], 16).ok();
    let client = ClientId { slot: part(0..8)? as u32, generation: part(8..16)? as u32 };
    Some((client, part(16..32)?))
}

/// An id for everybody to see, from which the secret cannot be computed.
pub fn public_id(secret: u64) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(secret);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_there_and_back() {
        let packets = ["2probe", "42[\"a\",\"é𝄞\"]", "3"];
        let counted = Revision::V3.encode_payload(packets.into_iter());
        assert_eq!(counted, "6:2probe28:42[\"a\",\"\\u00e9\\ud834\\udd1e\"]1:3");
        let separated = Revision::V4.encode_payload(packets.into_iter());
        assert_eq!(Revision::V4.decode_payload(separated.as_bytes()).unwrap(), packets);
    }

    #[test]
    fn each_client_counts_in_its_own_way() {
        let packets = ["42[\"a\",\"é𝄞\"]", "2"];
        let by_2 = "13:42[\"a\",\"é𝄞\"]1:2";
        assert_eq!(Revision::V3.decode_payload(by_2.as_bytes()).unwrap(), packets);
        let doubled: String = packets[0].bytes().map(char::from).collect();
        let by_1 = format!("{}:{doubled}1:2", doubled.chars().count());
        assert_eq!(Revision::V3.decode_payload(by_1.as_bytes()).unwrap(), packets);
        let mut in_browsers = vec![0, 1, 6, 255];
        in_browsers.extend(packets[0].as_bytes());
        in_browsers.extend([0, 1, 255, b'2']);
        assert_eq!(packets[0].len(), 16);
        assert_eq!(Revision::V3.decode_payload(&in_browsers).unwrap(), packets);
    }

    #[test]
    fn what_is_no_payload() {
        for body in [
            &b""[..],
            b"x",
            b"5:ab",
            b":",
            b"-1:a",
            b"99999999999999999999:a",
            b"\xff",
            b"\0\x01",
            b"\0\x09\xffab",
        ] {
            assert_eq!(Revision::V3.decode_payload(body), None, "{body:?}");
        }
        assert_eq!(Revision::V4.decode_payload(b"\xff"), None);
    }

    #[test]
    fn newlines_of_a_form_field_are_restored() {
        for payload in ["", "n", "\n", "\\n", "\n\\n\n", "\\\\n", "\\\\\\n\n", "\\", "a\nb\\nc", "é\\n\n"] {
            // As engine.io-client 1.x to 5.x do.
            let field = payload.replace("\\n", "\\\n").replace('\n', "\\n");
            assert_eq!(unescape_newlines(&field), payload, "{field:?}");
        }
    }

    #[test]
    fn session_ids_are_read_back() {
        let client = ClientId { slot: 7, generation: u32::MAX };
        assert_eq!(parse_session_id(&session_id(client, 99)), Some((client, 99)));
        for sid in ["", "x", "+000000100000001000000000000000a", &"0".repeat(33)] {
            assert_eq!(parse_session_id(sid), None, "{sid}");
        }
    }
}
