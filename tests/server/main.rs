//! The server as its clients see it: each test starts the binary on a free port and talks to it over sockets.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod bayeux;
mod bayeux_batch;
mod bayeux_connect;
mod bayeux_http;
mod chats_between_protocols;
mod command_line;
mod conformance;
mod http;
mod http_page;
mod http_pipelining;
mod http_rules;
mod http_timeout;
mod http_upgrade;
mod leaving;
mod limits;
mod limits_memory;
mod limits_polling;
mod limits_sessions;
mod limits_slow_readers;
mod metrics;
mod origins;
mod phoenix;
mod phoenix_late_join;
mod refusals;
mod shutdown;
mod socket_io;
mod socket_io_jsonp;
mod socket_io_polling;
mod socket_io_refusals;
mod socket_io_upgrade;
mod stats;
mod websocket;
