//! Which path is what.

use super::negotiation::prefers_page;
use super::request::Request;
use super::response::{Response, Status};

/// The rows of each list that `GET /` shows at the most, unless told.
const DEFAULT_LIMIT: usize = 1000;

/// What a request is for.
#[derive(Debug)]
pub enum Route {
    /// The page for a browser.
    Page,
    /// The rosters and chats as JSON, with at most this many rows in each list.
    Snapshot {
        limit: usize,
    },
    Health,
    /// The server's figures for Prometheus.
    Metrics,
    /// A protocol of the chat.
    Chat(ChatRoute),
    /// What comes over WebSocket goes back.
    Echo,
    /// Nothing that is there: answer with this.
    Refused(Response),
}

/// The protocols of the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatRoute {
    /// Phoenix Channels over WebSocket.
    Phoenix,
    /// Socket.IO over Engine.IO, over WebSocket or polling.
    SocketIo,
    /// Bayeux, over WebSocket or polling.
    Bayeux,
}

/// Finds what a request is for by its path and method.
pub fn route(request: &Request<'_>) -> Route {
    let route = match request.path {
        "/" if prefers_page(request) => Route::Page,
        "/" => snapshot(request),
        "/health" => Route::Health,
        "/metrics" => Route::Metrics,
        "/ws" | "/ws/websocket" => Route::Chat(ChatRoute::Phoenix),
        // Engine.IO has errors of its own for methods that do not fit.
        "/socket.io" | "/socket.io/" => return Route::Chat(ChatRoute::SocketIo),
        // Bayeux takes what it can and calls the rest a bad request. CometD adds the kind of message to the
        // path, as Faye lets it.
        path if path == "/faye" || path.starts_with("/faye/") => return Route::Chat(ChatRoute::Bayeux),
        "/echo" if cfg!(feature = "conformance") => Route::Echo,
        _ => return Route::Refused(Response::error(Status::NOT_FOUND, "nothing here")),
    };
    match (request.method, &route) {
        ("GET", _) => route,
        ("HEAD", _) => route,
        _ => not_allowed("GET, HEAD"),
    }
}

fn snapshot(request: &Request<'_>) -> Route {
    let limit = request.query("limit").map_or(Ok(DEFAULT_LIMIT), str::parse);
    match limit {
        Ok(limit) => Route::Snapshot { limit },
        Err(_) => Route::Refused(Response::error(Status::BAD_REQUEST, "limit must be a whole number")),
    }
}

fn not_allowed(allow: &'static str) -> Route {
    let response = Response::error(Status::METHOD_NOT_ALLOWED, "method not allowed here");
    Route::Refused(response.with("Allow", allow))
}
