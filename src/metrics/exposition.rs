//! Prometheus's text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::CounterVec;

/// The format's media type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics as text: families of one sample, or of one for each value of their labels.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// A counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family("counter", name, help);
        self.sample(name, &[], value);
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family("gauge", name, help);
        self.sample(name, &[], value);
    }

    /// The head of a family, whose samples follow. `kind` is the type: `counter` or `gauge`.
    pub fn family(&mut self, kind: &str, name: &str, help: &str) {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample with its labels, whose values are the program's own words: nothing in them is escaped.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    /// A counter with one label, whose values are the kinds of a tally.
    pub fn tally(&mut self, name: &str, help: &str, label: &str, tally: &CounterVec<&str>) {
        self.family("counter", name, help);
        for (kind, count) in tally.iter() {
            self.sample(name, &[(label, kind)], count);
        }
    }

    /// The text.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_samples() {
        let mut text = Exposition::default();
        text.counter("a_total", "All a.", 7);
        text.family("gauge", "b", "Some b.");
        text.sample("b", &[("x", "1"), ("y", "two words")], 0.5);
        let expected = "# HELP a_total All a.\n# TYPE a_total counter\na_total 7\n\
                        # HELP b Some b.\n# TYPE b gauge\nb{x=\"1\",y=\"two words\"} 0.5\n";
        assert_eq!(text.finish(), expected);
    }
}
