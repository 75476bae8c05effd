//! A batch of Bayeux messages on its way through: carried out message by message, over several turns if it is long,
//! and answered when all of it is.

use std::ops::Range;

use tungstenite::protocol::frame::coding::CloseCode;

use crate::Millis;
use crate::chat::id::ClientId;
use crate::endpoint::Endpoint;
use crate::endpoint::connection::{Binding, State};
use crate::http::peer::Peer;
use crate::protocols::bayeux::{self, Message};
use crate::protocols::{AnswerForm, Pending};
use crate::websocket;

/// What has become of a batch so far.
#[derive(Debug)]
pub struct Batch {
    /// Who sends it.
    pub peer: Peer,
    /// How it is answered if it came over HTTP; `None` if over a WebSocket.
    pub form: Option<AnswerForm>,
    pub replies: Vec<String>,
    /// It had a handshake, which may open a session. One request must not open many.
    pub has_handshake: bool,
    /// Messages that waited for a client are among the replies, which are not held then.
    pub has_deliveries: bool,
    /// The connect that is to be held. All replies wait with it.
    pub hold: Option<Hold>,
    /// A client has disconnected. Its WebSocket is closed behind the replies, as Faye does.
    pub has_disconnect: bool,
}

/// A connect that is to be held.
#[derive(Debug)]
pub struct Hold {
    pub client: ClientId,
    /// Which of the batch's replies is that to the connect.
    pub reply: usize,
    pub deadline: Millis,
}

/// A batch of which a part waits for a later turn. It holds up the input that came behind it.
#[derive(Debug)]
pub struct PendingBatch {
    batch: Batch,
    text: Box<str>,
    /// Where the messages stand in the text that are not carried out yet.
    rest: std::vec::IntoIter<Range<usize>>,
}

impl PendingBatch {
    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        let replies: usize = self.batch.replies.iter().map(String::capacity).sum();
        let form = self.batch.form.as_ref().map_or(0, AnswerForm::memory);
        self.text.len() + form + replies + self.rest.len() * size_of::<Range<usize>>()
    }
}

impl Batch {
    /// A batch of which nothing is carried out yet.
    pub fn new(peer: Peer, form: Option<AnswerForm>) -> Batch {
        Batch {
            peer,
            form,
            replies: Vec::new(),
            has_handshake: false,
            has_deliveries: false,
            hold: None,
            has_disconnect: false,
        }
    }

    /// The socket that the batch came over, which is in this slot if it is one.
    pub fn socket(&self, slot: u32) -> Option<u32> {
        self.form.is_none().then_some(slot)
    }
}

impl Endpoint {
    /// Carries out a batch, or the part of it for which the connection has work left in this turn.
    pub(super) fn begin_batch(
        &mut self,
        slot: u32,
        mut batch: Batch,
        text: &str,
        messages: Vec<Message<'_>>,
    ) {
        self.note_connects(&messages);
        let now = messages.len().min(self.work as usize);
        let is_whole = now == messages.len();
        for message in messages.into_iter().take(now) {
            self.bayeux_message(slot, message, &mut batch);
        }
        self.work = self.work.saturating_sub(now as u32);
        if is_whole {
            return self.finish_batch(slot, batch);
        }
        let mut rest = Message::ranges(text).into_iter();
        rest.by_ref().take(now).for_each(drop);
        self.connections.get_mut(slot).pending =
            Some(Box::new(Pending::Batch(PendingBatch { batch, text: text.into(), rest })));
        self.connections.resume_later(slot);
    }

    /// Goes on with the batch that a connection has begun. Returns what is left of it.
    pub(crate) fn continue_batch(&mut self, slot: u32, mut pending: PendingBatch) -> Option<PendingBatch> {
        while self.work > 0 {
            let Some(range) = pending.rest.next() else {
                self.finish_batch(slot, pending.batch);
                return None;
            };
            self.work -= 1;
            if let Some(message) = Message::parse(&pending.text[range]) {
                self.bayeux_message(slot, message, &mut pending.batch);
            }
        }
        Some(pending)
    }

    /// Answers a batch, or holds the answer with a connect. The client of that may meanwhile have disconnected, or
    /// have connected by another way. Replies that exceed `--max-backlog` are not held.
    fn finish_batch(&mut self, slot: u32, batch: Batch) {
        let socket = batch.socket(slot);
        let Batch { form, replies, hold, has_deliveries, has_disconnect, .. } = batch;
        let bytes = || replies.iter().map(String::len).sum::<usize>();
        let hold = hold.filter(|hold| {
            !has_deliveries && bytes() <= self.max_backlog && self.can_hold(socket, hold.client)
        });
        let body = || bayeux::array(&replies);
        match (hold, form) {
            (None, Some(form)) => {
                let keep_alive = self.may_stay_open(form.keep_alive);
                self.write_response(slot, &form.response(body()), false, keep_alive);
            }
            (None, None) => websocket::write_text(self.connections.frame(slot), &[&body()]),
            (Some(hold), form) => {
                let client = hold.client;
                self.hold(hold, replies);
                if let Some(form) = form {
                    self.hold_request(slot, client, form);
                }
            }
        }
        if has_disconnect
            && matches!(self.connections.get(slot).state, State::WebSocket(Binding::Shared(None), _))
        {
            self.fail(slot, CloseCode::Normal, "");
        }
    }

    /// Whether a client is still reached by the connection that its connect came over.
    fn can_hold(&mut self, socket: Option<u32>, client: ClientId) -> bool {
        match socket {
            Some(slot) => {
                matches!(self.connections.get(slot).state, State::WebSocket(Binding::Shared(Some(bound)), _) if bound == client)
            }
            None => {
                self.sessions.poll_queue(client).is_some_and(|poll_queue| poll_queue.held_request.is_none())
            }
        }
    }
}
