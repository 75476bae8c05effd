//! The input of a connection that is read and not carried out yet.

/// Bytes that wait, of which some at the front may be carried out already. To remove those at once would move the
/// rest each time, which is quadratic if there are many small requests or frames; they are removed when they are
/// half of all bytes, so that for each byte that came at most one is moved.
#[derive(Debug, Default)]
pub struct InputBuffer {
    bytes: Vec<u8>,
    /// How many bytes at the front are carried out.
    start: usize,
}

impl InputBuffer {
    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether no byte waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory. None if no byte waits.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends bytes.
    pub fn extend(&mut self, fresh: &[u8]) {
        self.bytes.extend_from_slice(fresh);
    }

    /// The bytes that wait.
    pub fn waiting(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }

    /// Removes bytes from the front, or all if there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = self.bytes.len().min(self.start + count);
        if self.is_empty() {
            *self = InputBuffer::default();
        } else if self.start >= self.bytes.len() / 2 {
            self.bytes.drain(..std::mem::take(&mut self.start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_and_none_holds_no_memory() {
        let mut input = InputBuffer::default();
        for step in [1, 7, 64, 1000] {
            let mut expected = 0..=255u8;
            input.extend(&(0..=255).collect::<Vec<u8>>());
            while !input.is_empty() {
                assert_eq!(input.waiting(), expected.clone().collect::<Vec<_>>());
                input.consume(step);
                expected.by_ref().take(step).for_each(drop);
            }
            assert_eq!((expected.next(), input.memory()), (None, 0), "{step}");
        }
    }

    #[test]
    fn as_many_bytes_are_moved_as_came_at_the_most() {
        const COUNT: usize = 64 * 1024;
        let mut input = InputBuffer::default();
        input.extend(&[0; COUNT]);
        let mut moved = 0;
        for _ in 0..COUNT / 16 {
            input.consume(16);
            moved += if input.start == 0 { input.len() } else { 0 };
        }
        assert!(input.is_empty() && moved <= COUNT, "{moved}");
    }
}
