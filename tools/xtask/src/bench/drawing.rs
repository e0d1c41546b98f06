//! Drawings in SVG 1.1, for light and dark pages alike.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
/// A title's height.
const TITLE: f64 = 44.0;

const STYLE: &str = "text{font:12px sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}\
.small{font-size:11px;fill:#57606a}.value{font-size:11px}.bar{fill:#3b6fb6}.later{fill:#c8752b}\
.axis{stroke:#d0d7de;stroke-width:1}.goal{stroke:#a40e26;stroke-width:1;stroke-dasharray:4 3}\
.goalname{font-size:11px;fill:#a40e26}.rival{fill:#6b7b3a}.all{font-weight:600}";
/// A drawing that grows downwards.
pub struct Drawing {
    body: String,
    /// How far down it has come.
    pub y: f64,
}

impl Drawing {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            body: String::new(),
            y: -12.0,
        }
    }

    /// Text on the present line, from `x`, around it or up to it, by `anchor`.
    pub fn text(&mut self, x: f64, anchor: &str, class: &str, text: &str) {
        let baseline = self.y;
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{baseline:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        );
    }

    /// A bar by its upper left corner and its size.
    pub fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="{class}"/>"#
        );
    }

    /// A dot around a point.
    pub fn dot(&mut self, (x, y): (f64, f64), class: &str) {
        let _ = writeln!(
            self.body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" class="{class}"/>"#
        );
    }

    /// A line between two points.
    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#
        );
    }

    /// A title, with room around it.
    pub fn title(&mut self, text: &str) {
        self.y += TITLE;
        self.text(16.0, "start", "title", text);
        self.y += 12.0;
    }

    /// The whole picture.
    pub fn finish(self) -> String {
        let height = self.y + 24.0;
        let body = self.body;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
             width=\"{WIDTH}\" height=\"{height:.0}\">\n<style>{STYLE}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }
}
