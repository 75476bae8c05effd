//! One plot as an SVG that follows the page's colours.

use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 280);
const LABEL_WIDTH: u32 = 64;

/// Stands for the page's own text colour, which a drawing cannot name; replaced in the finished SVG.
const INK: RGBColor = RGBColor(1, 2, 3);
const INK_TEXT: &str = "#010203";

/// Seen well on white and on black.
const COLOURS: [RGBColor; 6] = [
    RGBColor(59, 130, 246),
    RGBColor(234, 115, 23),
    RGBColor(22, 163, 74),
    RGBColor(192, 80, 200),
    RGBColor(160, 140, 20),
    RGBColor(220, 60, 90),
];

pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

impl Series {
    pub fn new(name: &str, points: &[(f64, f64)]) -> Self {
        Self { name: name.to_owned(), points: points.to_vec() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Seconds.
    Time,
    /// Nines: 1 is 90 %, 2 is 99 %.
    Percentile,
}

pub struct Plot {
    pub title: &'static str,
    pub x: Axis,
    pub series: Vec<Series>,
}

impl Plot {
    pub fn over_time(title: &'static str, series: Vec<Series>) -> Self {
        Self { title, x: Axis::Time, series }
    }

    /// The drawing.
    ///
    /// # Errors
    /// The plotting library's own words.
    pub fn svg(&self) -> Result<String, String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|e| e.to_string())?;
        Ok(svg.replace(INK_TEXT, "currentColor"))
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let points = || self.series.iter().flat_map(|series| &series.points);
        let right = points().map(|point| point.0).fold(f64::MIN_POSITIVE, f64::max);
        let top = points().map(|point| point.1).fold(f64::MIN_POSITIVE, f64::max);
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .margin_top(30)
            .margin_right(24)
            .x_label_area_size(30)
            .y_label_area_size(LABEL_WIDTH)
            .build_cartesian_2d(0.0..right, 0.0..top * 1.1)?;
        let label = TextStyle::from(("sans-serif", 14)).color(&INK);
        let axis = self.x;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(INK.mix(0.2))
            .light_line_style(INK.mix(0.0))
            .axis_style(INK.mix(0.6))
            .label_style(label.clone())
            .x_labels(if axis == Axis::Percentile { right as usize + 1 } else { 10 })
            .y_labels(6)
            .x_label_formatter(&|x| axis.label(*x))
            .y_label_formatter(&|y| short(*y))
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS.into_iter().cycle()) {
            chart.draw_series(LineSeries::new(series.points.iter().copied(), colour.stroke_width(2)))?;
        }
        // The legend has a strip of its own above, where no line can cross it.
        let mut left = LABEL_WIDTH as i32;
        for (series, colour) in self.series.iter().zip(COLOURS.into_iter().cycle()) {
            area.draw_text(&series.name, &label.color(&colour), (left, 6))?;
            left += 30 + 8 * series.name.chars().count() as i32;
        }
        area.present()?;
        Ok(())
    }
}

impl Axis {
    fn label(self, x: f64) -> String {
        match self {
            Self::Time => format!("{} s", short(x)),
            Self::Percentile => {
                let percent = 100.0 * (1.0 - 10f64.powf(-x));
                let digits = (x.round() as usize).saturating_sub(2);
                format!("{percent:.digits$} %")
            }
        }
    }
}

/// A number as short as an axis needs it.
fn short(number: f64) -> String {
    match number {
        0.0..1.0 => format!("{number:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        1.0..1e4 => format!("{}", (number * 10.0).round() / 10.0),
        1e4..1e6 => format!("{}k", (number / 100.0).round() / 10.0),
        _ => format!("{}M", (number / 1e5).round() / 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_takes_its_ink_from_the_page() {
        let series = vec![Series::new("relayed", &[(0.0, 1.0), (1.0, 5.0)])];
        let svg = Plot::over_time("Messages", series).svg().unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("relayed"));
        assert!(svg.contains("currentColor") && !svg.contains(INK_TEXT));
    }

    #[test]
    fn a_single_point_is_no_reason_to_fail() {
        let series = vec![Series::new("relayed", &[(0.0, 0.0)])];
        assert!(Plot::over_time("Messages", series).svg().is_ok());
    }

    #[test]
    fn labels_are_short() {
        let labels = [0.0, 0.25, 1.0, 12.34, 9999.0, 150_000.0, 2e6].map(short);
        assert_eq!(labels, ["0", "0.25", "1", "12.3", "9999", "150k", "2M"]);
        let nines = [0.0, 1.0, 2.0, 3.0, 4.0].map(|x| Axis::Percentile.label(x));
        assert_eq!(nines, ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
    }
}
