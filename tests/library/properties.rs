//! Properties of what reads bytes from outside: any split gives the same result, and nothing panics.

use mio_chat_server::http::reader::RequestReader;
use mio_chat_server::http::request::Request;
use mio_chat_server::protocols::phoenix::{Phoenix, Version};
use mio_chat_server::protocols::{Decoded, Protocol};
use mio_chat_server::websocket::{self, FrameReader, Message, Read};
use proptest::collection::vec;
use proptest::prelude::*;

const MAX_MESSAGE: usize = 1000;
const MAX_BODY: usize = 1000;

/// What a reader makes of bytes that come in these pieces: every message, and how it ended.
fn read_in_pieces(pieces: &[&[u8]]) -> Vec<String> {
    let mut reader = FrameReader::default();
    let mut pending = Vec::new();
    let mut seen = Vec::new();
    for piece in pieces {
        pending.extend_from_slice(piece);
        loop {
            match reader.read(&mut pending, MAX_MESSAGE) {
                Ok(Read::Incomplete) => break,
                Ok(Read::Frame { consumed, message }) => {
                    seen.extend(message.map(|message| format!("{message:?}")));
                    pending.drain(..consumed);
                }
                Err(violation) => {
                    seen.push(format!("{violation:?}"));
                    return seen;
                }
            }
        }
    }
    seen.push(format!("{} bytes left", pending.len()));
    seen
}

/// A frame as a client sends it, well-formed or not.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        vec(any::<u8>(), 0..140),
        "\\PC{0,40}".prop_map(String::into_bytes),
        vec(any::<u8>(), 900..1100),
    ];
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x81u8, 0x01, 0x80, 0x00, 0x82, 0x89, 0x8a]),
        1 => any::<u8>(),
        1 => Just(0x88u8),
    ];
    (first, any::<[u8; 4]>(), payload).prop_map(|(first, mask, payload)| {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    })
}

/// Cuts bytes at these places, counted in thousandths of their length.
fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut * bytes.len() / 1000).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

/// What comes of requests in these pieces: each request, and how the last one ended.
fn requests_in_pieces(pieces: &[&[u8]]) -> Vec<String> {
    let mut reader = RequestReader::default();
    let mut pending = Vec::new();
    let mut seen = Vec::new();
    for piece in pieces {
        pending.extend_from_slice(piece);
        loop {
            match reader.read(&pending, MAX_BODY) {
                Ok(None) => break,
                Ok(Some((request, length))) => {
                    seen.push(format!("{request:?} of {length} bytes"));
                    pending.drain(..length);
                    reader = RequestReader::default();
                }
                Err(status) => {
                    seen.push(format!("{status:?}"));
                    return seen;
                }
            }
        }
    }
    seen.push(format!("{} bytes left", pending.len()));
    seen
}

/// A request, well-formed or not.
fn http_request() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "GET / HTTP/1.1",
        "POST /a?b HTTP/1.1",
        "POST / HTTP/1.2",
        "\r\n\r\nPOST / HTTP/1.1",
        "POST http://x/ HTTP/1.1",
        "GET / HTTP/1.0",
        "GET /#a HTTP/1.1",
        "GE\0T / HTTP/1.1",
        "\rGET / HTTP/1.1",
        "GET / HTTP/3",
    ]);
    let header = prop::sample::select(vec!["A: b", "A:", "Expect: 100-continue", "A: \r", "A", "Host: y"]);
    let body = prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(|body| {
            [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
        }),
        vec(chunk(), 0..6).prop_map(|chunks| {
            [&b"Transfer-Encoding: chunked\r\n\r\n"[..], &chunks.concat(), b"0\r\nA: b\r\n\r\n"].concat()
        }),
        Just(b"\r\n".to_vec()),
        Just(b"Content-Length: 1001\r\n\r\n".to_vec()),
    ];
    let end = prop_oneof![8 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    (line, vec(header, 0..3), body, end).prop_map(|(line, headers, body, end)| {
        let lines = [line, "Host: x"].into_iter().chain(headers).flat_map(|line| [line, end]);
        [lines.collect::<String>().as_bytes(), &body].concat()
    })
}

/// A chunk of a body, well-formed or not.
fn chunk() -> impl Strategy<Value = Vec<u8>> {
    let extension =
        prop::sample::select(vec!["", "", "", ";a", " ;\ta = b", ";a=\"\\\"\r\n\"", ";a=\"\\\"\"", ";", " "]);
    let data = prop_oneof![8 => vec(any::<u8>(), 1..40), 1 => vec(any::<u8>(), 300..600)];
    let end = prop_oneof![20 => Just(&b"\r\n"[..]), 1 => Just(&b"\n"[..]), 1 => Just(&b"x\r\n"[..])];
    (data, extension, end).prop_map(|(data, extension, end)| {
        [format!("{:x}{extension}\r\n", data.len()).as_bytes(), &data, end].concat()
    })
}

/// Text that is nearly a frame.
fn nearly_a_frame() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "presence:teachers",
        "presence:student:1",
        "presence:student:",
        "chats:67e55044-10b1-426f-9247-bb680e5fe0c8",
        "chats:",
        "phoenix",
        "phx_join",
        "phx_leave",
        "heartbeat",
        "claim:student",
        "teacher:send",
        "chat:terminate",
        "",
        "\\\"",
        "\\ud800",
    ]);
    let payload = prop::sample::select(vec![
        "{}",
        "null",
        "[]",
        "{\"userId\":1,\"role\":\"teacher\"}",
        "{\"userId\":\"1\",\"role\":\"student\"}",
        "{\"userId\":1e400}",
        "{\"teacherId\":null}",
        "{\"userId\":1,\"userId\":2,\"role\":\"teacher\"}",
        "1",
        "",
    ]);
    let reference = prop::sample::select(vec!["null", "1", "\"1\"", "{}", "-", "\"\\n\""]);
    (word.clone(), word, payload, reference, any::<bool>()).prop_map(
        |(topic, event, payload, reference, v2)| {
            if v2 {
                format!(r#"[{reference},{reference},"{topic}","{event}",{payload}]"#)
            } else {
                format!(r#"{{"topic":"{topic}","event":"{event}","payload":{payload},"ref":{reference}}}"#)
            }
        },
    )
}

/// Decodes a text, answers it if it is a request, and checks that all that goes out is JSON.
fn decode(protocol: &mut Protocol, text: &str) {
    let mut sent = Vec::new();
    let mut out = |parts: &[&str]| sent.push(parts.concat());
    if let Decoded::Request(request) = protocol.decode(text, &mut out) {
        protocol.answer(request.context, Ok(()), &mut out);
    }
    for text in sent {
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
    }
}

proptest! {
    #[test]
    fn frames_read_the_same_however_they_are_split(
        frames in vec(frame(), 1..12),
        cuts in vec(0..1000usize, 0..20),
    ) {
        let bytes = frames.concat();
        let whole = read_in_pieces(&[&bytes]);
        prop_assert_eq!(&read_in_pieces(&cut(&bytes, &cuts)), &whole);
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(&read_in_pieces(&single), &whole);
    }

    #[test]
    fn random_bytes_are_frames_or_a_violation(bytes in vec(any::<u8>(), 0..300)) {
        read_in_pieces(&[&bytes]);
    }

    #[test]
    fn text_comes_through_whole_and_in_fragments(text in "\\PC{0,80}", cuts in vec(0..1000usize, 0..6)) {
        let mut reader = FrameReader::default();
        let pieces = cut(text.as_bytes(), &cuts);
        let mut result = None;
        for (index, piece) in pieces.iter().enumerate() {
            let is_final = if index + 1 == pieces.len() { 0x80 } else { 0 };
            let opcode = if index == 0 { 1 } else { 0 };
            let mut frame = vec![is_final | opcode, 0x80 | 126];
            frame.extend((piece.len() as u16).to_be_bytes());
            frame.extend([0; 4]);
            frame.extend_from_slice(piece);
            if let Ok(Read::Frame { message: Some(message), .. }) = reader.read(&mut frame, MAX_MESSAGE) {
                result = Some(format!("{message:?}"));
            }
        }
        prop_assert_eq!(result, Some(format!("{:?}", Message::Text(text.into()))));
    }

    #[test]
    fn requests_read_the_same_however_they_are_split(
        requests in vec(http_request(), 1..6),
        cuts in vec(0..1000usize, 0..20),
    ) {
        let bytes = requests.concat();
        let whole = requests_in_pieces(&[&bytes]);
        prop_assert_eq!(&requests_in_pieces(&cut(&bytes, &cuts)), &whole);
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(&requests_in_pieces(&single), &whole);
    }

    #[test]
    fn random_bytes_are_the_same_requests_however_they_are_split(
        bytes in vec(prop::sample::select(b"GET / HTTP/1.1\r\n:x\0".to_vec()), 0..300),
    ) {
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(requests_in_pieces(&single), requests_in_pieces(&[&bytes]));
    }

    #[test]
    fn requests_parse_as_they_were_written(body in vec(any::<u8>(), 0..40), path in "/[a-z]{0,9}") {
        let mut bytes = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend(&body);
        let (request, length) = Request::parse(&bytes, MAX_BODY).unwrap().unwrap();
        prop_assert_eq!((request.path, &*request.body, length), (&*path, &*body, bytes.len()));
    }

    #[test]
    fn random_heads_are_a_request_or_a_status(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Request::parse(&bytes, MAX_BODY);
    }

    #[test]
    fn any_text_is_decoded_or_refused(texts in vec(prop_oneof![nearly_a_frame(), "\\PC{0,60}"], 1..20)) {
        for version in [Version::V1, Version::V2] {
            let mut protocol = Protocol::Phoenix(Phoenix::new(version, 60_000));
            for text in &texts {
                decode(&mut protocol, text);
            }
        }
    }

    #[test]
    fn frames_written_have_the_length_they_say(lengths in vec(0..70_000usize, 1..4)) {
        let parts: Vec<_> = lengths.iter().map(|length| "x".repeat(*length)).collect();
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let mut frame = Vec::new();
        websocket::write_text(&mut frame, &parts);
        let text = parts.concat();
        prop_assert!(frame.ends_with(text.as_bytes()));
        let header = match text.len() { 0..=125 => 2, 126..=65535 => 4, _ => 10 };
        prop_assert_eq!(frame.len(), header + text.len());
    }
}
