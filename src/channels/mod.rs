//! Commands become calls on the models, and what follows from them becomes events.

pub mod chat;
pub mod presence;
pub mod stats;
pub mod status;
