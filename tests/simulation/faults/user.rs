//! A user: comes, waits or claims, chats, goes, and comes again.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use mio_chat_server::Millis;
use mio_chat_server::chat::id::Role;
use uuid::Uuid;

use super::frames;
use super::house::LinkId;
use super::ledger::Ledger;
use super::speech::{Heard, Kind, Speech};
use super::talk::Talk;

/// How long a user waits for what has to come, while the server is awake. Whoever is frozen or cut off
/// for longer than its protocol allows is gone by then.
const PATIENCE: Millis = 600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Away,
    Connecting,
    OnLine,
    /// Has said good-bye.
    Leaving,
    /// Has said what has to be answered by a close, at this time.
    Doomed(Millis),
}

/// What surrounds a user when it hears or acts.
pub struct Scene<'a> {
    pub now: Millis,
    /// How long the server has been awake.
    pub awake: Millis,
    pub random: &'a mut Rng,
    pub ledger: &'a mut Ledger,
    /// Faults have come over the user's connection or from it: errors are its due.
    pub is_faulty: bool,
    pub is_over: bool,
}

#[derive(Debug)]
pub struct User {
    pub speech: Speech,
    pub stage: Stage,
    pub link: LinkId,
    talks: BTreeMap<Uuid, Talk>,
    inbound: Vec<u8>,
    pub outbound: Vec<u8>,
    pings: VecDeque<Vec<u8>>,
    pub heartbeat_at: Millis,
    pub since: Millis,
    refused_at: Option<Millis>,
    /// How many wait, by the last status.
    waiting: u64,
    is_ready: bool,
}

impl User {
    pub fn new(kind: Kind, role: Role, id: String) -> User {
        User {
            speech: Speech::new(kind, role, id),
            stage: Stage::Away,
            link: usize::MAX,
            talks: BTreeMap::new(),
            inbound: Vec::new(),
            outbound: Vec::new(),
            pings: VecDeque::new(),
            heartbeat_at: 0,
            since: 0,
            refused_at: None,
            waiting: 0,
            is_ready: false,
        }
    }

    /// Connects anew, with nothing left of the last time.
    pub fn connect(&mut self, link: LinkId, id: String, scene: &Scene<'_>) {
        *self = User::new(self.speech.kind, self.speech.role, id);
        (self.link, self.stage, self.since) = (link, Stage::Connecting, scene.awake);
        self.heartbeat_at = scene.now + self.speech.kind.heartbeat_interval().unwrap_or(Millis::MAX / 2);
    }

    /// Whether the user has chats that go on.
    pub fn is_chatting(&self) -> bool {
        !self.talks.is_empty()
    }

    /// Says something.
    pub fn say(&mut self, text: &str, scene: &mut Scene<'_>) {
        frames::write_text(&mut self.outbound, text, &mut self.pings, scene.random);
    }

    /// The connection is open as far as the client is concerned.
    pub fn opened(&mut self, scene: &mut Scene<'_>) {
        let text = self.speech.connect();
        self.say(&text, scene);
    }

    /// Bytes have come. Whether the server closes by them.
    pub fn receive(&mut self, bytes: &[u8], scene: &mut Scene<'_>) -> bool {
        self.inbound.extend(bytes);
        while let Some((opcode, payload)) = frames::read(&mut self.inbound) {
            match opcode {
                frames::CLOSE => return true,
                frames::TEXT => {
                    let text = String::from_utf8(payload).expect("text is UTF-8");
                    self.hear(&text, scene);
                }
                frames::PONG => self.pong(&payload, scene),
                opcode => panic!("the server sends no {opcode:?}"),
            }
        }
        false
    }

    fn pong(&mut self, payload: &[u8], scene: &Scene<'_>) {
        let ping = self.pings.pop_front();
        assert!(scene.is_faulty || ping.as_deref() == Some(payload), "a pong for no ping");
    }

    fn hear(&mut self, text: &str, scene: &mut Scene<'_>) {
        // Of who talks nonsense or has gone nobody knows what it would have to hear.
        if scene.is_faulty || self.stage == Stage::Leaving {
            return;
        }
        match self.speech.hear(text) {
            Heard::Nothing => {}
            Heard::Opened if self.stage == Stage::Connecting => self.opened(scene),
            Heard::Opened => {}
            Heard::Answer(text) => self.say(&text, scene),
            Heard::Status { waiting } => self.waiting = waiting,
            Heard::Connected => self.connected(scene),
            Heard::Refused { chat, reason } => self.refused(chat, &reason, scene),
            Heard::NewChat(chat) => self.new_chat(chat, scene),
            Heard::Joined(chat) => {
                let text = self.speech.joined(chat);
                self.say(&text, scene);
            }
            Heard::Ready(chat) => {
                scene.ledger.hear(chat, self.speech.role, self.link);
                self.talk(chat, scene).may_send = true;
            }
            Heard::Message(chat, payload) => self.message(chat, &payload, scene),
            Heard::Terminated(chat) => {
                self.ended(chat, scene);
                if let Some(text) = self.speech.leave_chat(chat) {
                    self.say(&text, scene);
                }
            }
        }
    }

    fn ended(&mut self, chat: Uuid, scene: &mut Scene<'_>) {
        let talk = self.talks.remove(&chat).unwrap_or_else(|| panic!("{chat} ends twice"));
        scene.ledger.hear_end(chat, self.speech.role, self.link, talk.is_complete());
        self.is_ready = false;
    }

    fn connected(&mut self, scene: &mut Scene<'_>) {
        if self.stage != Stage::Connecting {
            return;
        }
        self.stage = Stage::OnLine;
        self.since = scene.awake;
        self.is_ready = !self.speech.is_phoenix();
    }

    fn refused(&mut self, chat: Option<Uuid>, reason: &str, scene: &mut Scene<'_>) {
        match (self.stage, reason) {
            // A connection that was lost still has it.
            (Stage::Connecting, "id is in use") => self.refused_at = Some(scene.awake),
            // The chat has ended meanwhile.
            (_, "unknown chat" | "unmatched topic") => {
                let record = chat.and_then(|chat| scene.ledger.get(chat));
                assert!(!record.is_some_and(|record| record.is_healthy), "{reason} in {chat:?}");
                // Over Phoenix who has not joined it yet is told so by this alone.
                if let Some(chat) = chat.filter(|chat| self.talks.contains_key(chat)) {
                    self.ended(chat, scene);
                }
            }
            _ => panic!("{} ({:?}) is refused: {reason}", self.speech.id, self.stage),
        }
    }

    fn new_chat(&mut self, chat: Uuid, scene: &mut Scene<'_>) {
        scene.ledger.hear(chat, self.speech.role, self.link);
        let talk = Talk::new(chat, self.speech.role, scene.awake, scene.random);
        assert!(self.talks.insert(chat, talk).is_none(), "{chat} begins twice");
        let text = self.speech.enter(chat);
        self.say(&text, scene);
    }

    fn message(&mut self, chat: Uuid, payload: &str, scene: &mut Scene<'_>) {
        scene.ledger.receive(chat, self.speech.role, self.link, payload);
        self.talk(chat, scene).heard(payload);
    }

    fn talk(&mut self, chat: Uuid, scene: &Scene<'_>) -> &mut Talk {
        let talk = self.talks.get_mut(&chat).expect("a chat that goes on");
        talk.touched = scene.awake;
        talk
    }

    /// Does what it would do by now. Whether it wants to go.
    pub fn act(&mut self, scene: &mut Scene<'_>) -> bool {
        if self.heartbeat_at <= scene.now {
            self.heartbeat_at = scene.now + self.speech.kind.heartbeat_interval().unwrap_or(0);
            let text = self.speech.heartbeat();
            self.say(&text, scene);
        }
        match self.stage {
            Stage::Away => {}
            Stage::Connecting => {
                // Refused so far: the server finds out about a lost connection in time.
                let is_stuck = scene.awake - self.since > PATIENCE && !scene.is_faulty;
                assert!(!is_stuck, "{} ({:?}) does not come on line", self.speech.id, self.speech.kind);
            }
            Stage::Doomed(since) => assert!(scene.awake - since < PATIENCE, "nonsense is not answered"),
            Stage::Leaving => return scene.awake - self.since > PATIENCE,
            Stage::OnLine => return self.act_on_line(scene),
        }
        false
    }

    /// Tries to come on line again.
    pub fn retry(&mut self, scene: &mut Scene<'_>) {
        if self.refused_at.take_if(|at| scene.awake > *at + 5_000).is_some() {
            self.opened(scene);
        }
    }

    fn act_on_line(&mut self, scene: &mut Scene<'_>) -> bool {
        for chat in self.talks.keys().copied().collect::<Vec<_>>() {
            self.go_on(chat, scene);
        }
        if self.speech.role == Role::Teacher {
            self.claim(scene);
            let is_tired = scene.awake - self.since > 1_200_000;
            return (scene.is_over || is_tired) && self.talks.is_empty();
        }
        if !self.talks.is_empty() || scene.random.u32(0..4) > 0 {
            return false;
        }
        if !self.is_ready && !scene.is_over && scene.random.u32(0..3) > 0 {
            self.is_ready = true;
            let text = self.speech.ready();
            self.say(&text, scene);
            return false;
        }
        // Done, or tired of waiting.
        !self.is_ready || scene.is_over || scene.random.u32(0..100) == 0
    }

    fn claim(&mut self, scene: &mut Scene<'_>) {
        let may_claim = !scene.is_over && scene.awake - self.since < 1_100_000 && self.talks.len() < 5;
        if may_claim && (self.waiting > 0 || scene.random.u32(0..10) == 0) {
            let text = self.speech.claim();
            self.say(&text, scene);
        }
    }

    /// Goes on with a chat: says the next thing, or ends it when all is said.
    fn go_on(&mut self, chat: Uuid, scene: &mut Scene<'_>) {
        let talk = self.talks.get_mut(&chat).unwrap();
        let is_given_up = scene.awake - talk.touched > PATIENCE;
        if is_given_up {
            let record = scene.ledger.get(chat).expect("a chat that goes on");
            assert!(!record.is_over || scene.is_faulty, "{chat}: the end is not told");
            assert!(!record.is_healthy, "{chat} does not go on: {talk:?}");
        }
        if (talk.ends && talk.is_complete() || is_given_up) && !talk.has_ended {
            talk.has_ended = true;
            let text = self.speech.terminate(chat);
            self.say(&text, scene);
        } else if talk.may_send && talk.has_more() && scene.random.u32(0..3) == 0 {
            let payload = talk.next_message(chat, scene.random);
            talk.touched = scene.awake;
            let text = self.speech.message(chat, &payload);
            self.say(&text, scene);
            scene.ledger.send(chat, self.speech.role, payload);
        }
    }
}
