//! HTTP/1.1 as far as this server needs it: requests in, responses out, and the WebSocket upgrade.

pub mod chunked;
pub mod negotiation;
pub mod origins;
pub mod page;
pub mod peer;
pub mod reader;
pub mod request;
pub mod response;
pub mod routes;
pub mod upgrade;
pub mod uri;
