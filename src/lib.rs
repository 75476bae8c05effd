//! mio-chat-server: one thread, one `mio::Poll`, one loop that owns every socket, with all roster, queue
//! and chat state in plain structs beside it, so that nothing is shared and nothing is locked.
pub mod app;
pub mod channels;
pub mod command;
pub mod endpoint;
pub mod event;
pub mod http;
pub mod memory;
pub mod metrics;
pub mod models;
pub mod options;
pub mod process;
pub mod protocols;
pub mod server;
pub mod snapshot;
pub mod stats;
mod timer_wheel;
pub mod websocket;
