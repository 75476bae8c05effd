//! The answers to polls: what a request says of the form that its answer has.

use super::socket_io::engine;
use crate::http::response::{Response, Status};

/// How to answer a request that is held, besides the messages.
#[derive(Debug)]
pub struct AnswerForm {
    pub keep_alive: bool,
    /// The origin of the page, which the response allows by name.
    pub origin: Option<Box<str>>,
    pub body: BodyForm,
}

/// What the messages in the body of an answer are wrapped in.
#[derive(Debug)]
pub enum BodyForm {
    /// An Engine.IO payload.
    Payload,
    /// An Engine.IO payload in a call of the function with this index in the page's `___eio`: JSONP.
    PayloadScript(u32),
    Json,
    /// JSON in a call of this function: JSONP.
    Script(Box<str>),
}

impl AnswerForm {
    /// Bytes of memory that came with the request: the origin, and the name of a function.
    pub fn memory(&self) -> usize {
        let callback = if let BodyForm::Script(name) = &self.body { name.len() } else { 0 };
        self.origin.as_ref().map_or(0, |origin| origin.len()) + callback
    }

    /// The response with this body.
    pub fn response(&self, body: String) -> Response {
        self.body.response(body).with_cors(self.origin.as_deref())
    }
}

impl BodyForm {
    /// The same for pages of the server's own origin.
    pub fn response(&self, body: String) -> Response {
        match self {
            BodyForm::Payload => Response::text(body).uncached(),
            BodyForm::PayloadScript(index) => Response::javascript(engine::call(*index, &body)).uncached(),
            BodyForm::Json => Response::json(Status::OK, body.into_bytes()).uncached(),
            BodyForm::Script(callback) => Response::script(callback, &body).uncached(),
        }
    }
}
