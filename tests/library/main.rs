//! The library from the outside: its layers, its parsers by chance, and protocols by the clock.

mod architecture;
mod properties;
mod socket_io_timeouts;
