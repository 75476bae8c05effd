//! How a client comes to be known, and what is said to one that is not.

use uuid::Uuid;

use super::CONNECTION_TYPES;
use super::message::{Message, Reply, mismatch, missing, unknown_client};

/// 160 random bits in base 36, as Faye makes its client ids. Each id from `new_id` has 122 random bits.
pub fn new_client_id(new_id: &mut dyn FnMut() -> Uuid) -> String {
    let mut high = new_id().as_u128() ^ (new_id().as_u128() << 9);
    let mut low = new_id().as_u128() as u32;
    let mut id = String::with_capacity(31);
    for _ in 0..31 {
        // One digit at a time from the 160 bits that the two numbers are.
        let rest = (high % 36) as u64;
        high /= 36;
        let value = (rest << 32) | u64::from(low);
        low = (value / 36) as u32;
        id.push(char::from_digit((value % 36) as u32, 36).unwrap_or('0'));
    }
    id
}

/// Answers a handshake: the clientId if a transport is shared, or what is wrong. Only the first of a batch can
/// succeed.
pub fn handshake(
    message: &Message<'_>,
    is_first: bool,
    new_id: &mut dyn FnMut() -> Uuid,
) -> (Option<String>, String) {
    let error = match (message.has_version(), message.connection_types()) {
        _ if !is_first => Some("400::One handshake in a batch".into()),
        (false, _) => Some(missing("version")),
        (true, None) => Some(missing("supportedConnectionTypes")),
        (true, Some(types)) => {
            let is_shared = types.iter().any(|name| CONNECTION_TYPES.contains(&&**name));
            (!is_shared).then(|| mismatch(&types))
        }
    };
    let reply = Reply::to_handshake(message);
    match error {
        Some(error) => (None, reply.fail(error).with_advice().text()),
        None => {
            let id = new_client_id(new_id);
            let reply = reply.with_client(&id).with_advice().text();
            (Some(id), reply)
        }
    }
}

/// Checks a connect but for the client; the error is the reply.
pub fn check_connect(message: &Message<'_>, is_known: bool) -> Result<(), String> {
    let error = match message.connection_type() {
        None => Some(missing("connectionType")),
        Some(name) if !CONNECTION_TYPES.contains(&&*name) => Some(mismatch(&[name])),
        Some(_) if message.client_id().is_none() => Some(missing("clientId")),
        Some(_) if !is_known => Some(unknown_client(message)),
        Some(_) => None,
    };
    match error {
        None => Ok(()),
        Some(error) => Err(message.reply().without_client().fail(error).with_advice().text()),
    }
}

/// The reply to a connect that is in order.
pub fn connected(message: &Message<'_>) -> String {
    message.reply().with_advice().text()
}

/// The reply to a message of a client that is not known.
pub fn unknown(message: &Message<'_>) -> String {
    let error = match message.client_id() {
        None => missing("clientId"),
        Some(_) => unknown_client(message),
    };
    let reply = message.reply().fail(error);
    match message.channel() {
        "/meta/subscribe" | "/meta/unsubscribe" => reply.with_subscription(message).text(),
        "/meta/disconnect" => reply.without_client().text(),
        _ => reply.text(),
    }
}

/// A name to check before it is used as the function of a JSONP answer.
pub fn is_callback(name: &str) -> bool {
    name.split('.').all(|part| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
    })
}
