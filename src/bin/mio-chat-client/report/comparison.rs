//! Several servers under the same load: the rounds of each, the medians of those, a table and a page.

mod rounds;
mod table;

use std::path::{Path, PathBuf};

use super::plot::{Axis, Plot, Series};
use super::{page, save};
use crate::curves::{Curve, Curves};
use rounds::Contestant;

/// Reads the rounds' files, writes the page and returns the Markdown table. Files of one name are its rounds, in
/// their order; the first name is what the others are relative to.
///
/// # Errors
/// A line that says which file cannot be read or written.
pub fn compare(out: &Path, files: &[(String, PathBuf)]) -> Result<String, String> {
    let contestants = rounds::read(files)?;
    let table = table::Table::new(&contestants);
    let body = format!("{}<p>{}</p>\n", table.html(), super::escape(&table.note));
    save(out, &page("Servers under the same load", &body, &plots(&contestants))?)?;
    Ok(table.markdown())
}

fn plots(contestants: &[Contestant]) -> Vec<Plot> {
    let lines = |curve: fn(&Curves) -> &Curve| -> Vec<Series> {
        let of = |one: &Contestant| match one.typical() {
            Some(round) => Series::new(&one.name, curve(&round.curves)),
            None => Series::new(&one.name, &Curve::new()),
        };
        contestants.iter().map(of).collect()
    };
    vec![
        Plot::over_time("Messages a second", lines(|c| &c.messages_per_second)),
        Plot {
            title: "Round trip by percentile, milliseconds",
            x: Axis::Percentile,
            series: lines(|c| &c.round_trip_ms_by_nines),
        },
        Plot::over_time("Round trip over time, p50, milliseconds", lines(|c| &c.round_trip_p50_ms)),
        Plot::over_time("Round trip over time, p99, milliseconds", lines(|c| &c.round_trip_p99_ms)),
        Plot::over_time("Server CPU, percent of one core", lines(|c| &c.server_cpu_percent)),
        Plot::over_time("Server memory, resident, MiB", lines(|c| &c.server_mebibytes)),
    ]
}
