//! A network as bad as real ones: what is sent comes in order, but late, in pieces, or not at all.

use std::collections::VecDeque;

use fastrand::Rng;
use mio_chat_server::Millis;

/// What comes out of a pipe at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Somebody connects.
    Open,
    Bytes(Vec<u8>),
    /// The other side has shut, or the connection was reset.
    End,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Pipe {
    under_way: VecDeque<(Millis, Piece)>,
    /// Nothing comes before this, so that all comes in order.
    not_before: Millis,
    latency: Millis,
    is_cut: bool,
}

impl Pipe {
    /// A pipe with a latency of its own.
    pub fn new(latency: Millis) -> Pipe {
        Pipe { latency, ..Pipe::default() }
    }

    /// Sends bytes off in one piece or in many, and says when they arrive.
    pub fn send(&mut self, bytes: &[u8], now: Millis, random: &mut Rng) -> Vec<Millis> {
        let largest = match random.u32(0..40) {
            0 => 1,
            1..=3 => 1 + random.usize(0..20),
            4..=9 => 1 + random.usize(0..200),
            _ => usize::MAX,
        };
        let mut rest = bytes;
        let mut arrivals = Vec::new();
        while !rest.is_empty() && !self.is_cut {
            // Byte for byte is for what is short, lest the run be all about the one long message.
            let length = if rest.len() > 2_000 { rest.len() / 2 } else { rest.len().min(largest) };
            let (piece, behind) = rest.split_at(length);
            arrivals.push(self.push(Piece::Bytes(piece.to_vec()), now, random));
            rest = behind;
        }
        arrivals
    }

    /// Sends something off that cannot be taken apart.
    pub fn push(&mut self, piece: Piece, now: Millis, random: &mut Rng) -> Millis {
        let late = if random.u32(0..50) == 0 { random.u64(0..250) } else { random.u64(0..8) };
        let at = self.not_before.max(now + self.latency + late);
        self.not_before = at;
        self.under_way.push_back((at, piece));
        at
    }

    /// Lets nothing through for a time. What has arrived already is there, read or not.
    pub fn stall(&mut self, now: Millis, until: Millis) {
        self.not_before = self.not_before.max(until);
        for (at, _) in self.under_way.iter_mut().filter(|(at, _)| *at > now) {
            *at = until.max(*at);
        }
    }

    /// Loses all that is under way behind some byte of it, and all that is sent from now on.
    pub fn cut(&mut self, now: Millis, random: &mut Rng) {
        self.is_cut = true;
        let arrived = self.under_way.partition_point(|(at, _)| *at <= now);
        if arrived == self.under_way.len() {
            return;
        }
        self.under_way.truncate(random.usize(arrived + 1..=self.under_way.len()));
        if let Some((_, Piece::Bytes(last))) = self.under_way.back_mut() {
            last.truncate(random.usize(0..=last.len()));
        }
    }

    /// Takes the next piece that has arrived.
    pub fn arrived(&mut self, now: Millis) -> Option<Piece> {
        let (at, _) = self.under_way.front()?;
        if *at <= now { self.under_way.pop_front().map(|(_, piece)| piece) } else { None }
    }
}
