//! `Connections`: which connections are open, and which one makes room for the next.
//!
//! Whoever comes last is served: a probe of health must be answered while others hold connections and say
//! nothing. The oldest connection of the peer with the most of them is closed for it.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// How many connections may be open: a few scrapers, and no more than that.
pub(super) const CONNECTIONS_MAX: usize = 32;

/// How many of them may be of one peer.
pub(super) const CONNECTIONS_PER_PEER_MAX: usize = 16;

/// Open connections, the oldest first. `C` is what a connection is known by.
#[derive(Debug)]
pub(super) struct Connections<C> {
    open: Vec<(IpAddr, C)>,
}

impl<C> Connections<C> {
    pub(super) const fn new() -> Self {
        Self { open: Vec::new() }
    }

    /// Adds a connection; returns the one to close for it, if there is no room.
    pub(super) fn add(&mut self, peer: IpAddr, connection: C) -> Option<C> {
        let of_peer = self.open.iter().filter(|(other, _)| *other == peer).count();
        let crowded = if of_peer >= CONNECTIONS_PER_PEER_MAX {
            Some(peer)
        } else if self.open.len() >= CONNECTIONS_MAX {
            self.most_common_peer()
        } else {
            None
        };
        let oldest =
            crowded.and_then(|peer| self.open.iter().position(|(other, _)| *other == peer));
        let closed = oldest.map(|index| self.open.remove(index).1);
        self.open.push((peer, connection));
        closed
    }

    /// Forgets the connections that have ended.
    pub(super) fn retain(&mut self, is_open: impl Fn(&C) -> bool) {
        self.open.retain(|(_, connection)| is_open(connection));
    }

    fn most_common_peer(&self) -> Option<IpAddr> {
        let mut counts = BTreeMap::new();
        for (peer, _) in &self.open {
            *counts.entry(*peer).or_insert(0_usize) += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count)?;
        Some(most.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[test]
    fn a_peer_with_too_many_makes_room_for_itself() {
        let mut connections = Connections::new();
        assert_eq!(connections.add(peer(1), 1000), None);
        for number in 0..CONNECTIONS_PER_PEER_MAX {
            assert_eq!(connections.add(peer(2), number), None);
        }
        assert_eq!(connections.add(peer(2), 100), Some(0));
        assert_eq!(connections.add(peer(2), 101), Some(1));
    }

    #[test]
    fn a_newcomer_is_let_in_for_the_peer_with_the_most() {
        let mut connections = Connections::new();
        connections.add(peer(1), 1000);
        for number in 0..CONNECTIONS_PER_PEER_MAX {
            connections.add(peer(2), number);
        }
        for number in 3..18 {
            assert_eq!(connections.add(peer(number), 1000), None);
        }
        assert_eq!(connections.open.len(), CONNECTIONS_MAX);
        assert_eq!(connections.add(peer(99), 1001), Some(0));
        assert_eq!(connections.open.len(), CONNECTIONS_MAX);
    }

    #[test]
    fn those_that_have_ended_take_no_room() {
        let mut connections = Connections::new();
        for number in 0..CONNECTIONS_PER_PEER_MAX {
            connections.add(peer(1), number);
        }
        connections.retain(|connection| *connection > 3);
        assert_eq!(connections.add(peer(1), 100), None);
    }
}
