//! The plots.

use std::io;
use std::path::Path;

use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 420);
const FONT: (&str, i32) = ("sans-serif", 14);
const HEAD: (&str, i32) = ("sans-serif", 18);
const OURS: RGBColor = RGBColor(0x1b, 0x7f, 0x5c);
const THEIRS: RGBColor = RGBColor(0x8a, 0x93, 0xa6);

/// One bar.
pub(super) struct Bar {
    pub label: String,
    pub value: f64,
    pub ours: bool,
}

/// One line.
pub(super) struct Line {
    pub label: String,
    pub points: Vec<(f64, f64)>,
}

/// Lying bars on a log scale, the first on top, each with its value.
pub(super) fn bars(path: &Path, title: &str, bars: &[Bar]) -> io::Result<()> {
    let most = bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(io::Error::other)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, HEAD)
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(170)
        .build_cartesian_2d((1.0..most * 3.0).log_scale(), 0.0..bars.len() as f64)
        .map_err(io::Error::other)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .label_style(FONT)
        .draw()
        .map_err(io::Error::other)?;
    for (at, bar) in bars.iter().rev().enumerate() {
        let (bottom, color) = (at as f64, if bar.ours { OURS } else { THEIRS });
        let corners = [(1.0, bottom + 0.15), (bar.value.max(1.0), bottom + 0.85)];
        let label = format!("{}  {}", super::table::number(bar.value), bar.label);
        chart
            .draw_series([Rectangle::new(corners, color.filled())])
            .map_err(io::Error::other)?;
        let (_, y) = chart.backend_coord(&(1.0, bottom + 0.6));
        area.draw(&Text::new(label, (14, y), FONT))
            .map_err(io::Error::other)?;
    }
    area.present().map_err(io::Error::other)
}

/// Lines on two log scales.
pub(super) fn lines(path: &Path, title: &str, lines: &[Line]) -> io::Result<()> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let right = points().map(|point| point.0).fold(2.0, f64::max);
    let top = points()
        .map(|point| point.1)
        .fold(f64::MIN_POSITIVE, f64::max);
    let bottom = points().map(|point| point.1).fold(top, f64::min);
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(io::Error::other)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, HEAD)
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(
            (1.0..right * 1.1).log_scale(),
            (bottom / 2.0..top * 2.0).log_scale(),
        )
        .map_err(io::Error::other)?;
    chart
        .configure_mesh()
        .label_style(FONT)
        .draw()
        .map_err(io::Error::other)?;
    for (at, line) in lines.iter().enumerate() {
        let color = if line.label == "tagalong" {
            OURS.to_rgba()
        } else {
            Palette99::pick(at + 2).to_rgba()
        };
        let points = line.points.iter().copied();
        chart
            .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))
            .map_err(io::Error::other)?
            .label(line.label.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(3)));
        chart
            .draw_series(points.map(|point| Circle::new(point, 3, color.filled())))
            .map_err(io::Error::other)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(FONT)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()
        .map_err(io::Error::other)?;
    area.present().map_err(io::Error::other)
}
