//! The keys of a slab that are listed, so that a list is read without the vacant entries in between.

use super::roster::Key;

/// A sparse set (Briggs and Torczon, 1993): the keys stand in one vector, and a second one, indexed by key, says
/// where. A key is added and removed in constant time, and reading the set takes a step for each key in it. Memory is
/// that of the largest key so far, 8 bytes each, as that of a slab is.
#[derive(Debug, Default)]
pub struct KeySet {
    /// In no particular order.
    keys: Vec<Key>,
    /// The place of each key that is in the set; what it says of others means nothing.
    places: Vec<u32>,
}

impl KeySet {
    /// Adds a key that is not in the set.
    pub fn insert(&mut self, key: Key) {
        let index = key as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, 0);
        }
        self.places[index] = self.keys.len() as u32;
        self.keys.push(key);
    }

    /// Removes a key that is in the set. The last key takes its place.
    pub fn remove(&mut self, key: Key) {
        let place = self.places[key as usize];
        debug_assert_eq!(self.keys[place as usize], key, "a key that is not in the set");
        self.keys.swap_remove(place as usize);
        if let Some(moved) = self.keys.get(place as usize) {
            self.places[*moved as usize] = place;
        }
    }

    /// The keys, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Key> {
        self.keys.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(set: &KeySet) -> Vec<Key> {
        let mut keys: Vec<_> = set.iter().collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn holds_what_was_inserted_and_not_removed() {
        for removed in 0..5 {
            let mut set = KeySet::default();
            (0..5).for_each(|key| set.insert(key));
            set.remove(removed);
            let rest: Vec<_> = (0..5).filter(|key| *key != removed).collect();
            assert_eq!(sorted(&set), rest);
            set.insert(removed);
            assert_eq!(sorted(&set), [0, 1, 2, 3, 4]);
            (0..5).rev().for_each(|key| set.remove(key));
            assert!(sorted(&set).is_empty());
        }
    }

    #[test]
    fn only_the_keys_in_the_set_are_read() {
        let mut set = KeySet::default();
        (0..100_000).for_each(|key| set.insert(key));
        (0..99_999).for_each(|key| set.remove(key));
        assert_eq!((set.keys.as_slice(), sorted(&set)), (&[99_999][..], vec![99_999]));
    }
}
