//! A user: comes on line, waits or claims, chats, leaves, and comes again.

use std::collections::{BTreeMap, BTreeSet};

use mio_chat_server::Millis;
use mio_chat_server::chat::id::Role;
use uuid::Uuid;

use super::conversation::Conversation;
use super::ledger::Ledger;
use super::network::{LinkId, Network, Piece};
use super::transport::{Closed, Transport};
use super::wire::{BayeuxTransport, Kind, Received, Wire};
use super::world::SessionId;

/// How long a user waits for what has to come, in the server's waking time: longer than a fault of its partner and one
/// of its own together.
const PATIENCE: Millis = 900_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Away,
    Connecting,
    OnLine,
    /// Has begun to close, or has nothing more to send.
    Leaving,
    /// Has sent over this connection what has to be answered by its end, at this time.
    Doomed(LinkId, Millis),
}

/// What surrounds a user when it receives or acts.
pub struct Scene<'a> {
    pub network: &'a mut Network,
    pub ledger: &'a mut Ledger,
    /// The user has sent what no client sends: errors are its due.
    pub is_faulty: bool,
    pub is_over: bool,
}

#[derive(Debug)]
pub struct User {
    pub wire: Wire,
    pub stage: Stage,
    pub session: SessionId,
    pub transport: Option<Transport>,
    conversations: BTreeMap<Uuid, Conversation>,
    /// Chats that were refused before their end was told, or the other way round.
    over: BTreeSet<Uuid>,
    pub heartbeat_at: Millis,
    pub since: Millis,
    refused_at: Option<Millis>,
    /// How many wait, by the last status, when that was true, and how many statuses there were.
    waiting: u64,
    waiting_moment: usize,
    status_count: u64,
    is_ready: bool,
}

impl User {
    pub fn new(kind: Kind, role: Role, id: String) -> User {
        User {
            wire: Wire::new(kind, role, id),
            stage: Stage::Away,
            session: SessionId::MAX,
            transport: None,
            conversations: BTreeMap::new(),
            over: BTreeSet::new(),
            heartbeat_at: 0,
            since: 0,
            refused_at: None,
            waiting: 0,
            waiting_moment: 0,
            status_count: 0,
            is_ready: false,
        }
    }

    /// Connects anew, with nothing left of the last time.
    pub fn connect(&mut self, session: SessionId, id: String, scene: &mut Scene<'_>) {
        *self = User::new(self.wire.kind, self.wire.role, id);
        (self.session, self.stage, self.since) = (session, Stage::Connecting, scene.network.awake());
        self.waiting_moment = scene.ledger.moment();
        let interval = self.wire.kind.heartbeat_interval();
        self.heartbeat_at = scene.network.now + interval.unwrap_or(Millis::MAX / 2);
        self.transport = Some(Transport::connect(self.wire.kind, session, scene.network));
        let texts = self.wire.begin();
        self.send(texts, scene);
    }

    /// Whether the user has chats in progress.
    pub fn is_chatting(&self) -> bool {
        !self.conversations.is_empty()
    }

    /// Sends texts.
    pub fn send(&mut self, texts: Vec<String>, scene: &mut Scene<'_>) {
        if let Some(transport) = &mut self.transport {
            log::trace!("{} from {} ({:?}): {texts:?}", scene.network.now, self.wire.id, self.wire.kind);
            transport.send(texts, scene.network);
        }
    }

    /// Something has come over one of its connections.
    pub fn receive(&mut self, link: LinkId, piece: Piece, scene: &mut Scene<'_>) -> Result<(), Closed> {
        let Some(transport) = &mut self.transport else {
            return Ok(());
        };
        if scene.is_faulty {
            // Anything may come back to it: only the end is of interest.
            let is_awaited = !matches!(self.stage, Stage::Doomed(of, _) if of != link);
            let is_end = matches!(piece, Piece::End | Piece::Reset);
            return if is_end && is_awaited { Err(Closed("closed".into())) } else { Ok(()) };
        }
        for text in transport.receive(link, piece, scene.network)? {
            log::trace!("{} to {} ({:?}): {text}", scene.network.now, self.wire.id, self.wire.kind);
            if self.stage != Stage::Leaving {
                let received = self.wire.receive(&text);
                if let Received::Closed = received {
                    return Err(Closed(text));
                }
                self.handle(received, scene);
            }
        }
        Ok(())
    }

    fn handle(&mut self, received: Received, scene: &mut Scene<'_>) {
        match received {
            Received::Nothing | Received::Closed => {}
            Received::Opened if self.stage == Stage::Connecting => self.opened(scene),
            Received::Opened => {}
            Received::Subscribed if self.stage == Stage::Connecting => {
                let text = self.wire.connect();
                self.send(vec![text], scene);
            }
            Received::Subscribed => {}
            Received::Answer(text) => self.send(vec![text], scene),
            Received::Status { waiting } => {
                self.waiting = waiting;
                self.waiting_moment = scene.ledger.told_waiting(self.waiting_moment, waiting);
                self.status_count += 1;
            }
            Received::Connected => self.connected(scene),
            Received::Refused { chat, reason } => self.refused(chat, &reason, scene),
            Received::NewChat(chat) => self.new_chat(chat, scene),
            Received::Joined(chat) => {
                let text = self.wire.joined(chat);
                self.send(vec![text], scene);
            }
            Received::Ready(chat) => {
                if let Some(conversation) = self.conversation(chat, scene) {
                    conversation.may_send = true;
                    scene.ledger.notified(chat, self.wire.role, self.session);
                }
            }
            Received::Message(chat, payload) => self.message(chat, &payload, scene),
            Received::Terminated(chat) => {
                self.ended(chat, scene);
                let text = self.wire.leave_chat(chat);
                self.send(text.into_iter().collect(), scene);
            }
        }
    }

    fn opened(&mut self, scene: &mut Scene<'_>) {
        let texts = self.wire.opened();
        self.send(texts, scene);
    }

    fn connected(&mut self, scene: &mut Scene<'_>) {
        if self.stage != Stage::Connecting {
            return;
        }
        self.stage = Stage::OnLine;
        self.since = scene.network.awake();
        self.is_ready = !self.wire.kind.is_phoenix();
    }

    /// A chat is over: once for its end, or for the refusal that says so before.
    fn ended(&mut self, chat: Uuid, scene: &mut Scene<'_>) {
        let Some(conversation) = self.conversations.remove(&chat) else {
            assert!(self.wire.kind.is_bayeux() && self.over.contains(&chat), "{chat} ends twice");
            return;
        };
        self.over.insert(chat);
        let is_complete = conversation.is_complete();
        scene.ledger.end_notified(chat, self.wire.role, self.session, is_complete);
        self.is_ready = false;
    }

    fn refused(&mut self, chat: Option<Uuid>, reason: &str, scene: &mut Scene<'_>) {
        match (self.stage, reason) {
            // A connection that was lost still has it.
            (Stage::Connecting, "id is in use") => self.refused_at = Some(scene.network.awake()),
            // The chat has ended meanwhile.
            (_, "unknown chat" | "unmatched topic") => {
                let record = chat.and_then(|chat| scene.ledger.get(chat));
                assert!(!record.is_some_and(|record| record.is_healthy), "{reason} in {chat:?}");
                // A side that has not joined or subscribed learns of the end by this alone.
                if let Some(chat) = chat.filter(|chat| self.conversations.contains_key(chat)) {
                    self.ended(chat, scene);
                }
            }
            _ => panic!("{} ({:?}) is refused: {reason}", self.wire.id, self.stage),
        }
    }

    fn new_chat(&mut self, chat: Uuid, scene: &mut Scene<'_>) {
        scene.ledger.notified(chat, self.wire.role, self.session);
        let conversation =
            Conversation::new(chat, self.wire.role, scene.network.awake(), &mut scene.network.random);
        assert!(self.conversations.insert(chat, conversation).is_none(), "{chat} begins twice");
        let texts = self.wire.enter(chat);
        self.send(texts, scene);
    }

    fn message(&mut self, chat: Uuid, payload: &str, scene: &mut Scene<'_>) {
        if let Some(conversation) = self.conversation(chat, scene) {
            conversation.received(payload);
            scene.ledger.receive(chat, self.wire.role, self.session, payload);
        }
    }

    /// A chat in progress; `None` only if its end was told by a refusal that overtook what was said before.
    fn conversation(&mut self, chat: Uuid, scene: &Scene<'_>) -> Option<&mut Conversation> {
        let may_be_over = self.wire.kind.is_bayeux() && self.over.contains(&chat);
        let conversation = self.conversations.get_mut(&chat);
        assert!(may_be_over || conversation.is_some(), "{chat} is not in progress");
        let conversation = conversation?;
        conversation.touched = scene.network.awake();
        Some(conversation)
    }

    /// Does what is due by now. Whether it wants to leave.
    pub fn act(&mut self, scene: &mut Scene<'_>) -> bool {
        if self.heartbeat_at <= scene.network.now {
            self.heartbeat_at = scene.network.now + self.wire.kind.heartbeat_interval().unwrap_or(0);
            let text = self.wire.heartbeat();
            self.send(vec![text], scene);
        }
        if let Some(transport) = &mut self.transport {
            transport.act(scene.network);
        }
        match self.stage {
            Stage::Away => {}
            Stage::Connecting => {
                // Refused so far: the server finds out about a lost connection in time.
                let is_stuck = scene.network.awake() - self.since > PATIENCE && !scene.is_faulty;
                assert!(!is_stuck, "{} ({:?}) does not come on line", self.wire.id, self.wire.kind);
            }
            Stage::Doomed(_, since) => {
                assert!(scene.network.awake() - since < PATIENCE, "nonsense is not answered")
            }
            Stage::Leaving => {
                // A client that polls closes by itself; a WebSocket waits for the server to close.
                let patience =
                    if matches!(self.transport, Some(Transport::Polling(_))) { 2_000 } else { PATIENCE };
                return scene.network.awake().saturating_sub(self.since) > patience;
            }
            Stage::OnLine => return self.act_on_line(scene),
        }
        false
    }

    /// Tries to come on line again.
    pub fn retry(&mut self, scene: &mut Scene<'_>) {
        if self.refused_at.take_if(|at| scene.network.awake() > *at + 5_000).is_some() {
            self.opened(scene);
        }
    }

    fn act_on_line(&mut self, scene: &mut Scene<'_>) -> bool {
        for chat in self.conversations.keys().copied().collect::<Vec<_>>() {
            self.go_on(chat, scene);
        }
        if self.wire.role == Role::Teacher {
            self.claim(scene);
            let is_tired = scene.network.awake() - self.since > 1_200_000;
            // Longer than a stall takes.
            let is_told = self.status_count > 0 || scene.network.awake() - self.since < 310_000;
            assert!(is_told, "{} ({:?}) is told no status", self.wire.id, self.wire.kind);
            return (scene.is_over || is_tired) && self.conversations.is_empty();
        }
        if !self.conversations.is_empty() || scene.network.random.u32(0..4) > 0 {
            return false;
        }
        if !self.is_ready && !scene.is_over && scene.network.random.u32(0..3) > 0 {
            self.is_ready = true;
            let text = self.wire.ready();
            self.send(vec![text], scene);
            return false;
        }
        // Done, or tired of waiting.
        !self.is_ready || scene.is_over || scene.network.random.u32(0..100) == 0
    }

    fn claim(&mut self, scene: &mut Scene<'_>) {
        let may_claim =
            !scene.is_over && scene.network.awake() - self.since < 1_100_000 && self.conversations.len() < 5;
        if may_claim && (self.waiting > 0 || scene.network.random.u32(0..10) == 0) {
            let text = self.wire.claim();
            self.send(vec![text], scene);
        }
    }

    /// Goes on with a chat: sends the next message, or ends it when both sides have sent all.
    fn go_on(&mut self, chat: Uuid, scene: &mut Scene<'_>) {
        let conversation = self.conversations.get_mut(&chat).unwrap();
        let is_given_up = scene.network.awake() - conversation.touched > PATIENCE;
        if is_given_up {
            let record = scene.ledger.get(chat).expect("a chat in progress");
            assert!(!record.is_over || scene.is_faulty, "{chat}: the end is not told");
            assert!(!record.is_healthy, "{chat} does not go on: {conversation:?}");
        }
        if (conversation.ends && conversation.is_complete() || is_given_up) && !conversation.has_ended {
            conversation.has_ended = true;
            let text = self.wire.terminate(chat);
            self.send(vec![text], scene);
        } else if conversation.may_send && conversation.has_more() && scene.network.random.u32(0..3) == 0 {
            let most_words = if self.wire.kind == Kind::Bayeux(BayeuxTransport::Script) { 400 } else { 4000 };
            let payload = conversation.next_message(chat, most_words, &mut scene.network.random);
            conversation.touched = scene.network.awake();
            let text = self.wire.message(chat, &payload);
            scene.ledger.send(chat, self.wire.role, payload);
            self.send(vec![text], scene);
        }
    }
}
