//! The chat channel: entering, ready, messages, and the end, by either side.

use log::{debug, trace};
use uuid::Uuid;

use crate::Millis;
use crate::chat::chat_lifetime::ChatLifetime;
use crate::chat::chat_log::ChatKey;
use crate::chat::command::CommandError;
use crate::chat::event::{Deliver, Event};
use crate::chat::id::{ClientId, Role, UserId};

/// Opens a chat to one of its two users.
pub fn open(
    models: &ChatLifetime,
    client: ClientId,
    chat: Uuid,
    role: Role,
    user: &UserId,
) -> Result<(), CommandError> {
    let key = find(models, client, chat, role)?;
    let (member, _) = models.participant(models.chats.get(key), role);
    if member == user { Ok(()) } else { Err(CommandError::NotYourChat) }
}

/// Lets a client hear what comes for one side of a chat, or for either, if it holds that user.
pub fn listen(
    models: &ChatLifetime,
    client: ClientId,
    chat: Uuid,
    role: Option<Role>,
) -> Result<(), CommandError> {
    match role {
        Some(role) => find(models, client, chat, role).map(|_| ()),
        None => find(models, client, chat, Role::Teacher)
            .or_else(|_| find(models, client, chat, Role::Student))
            .map(|_| ()),
    }
}

/// Marks one side as having entered, and tells both once the second has.
pub fn enter(
    models: &mut ChatLifetime,
    client: ClientId,
    chat: Uuid,
    role: Role,
    out: &mut dyn Deliver,
) -> Result<(), CommandError> {
    let key = find(models, client, chat, role)?;
    if models.chats.get_mut(key).enter(role) {
        let chat = models.chats.get(key);
        for to in [Role::Teacher, Role::Student] {
            out.deliver(models.participant(chat, to).1, &Event::ChatReady { to, chat: chat.id });
        }
    }
    Ok(())
}

/// Relays a message to the other side, or keeps it until that side has joined.
pub fn send(
    models: &mut ChatLifetime,
    client: ClientId,
    chat: Uuid,
    from: Role,
    payload: &str,
    now: Millis,
    out: &mut dyn Deliver,
) -> Result<(), CommandError> {
    let key = find(models, client, chat, from)?;
    let to = from.other();
    let (_, recipient) = models.participant(models.chats.get(key), to);
    if out.deliver(recipient, &Event::Message { to, chat, payload }) {
        models.chats.append(key, from, now, payload);
    } else if !models.chats.keep(key, from, now, payload) {
        return Err(CommandError::HistoryFull);
    }
    trace!("chat {chat}: message of {} bytes from the {}", payload.len(), from.name());
    Ok(())
}

/// Delivers to a side that has joined what was kept for it.
pub fn deliver_kept(
    models: &mut ChatLifetime,
    client: ClientId,
    chat: Uuid,
    role: Role,
    out: &mut dyn Deliver,
) -> Result<(), CommandError> {
    let key = find(models, client, chat, role)?;
    for payload in models.chats.get_mut(key).take_undelivered(role) {
        out.deliver(client, &Event::Message { to: role, chat, payload: &payload });
    }
    Ok(())
}

/// Ends a chat at the wish of one side.
pub fn terminate(
    models: &mut ChatLifetime,
    client: ClientId,
    chat: Uuid,
    by: Role,
    out: &mut dyn Deliver,
) -> Result<(), CommandError> {
    let key = find(models, client, chat, by)?;
    finish(models, key, out);
    Ok(())
}

/// One side stops listening. A chat that still goes on ends by that; one that is over is left in peace.
pub fn leave(models: &mut ChatLifetime, client: ClientId, chat: Uuid, role: Role, out: &mut dyn Deliver) {
    if let Ok(key) = find(models, client, chat, role) {
        finish(models, key, out);
    }
}

/// Ends a chat and tells both sides.
pub fn finish(models: &mut ChatLifetime, key: ChatKey, out: &mut dyn Deliver) {
    let chat = models.finish(key);
    debug!("chat {} is finished after {} messages", chat.id, chat.message_count);
    for to in [Role::Teacher, Role::Student] {
        out.deliver(models.participant(&chat, to).1, &Event::ChatTerminated { to, chat: chat.id });
    }
}

/// The chat in progress with this id, if the client holds the user who has this role in it.
fn find(models: &ChatLifetime, client: ClientId, chat: Uuid, role: Role) -> Result<ChatKey, CommandError> {
    let key = models.chats.find(chat).ok_or(CommandError::UnknownChat)?;
    let (_, owner) = models.participant(models.chats.get(key), role);
    if owner == client { Ok(key) } else { Err(CommandError::NotYourChat) }
}
