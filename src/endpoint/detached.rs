//! Detached sessions: clients that hold no connection at the moment. A client that polls is detached between
//! two requests, a Bayeux client also after its WebSocket has closed. Opening one costs its peer nothing but a
//! request, so their number is bounded, in total and for each peer address: a new one ends the one that has been
//! silent for longest, of those without a user on line as long as these are the most. No handshake is refused, and a
//! flood of handshakes ends its own sessions before those of others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use log::debug;
use tungstenite::protocol::frame::coding::CloseCode;

use super::Endpoint;
use super::poll_queue::PollQueue;
use super::sessions::Transport;
use crate::Millis;
use crate::chat::id::ClientId;
use crate::http::peer::Peer;
use crate::metrics::{PEER, TOTAL};
use crate::protocols::Protocol;

/// How long a session lives that has not polled or connected since its handshake. Clients do so at once.
pub const FIRST_REQUEST_TIMEOUT: Millis = 10_000;
/// The share of all detached sessions that one peer may have, as a divisor, and what it may have at least.
const PEER_SHARE: usize = 4;
const PEER_MINIMUM: usize = 16;

/// The place of a session among the detached ones. Of those with a user, and of those without, the one comes first
/// of which nothing was heard for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    has_user: bool,
    /// Grows with each session that is detached, or that a request has come from since.
    number: u64,
}

/// The detached sessions of all clients, and how many there may be. Each two of a kind are the sessions without a user
/// and those with one.
#[derive(Debug)]
pub struct DetachedSessions {
    ranks: [BTreeMap<Rank, (ClientId, Peer)>; 2],
    peers: HashMap<Peer, [BTreeSet<Rank>; 2]>,
    /// Peers that have more than their share, as many of their clients were detached at once.
    above_share: BTreeSet<Peer>,
    /// How many were added so far.
    count: u64,
    limit: usize,
    peer_limit: usize,
}

impl DetachedSessions {
    /// At most this many, of all peers together.
    pub fn new(limit: usize) -> DetachedSessions {
        let peer_limit = (limit / PEER_SHARE).max(PEER_MINIMUM).min(limit);
        DetachedSessions {
            ranks: Default::default(),
            peers: HashMap::new(),
            above_share: BTreeSet::new(),
            count: 0,
            limit,
            peer_limit,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ranks.iter().map(BTreeMap::len).sum()
    }

    /// Whether there are more than there may be, until the next turn.
    pub fn has_excess(&self) -> bool {
        self.len() > self.limit
    }

    /// Whether this is the place of a session.
    pub fn has(&self, client: ClientId, rank: Rank, has_user: bool) -> bool {
        rank.has_user == has_user && self.get(rank).is_some_and(|(listed, _)| listed == client)
    }

    fn get(&self, rank: Rank) -> Option<(ClientId, Peer)> {
        self.ranks[usize::from(rank.has_user)].get(&rank).copied()
    }

    /// Adds a session, or moves it to where it belongs now that it has a user or has none. `rank` is where it is.
    fn insert(&mut self, client: ClientId, peer: Peer, has_user: bool, rank: Option<Rank>) -> Rank {
        if let Some(rank) = rank {
            self.remove(peer, rank);
        }
        self.count += 1;
        let rank = Rank { has_user, number: rank.map_or(self.count, |rank| rank.number) };
        self.ranks[usize::from(has_user)].insert(rank, (client, peer));
        let ranks = self.peers.entry(peer).or_default();
        ranks[usize::from(has_user)].insert(rank);
        if ranks.iter().map(BTreeSet::len).sum::<usize>() > self.peer_limit {
            self.above_share.insert(peer);
        }
        rank
    }

    fn remove(&mut self, peer: Peer, rank: Rank) {
        self.ranks[usize::from(rank.has_user)].remove(&rank);
        if let Some(ranks) = self.peers.get_mut(&peer) {
            ranks[usize::from(rank.has_user)].remove(&rank);
            if ranks.iter().map(BTreeSet::len).sum::<usize>() <= self.peer_limit {
                self.above_share.remove(&peer);
            }
            if ranks.iter().all(BTreeSet::is_empty) {
                self.peers.remove(&peer);
            }
        }
    }

    /// The session to end before this peer may open another, and the limit that asks for it.
    fn in_the_way_of(&self, peer: Peer) -> Option<(ClientId, &'static str)> {
        let of_peer = self.first_of(peer, self.peer_limit.saturating_sub(1));
        of_peer.or_else(|| self.first_beyond(self.limit.saturating_sub(1)))
    }

    /// The first session of a peer to end if it has more than `limit`.
    fn first_of(&self, peer: Peer, limit: usize) -> Option<(ClientId, &'static str)> {
        let [without, with] = self.peers.get(&peer)?;
        if without.len() + with.len() <= limit {
            return None;
        }
        let rank = to_end(without.first(), with.first(), without.len(), self.peer_limit)?;
        self.get(rank).map(|(client, _)| (client, PEER))
    }

    /// The first session to end if there are more than `limit`: one of a peer that has more than its share, if there
    /// is one.
    fn first_beyond(&self, limit: usize) -> Option<(ClientId, &'static str)> {
        if self.len() <= limit {
            return None;
        }
        if let Some(&peer) = self.above_share.first() {
            return self.first_of(peer, self.peer_limit);
        }
        let [without, with] =
            self.ranks.each_ref().map(|ranks| ranks.first_key_value().map(|(rank, _)| rank));
        let rank = to_end(without, with, self.ranks[0].len(), limit)?;
        self.get(rank).map(|(client, _)| (client, TOTAL))
    }
}

/// Which of two sessions is ended, the first without a user and the first with one: the former, as long as
/// its kind takes more than half of the limit. So a flood of sessions ends its own: one without users ends no user who
/// is on line, and one with users leaves room for new clients, which have none yet.
fn to_end(without: Option<&Rank>, with: Option<&Rank>, count: usize, limit: usize) -> Option<Rank> {
    let without_first = without.filter(|_| count > limit / 2);
    without_first.or(with).or(without).copied()
}

impl Endpoint {
    /// Opens the session of a client that brings no connection of its own. Sessions that are too many by that are
    /// ended.
    pub(crate) fn open_detached(&mut self, protocol: Protocol, peer: Peer) -> ClientId {
        let now = self.now;
        while let Some((client, limit)) = self.detached.in_the_way_of(peer) {
            self.evict(client, limit);
        }
        let transport =
            Transport::Polling(Box::new(PollQueue::opened(&self.memory, now + FIRST_REQUEST_TIMEOUT)));
        let client = self.sessions.insert(transport, protocol, peer, now);
        self.update_detached(client);
        client
    }

    /// Ends a session if there are too many because those of many clients were detached. Returns whether more are too
    /// many.
    pub(super) fn limit_detached(&mut self) -> bool {
        if let Some((client, limit)) = self.detached.first_beyond(self.detached.limit) {
            self.evict(client, limit);
        }
        self.detached.has_excess()
    }

    /// Brings the detached sessions up to date with a client's link and users. To be called when one of them has
    /// changed.
    pub(super) fn update_detached(&mut self, id: ClientId) {
        let Some(client) = self.sessions.get_mut(id) else {
            return;
        };
        let is_detached =
            matches!(&client.transport, Transport::Polling(poll_queue) if poll_queue.held_request.is_none());
        let has_user = !self.chat.clients().members(id).is_empty();
        match client.detached {
            Some(rank) if !is_detached => {
                self.detached.remove(client.peer, rank);
                client.detached = None;
            }
            Some(rank) if rank.has_user == has_user => {}
            rank if is_detached => {
                client.detached = Some(self.detached.insert(id, client.peer, has_user, rank));
            }
            _ => {}
        }
    }

    /// Something has come from a client: if it is detached, it is the last of the detached ones now.
    pub(crate) fn touch_detached(&mut self, id: ClientId) {
        if let Some(client) = self.sessions.get_mut(id)
            && let Some(rank) = client.detached.take()
        {
            self.detached.remove(client.peer, rank);
            client.detached = Some(self.detached.insert(id, client.peer, rank.has_user, None));
        }
    }

    /// Forgets a client that is about to be removed.
    pub(super) fn forget_detached(&mut self, id: ClientId) {
        if let Some(client) = self.sessions.get_mut(id)
            && let Some(rank) = client.detached.take()
        {
            self.detached.remove(client.peer, rank);
        }
    }

    fn evict(&mut self, client: ClientId, limit: &'static str) {
        debug!("client {} is evicted: too many sessions ({limit})", client.slot);
        self.metrics.evicted.add(limit);
        self.end_session(client, CloseCode::Away, "evicted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(slot: u32) -> ClientId {
        ClientId { slot, generation: 0 }
    }

    fn peer(number: u8) -> Peer {
        Peer::of([10, 0, 0, number].into())
    }

    #[test]
    fn the_longest_detached_goes_first_and_those_with_a_user_last() {
        let mut sessions = DetachedSessions::new(20);
        for slot in 0..20 {
            let rank = sessions.insert(client(slot), peer(slot as u8 / 5), false, None);
            if slot < 3 {
                sessions.insert(client(slot), peer(0), true, Some(rank));
            }
        }
        let mut order = Vec::new();
        while let Some((id, limit)) = sessions.first_beyond(0) {
            assert_eq!(limit, TOTAL);
            order.push(id.slot);
            let all = sessions.ranks.iter().flatten();
            let found =
                all.map(|(rank, (listed, of))| (*rank, *listed, *of)).find(|(_, listed, _)| *listed == id);
            let (rank, _, of) = found.unwrap();
            sessions.remove(of, rank);
        }
        assert_eq!(order, (3..20).chain(0..3).collect::<Vec<_>>());
        assert!(sessions.peers.is_empty());
    }

    #[test]
    fn neither_those_with_a_user_nor_those_without_take_all_room() {
        for has_user in [false, true] {
            let mut sessions = DetachedSessions::new(40);
            for slot in 0..40 {
                sessions.insert(client(slot), peer(slot as u8), has_user == (slot >= 10), None);
            }
            // The oldest of the many goes, though all of the few are older.
            assert_eq!(sessions.in_the_way_of(peer(99)), Some((client(10), TOTAL)));
        }
    }

    #[test]
    fn a_peer_at_its_limit_ends_its_own_sessions_only() {
        let mut sessions = DetachedSessions::new(100);
        assert_eq!(sessions.peer_limit, 25);
        for slot in 0..25 {
            assert!(sessions.in_the_way_of(peer(1)).is_none(), "{slot}");
            sessions.insert(client(slot), peer(1), false, None);
        }
        assert_eq!(sessions.in_the_way_of(peer(1)), Some((client(0), PEER)));
        assert!(sessions.in_the_way_of(peer(2)).is_none());
        for slot in 25..100 {
            assert!(sessions.in_the_way_of(peer(2)).is_none(), "{slot}");
            sessions.insert(client(slot), peer(slot as u8), false, None);
        }
        assert_eq!(sessions.in_the_way_of(peer(2)), Some((client(0), TOTAL)));
    }

    #[test]
    fn a_peer_above_its_share_goes_first_when_there_are_too_many() {
        let mut sessions = DetachedSessions::new(64);
        for slot in 0..66 {
            sessions.insert(client(slot), if slot < 30 { peer(slot as u8 + 1) } else { peer(0) }, true, None);
        }
        for slot in 30..32 {
            let (id, limit) = sessions.first_beyond(64).unwrap();
            assert_eq!((id, limit), (client(slot), PEER));
            let (&rank, _) = sessions.ranks[1].iter().find(|(_, (listed, _))| *listed == id).unwrap();
            sessions.remove(peer(0), rank);
        }
        assert_eq!(sessions.first_beyond(64), None);
    }

    #[test]
    fn a_small_limit_is_shared_too() {
        for (limit, of_peer) in [(1, 1), (10, 10), (16, 16), (40, 16), (64, 16), (68, 17)] {
            assert_eq!(DetachedSessions::new(limit).peer_limit, of_peer, "{limit}");
        }
    }
}
