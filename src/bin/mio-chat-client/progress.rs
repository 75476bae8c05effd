//! The progress bar, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::options::Options;
use crate::stats::Sample;
use crate::summary::time;

/// Samples that a rate is taken over: a second's.
const WINDOW: usize = 10;

/// A bar on standard error; it draws nothing when that is no terminal.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub fn new(options: &Options) -> Self {
        let target = if options.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(options.students as u64), target);
        let template = "{elapsed_precise} [{bar:20}] {pos}/{len} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar }
    }

    /// Shows the newest sample: `done` students, `doing` what.
    pub fn show(&self, done: usize, doing: &str, samples: &[Sample]) {
        if self.bar.is_hidden() {
            return;
        }
        let Some(last) = samples.last() else { return };
        let first = &samples[samples.len().saturating_sub(WINDOW + 1)];
        self.bar.set_position(done as u64);
        self.bar.set_message(line(doing, first, last));
    }

    /// Leaves the terminal as it was.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn line(doing: &str, first: &Sample, last: &Sample) -> String {
    let seconds = last.at - first.at;
    let messages = last.messages - first.messages;
    if messages == 0 || seconds <= 0.0 {
        return doing.to_owned();
    }
    let p99 = time(last.p99 as f64 / 1e3);
    format!("{doing}, {:.0} messages/s, p99 {p99}", messages as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_rate_and_the_p99() {
        let first = Sample { at: 1.0, messages: 100, ..Sample::default() };
        let last = Sample { at: 3.0, messages: 2100, p99: 2_500_000, ..Sample::default() };
        assert_eq!(line("served", &first, &last), "served, 1000 messages/s, p99 2.50 ms");
        assert_eq!(line("connected", &first, &first), "connected");
    }
}
