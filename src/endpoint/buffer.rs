//! The bytes of a connection that wait to be carried out or to be written.

/// Bytes in the order in which they came, of which some at the front may be done with. To remove those at once would move
/// the rest each time, which is quadratic if each step is small; they are removed when they are half of all bytes, so
/// that for each byte that came at most one is moved.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// How many bytes at the front are done with.
    start: usize,
}

impl Buffer {
    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether no byte waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of memory. A buffer that was emptied holds none.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Where to append bytes, and nothing else.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes that wait.
    pub fn waiting(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The same, to be unmasked in place.
    pub fn waiting_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }

    /// Removes bytes from the front, or all if there are fewer. Returns the memory if none is left, to be used again.
    pub fn consume(&mut self, count: usize) -> Option<Vec<u8>> {
        self.start = self.bytes.len().min(self.start + count);
        if self.start == self.bytes.len() {
            let mut bytes = std::mem::take(self).bytes;
            bytes.clear();
            return Some(bytes);
        }
        if self.start >= self.bytes.len() / 2 {
            self.bytes.drain(..std::mem::take(&mut self.start));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_and_an_empty_buffer_holds_no_memory() {
        let mut buffer = Buffer::default();
        for step in [1, 7, 64, 1000] {
            let mut expected = 0..=255u8;
            buffer.tail().extend(0..=255);
            while !buffer.is_empty() {
                assert_eq!(buffer.waiting(), expected.clone().collect::<Vec<_>>());
                assert_eq!(buffer.consume(step).is_some(), buffer.is_empty());
                expected.by_ref().take(step).for_each(drop);
            }
            assert_eq!((expected.next(), buffer.memory()), (None, 0), "{step}");
        }
    }

    #[test]
    fn at_most_as_many_bytes_are_moved_as_came() {
        const COUNT: usize = 64 * 1024;
        let mut buffer = Buffer::default();
        buffer.tail().extend_from_slice(&[0; COUNT]);
        let mut moved = 0;
        for _ in 0..COUNT / 16 {
            buffer.consume(16);
            moved += if buffer.start == 0 { buffer.len() } else { 0 };
        }
        assert!(buffer.is_empty() && moved <= COUNT, "{moved}");
    }
}
