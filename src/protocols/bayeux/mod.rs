//! Bayeux 1.0 as Faye speaks it: node-chat-server's first protocol, for faye and CometD clients.
//!
//! A client is its clientId and outlives its sockets. What is said to it are arrays: a delivery is an
//! array of one message, the answer to a request an array of replies.

pub(crate) mod batch;
mod channel;
mod encode;
mod handshake;
mod message;
mod subscriptions;
mod transport;

use tungstenite::protocol::frame::coding::CloseCode;

use super::{Decoded, Outgoing, Request, Wake};
use crate::Millis;
use crate::chat::command::CommandError;
use crate::chat::event::Event;
use crate::memory::Share;

pub use channel::Channel;
pub use encode::encode;
pub use handshake::{check_connect, connected, handshake, is_callback, unknown};
pub use message::{BatchError, Message, array};
use message::{forbidden, invalid, missing, refused};
use subscriptions::Subscriptions;

/// How long a connect is held, unless the client wants less: Faye's timeout.
pub const CONNECT_TIMEOUT: Millis = 45_000;
/// How long a client lives after its last handshake or connect.
pub const LIFETIME: Millis = 90_000;

/// The transports on offer.
pub const CONNECTION_TYPES: [&str; 4] =
    ["long-polling", "cross-origin-long-polling", "callback-polling", "websocket"];

/// One client.
#[derive(Debug)]
pub struct Bayeux {
    id: Box<str>,
    subscriptions: Subscriptions,
    held: Option<Box<Held>>,
}

/// A connect that is not answered yet, with the replies that go out along with it.
#[derive(Debug)]
struct Held {
    replies: Vec<String>,
    /// Which of the replies is that to the connect.
    connect: usize,
    deadline: Millis,
    /// What the replies count for among all that waits.
    share: Share,
}

/// What is needed to answer a message.
#[derive(Debug)]
pub struct ReplyContext<'a> {
    message: Box<Message<'a>>,
    /// What is subscribed to once it is granted.
    channels: Vec<Channel>,
}

impl Bayeux {
    /// A client with this id, whose subscriptions count towards `share`.
    pub fn new(id: Box<str>, share: Share) -> Bayeux {
        Bayeux { id, subscriptions: Subscriptions::new(share), held: None }
    }

    /// The clientId.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads one message of a known client, other than handshake and connect.
    pub fn receive<'a>(&mut self, message: Message<'a>, out: &mut Outgoing) -> Decoded<'a> {
        match message.channel() {
            "/meta/subscribe" => self.subscribe(message, out),
            "/meta/unsubscribe" => self.unsubscribe(&message, out),
            "/meta/disconnect" => {
                out(&[&message.reply().text()]);
                Decoded::Close(CloseCode::Normal, "")
            }
            channel if channel.starts_with("/meta/") => {
                out(&[&message.reply().fail(forbidden(channel)).text()]);
                Decoded::Refused(CommandError::UnmatchedTopic)
            }
            _ => self.publish(message, out),
        }
    }

    /// See [`super::Protocol::answer`].
    pub fn answer(
        &mut self,
        context: ReplyContext<'_>,
        result: Result<(), CommandError>,
        out: &mut Outgoing,
    ) {
        let message = context.message;
        if result.is_ok() {
            if message.is_publication() {
                return message.acknowledge(out);
            }
            self.subscriptions.add(context.channels);
        }
        let reply = match result {
            Ok(()) => message.reply(),
            Err(refusal) => message.reply().fail(refused(&message, refusal)),
        };
        out(&[&reply.with_subscription(&message).text()]);
    }

    /// Holds a connect, whose reply is the one of these at `connect`, until something is to be delivered, or
    /// this time. The replies count towards `share`.
    pub fn hold(&mut self, replies: Vec<String>, connect: usize, deadline: Millis, mut share: Share) {
        share.set(replies.iter().map(|reply| reply.capacity() + size_of::<String>()).sum());
        self.held = Some(Box::new(Held { replies, connect, deadline, share }));
    }

    /// Bytes of the replies that are held, `None` if no connect is.
    pub fn held_bytes(&self) -> Option<usize> {
        self.held.as_ref().map(|held| held.share.bytes())
    }

    /// Milliseconds since the connect that is held was due to be answered.
    pub fn lateness(&self, now: Millis) -> Millis {
        self.held.as_ref().map_or(0, |held| now.saturating_sub(held.deadline))
    }

    /// Bytes of memory that the subscriptions take.
    pub fn subscription_memory(&self) -> usize {
        self.subscriptions.memory()
    }

    /// Gives up a connect that is held for a newer one: what goes out of its batch is the other replies.
    pub fn supersede(&mut self) -> Option<String> {
        let Held { mut replies, connect, .. } = *self.held.take()?;
        replies.remove(connect);
        Some(array(&replies))
    }

    /// Gives up a connect that is held: who waited for its answer is gone, or asked again.
    pub fn release_held_connect(&mut self) {
        self.held = None;
    }

    /// See [`super::Protocol::payload`]: the replies that were held, then the messages.
    pub fn payload<'a>(&mut self, messages: impl Iterator<Item = &'a str>) -> String {
        let mut parts = self.held.take().map_or_else(Vec::new, |held| held.replies);
        // A delivery is an array of one.
        parts.extend(messages.map(|message| message[1..message.len() - 1].to_owned()));
        array(&parts)
    }

    /// See [`super::Protocol::wake`]. Only handshakes and connects count as being heard of.
    pub fn wake(&mut self, heard: Millis, now: Millis) -> Wake {
        let expiry = heard + LIFETIME;
        match self.held.as_ref().map(|held| held.deadline) {
            // First the answer, however late it is: the client cannot connect again before.
            Some(deadline) if deadline <= now && deadline < expiry => Wake::Answer,
            _ if expiry <= now => Wake::Close(CloseCode::Normal, "session expired"),
            Some(deadline) => Wake::At(deadline.min(expiry)),
            None => Wake::At(expiry),
        }
    }

    /// See [`super::Protocol::wants`].
    pub fn wants(&self, event: &Event<'_>) -> bool {
        Channel::of(event).is_some_and(|channel| self.subscriptions.contains(&channel))
    }

    /// An event has gone to this client. Nothing more comes in a chat that is over, and a client that never
    /// unsubscribes must not gather the channels of all its chats.
    pub fn on_delivered(&mut self, event: &Event<'_>) {
        if let Event::ChatTerminated { to, chat } = *event {
            let channels = [Channel::Receive(chat, to), Channel::Terminated(chat, to), Channel::Ready(chat)];
            self.subscriptions.remove(&channels);
        }
    }

    fn subscribe<'a>(&mut self, message: Message<'a>, out: &mut Outgoing) -> Decoded<'a> {
        let channels = match subscribable(&message) {
            Ok(channels) if !self.subscriptions.has_room_for(channels.len()) => {
                Err((CommandError::TooManyTopics, refused(&message, CommandError::TooManyTopics)))
            }
            other => other,
        };
        let channels = match channels {
            Ok(channels) => channels,
            Err((refusal, error)) => {
                out(&[&message.reply().fail(error).with_subscription(&message).text()]);
                return Decoded::Refused(refusal);
            }
        };
        let mut commands: Vec<_> = channels.iter().filter_map(Channel::listen).collect();
        let context = ReplyContext { message: Box::new(message), channels };
        let Some(command) = commands.pop() else {
            self.answer(context, Ok(()), out);
            return Decoded::Done;
        };
        Decoded::Request(Request { first: commands, command, context: super::ReplyContext::Bayeux(context) })
    }

    fn unsubscribe(&mut self, message: &Message<'_>, out: &mut Outgoing) -> Decoded<'static> {
        let (reply, decoded) = match subscribable(message) {
            Ok(channels) => {
                self.subscriptions.remove(&channels);
                (message.reply(), Decoded::Done)
            }
            Err((refusal, error)) => (message.reply().fail(error), Decoded::Refused(refusal)),
        };
        out(&[&reply.with_subscription(message).text()]);
        decoded
    }

    fn publish<'a>(&mut self, message: Message<'a>, out: &mut Outgoing) -> Decoded<'a> {
        let commands = match (channel::is_name(message.channel()), message.data()) {
            (false, _) => Err((CommandError::UnmatchedTopic, invalid(message.channel()))),
            (true, None) => Err((CommandError::InvalidPayload, missing("data"))),
            (true, Some(data)) => channel::publish(message.channel(), data)
                .map_err(|refusal| (refusal, refused(&message, refusal))),
        };
        match commands {
            Ok((first, command)) => {
                let context = ReplyContext { message: Box::new(message), channels: Vec::new() };
                Decoded::Request(Request { first, command, context: super::ReplyContext::Bayeux(context) })
            }
            Err((refusal, error)) => {
                out(&[&message.reply().fail(error).text()]);
                Decoded::Refused(refusal)
            }
        }
    }
}

/// The channels that a message names, each of which has to be one that a client may hear. The error is why
/// they are not, and how Faye says it.
fn subscribable(message: &Message<'_>) -> Result<Vec<Channel>, (CommandError, String)> {
    let names =
        message.subscription().ok_or_else(|| (CommandError::InvalidPayload, missing("subscription")))?;
    names
        .iter()
        .map(|name| match Channel::parse(name) {
            Some(channel) => Ok(channel),
            None if channel::is_name(name) || channel::is_pattern(name) => {
                Err((CommandError::UnmatchedTopic, forbidden(name)))
            }
            None => Err((CommandError::UnmatchedTopic, invalid(name))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::memory::Memory;

    fn client() -> Bayeux {
        Bayeux::new("client".into(), Memory::new(0).session_state_share())
    }

    fn is_expired(wake: &Wake) -> bool {
        matches!(wake, Wake::Close(CloseCode::Normal, _))
    }

    #[test]
    fn a_client_is_gone_90_s_after_it_was_heard_of() {
        let mut bayeux = client();
        assert!(matches!(bayeux.wake(1_000, 1_000), Wake::At(91_000)));
        assert!(matches!(bayeux.wake(1_000, 90_999), Wake::At(91_000)));
        assert!(is_expired(&bayeux.wake(1_000, 91_000)));
        assert!(matches!(bayeux.wake(2_000, 91_000), Wake::At(92_000)));
    }

    #[test]
    fn a_connect_is_held_until_its_time() {
        let mut bayeux = client();
        bayeux.hold(vec!["1".into(), "2".into()], 1, 46_000, Memory::new(0).share());
        assert!(matches!(bayeux.wake(1_000, 1_000), Wake::At(46_000)));
        assert!(matches!(bayeux.wake(1_000, 45_999), Wake::At(46_000)));
        assert!(matches!(bayeux.wake(1_000, 46_000), Wake::Answer));
        assert_eq!(bayeux.payload(std::iter::empty()), "[1,2]");
        assert!(matches!(bayeux.wake(1_000, 46_000), Wake::At(91_000)));
    }

    #[test]
    fn a_held_connect_is_answered_before_its_session_expires_if_the_process_was_stopped() {
        let mut bayeux = client();
        bayeux.hold(vec!["1".into()], 0, 46_000, Memory::new(0).share());
        assert!(matches!(bayeux.wake(1_000, 946_000), Wake::Answer));
    }

    #[test]
    fn a_held_connect_does_not_keep_its_session_for_ever() {
        let mut bayeux = client();
        bayeux.hold(vec!["1".into()], 0, 200_000, Memory::new(0).share());
        assert!(matches!(bayeux.wake(1_000, 1_000), Wake::At(91_000)));
        assert!(is_expired(&bayeux.wake(1_000, 91_000)));
    }

    #[test]
    fn a_connect_is_held_no_longer_than_45_s() {
        let timeout = |text: &str| Message::parse_batch(text).expect("a message")[0].timeout();
        assert_eq!(timeout("{}"), 45_000);
        for (wish, given) in [("0", 0), ("-1", 0), ("1500", 1500), ("1e300", 45_000), ("\"1\"", 45_000)] {
            assert_eq!(timeout(&format!(r#"{{"advice":{{"timeout":{wish}}}}}"#)), given, "{wish}");
        }
    }

    #[test]
    fn a_chat_that_is_over_leaves_no_subscription() {
        let mut bayeux = client();
        let (chat, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let role = crate::chat::id::Role::Teacher;
        bayeux.subscriptions.add(vec![
            Channel::Receive(chat, role),
            Channel::Terminated(chat, role),
            Channel::Ready(chat),
            Channel::Receive(other, role),
            Channel::Status,
        ]);
        bayeux.on_delivered(&Event::ChatReady { to: role, chat });
        assert!(bayeux.subscriptions.contains(&Channel::Ready(chat)));
        bayeux.on_delivered(&Event::ChatTerminated { to: role, chat });
        let left = [Channel::Receive(other, role), Channel::Status];
        assert!(bayeux.subscriptions.iter().all(|channel| left.contains(channel)));
        assert_eq!(bayeux.subscriptions.iter().count(), left.len());
    }
}
