//! What teachers and students say to each other: node-chat-client's words, numbered, padded if asked.

use std::fmt::Write;

/// The words of one message, built without padding first so that both forms can be compared.
#[derive(Debug)]
pub struct Words {
    text: String,
    bare: usize,
    /// What stands between a student's number and id.
    from_student: &'static str,
}

impl Words {
    pub fn new(from_student: &'static str) -> Self {
        Self { text: String::new(), bare: 0, from_student }
    }

    /// A teacher's message number `count`, at least `size` bytes long.
    pub fn teacher(&mut self, count: u32, size: usize) -> &str {
        self.text.clear();
        let _ = write!(self.text, "Message from teacher: {count}");
        self.pad(size)
    }

    /// A student's answer to message number `count`.
    pub fn student(&mut self, count: u32, id: u64, size: usize) -> &str {
        self.text.clear();
        let _ = write!(self.text, "Message #{count}{}{id}", self.from_student);
        self.pad(size)
    }

    /// A student's answer whose student is not known: its id is left out.
    pub fn some_student(&mut self, count: u32) -> &str {
        self.text.clear();
        let _ = write!(self.text, "Message #{count}{}", self.from_student);
        self.pad(0)
    }

    fn pad(&mut self, size: usize) -> &str {
        self.bare = self.text.len();
        let missing = size.saturating_sub(self.bare);
        self.text.extend(std::iter::repeat_n('.', missing));
        &self.text
    }

    /// Whether `said` is these words. The other side may run elsewhere with another padding: then the words alone
    /// count.
    pub fn are(&self, said: &str, same_process: bool) -> bool {
        if same_process {
            return said == self.text;
        }
        said.strip_prefix(&self.text[..self.bare])
            .is_some_and(|rest| self.text.ends_with(' ') || !rest.starts_with(|c: char| c.is_ascii_digit()))
    }

    /// The words, padding included.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What is wrong with a message that is not the expected one.
pub fn difference(said: &str) -> &'static str {
    let known = said.starts_with("Message from teacher: ")
        || said.strip_prefix("Message #").is_some_and(|rest| rest.contains(" from student"));
    if known { "out_of_order" } else { "altered_message" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_originals() {
        let mut words = Words::new(" from student: ");
        assert_eq!(words.teacher(1, 0), "Message from teacher: 1");
        assert_eq!(words.student(2, 7, 0), "Message #2 from student: 7");
    }

    #[test]
    fn padding_reaches_the_size_and_never_cuts() {
        let mut words = Words::new(" from student: ");
        assert_eq!(words.teacher(12, 30).len(), 30);
        assert_eq!(words.teacher(12, 5), "Message from teacher: 12");
    }

    #[test]
    fn a_neighbour_in_this_process_must_be_exact() {
        let mut words = Words::new(" from student: ");
        words.teacher(1, 30);
        assert!(words.are("Message from teacher: 1.......", true));
        assert!(!words.are("Message from teacher: 1", true));
        assert!(words.are("Message from teacher: 1", false));
        assert!(!words.are("Message from teacher: 12", false));
        words.some_student(3);
        assert!(words.are("Message #3 from student: 99", false));
    }

    #[test]
    fn differences_have_names() {
        assert_eq!(difference("Message from teacher: 4"), "out_of_order");
        assert_eq!(difference("Message #4 from student: 1"), "out_of_order");
        assert_eq!(difference("Massage"), "altered_message");
    }
}
