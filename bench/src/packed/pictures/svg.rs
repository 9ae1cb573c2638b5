//! As much of SVG as the pictures need: text, lines, bars, and colours that follow the reader's scheme.

use std::fmt::Write as _;

/// A picture.
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// What a shape is, which decides its colour.
#[derive(Clone, Copy)]
pub(super) enum Class {
    Ours,
    Theirs,
    /// Lines that help the eye.
    Grid,
}

/// Where a text stands to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Text in the colour of the page's own text would be lost in an image: an SVG knows the reader's scheme,
/// and not the page's.
const STYLE: &str = "
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .small { font-size: 11px; fill: #59636e; }
  .title { font-size: 15px; font-weight: 600; }
  .ours { fill: #1f6feb; } .theirs { fill: #bc4c00; } .grid { fill: #d1d9e0; }
  path { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  path.ours { fill: none; stroke: #1f6feb; } path.theirs { fill: none; stroke: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; } .grid { fill: #3d444d; }
    .ours { fill: #58a6ff; } .theirs { fill: #f0883e; }
    path.ours { stroke: #58a6ff; } path.theirs { stroke: #f0883e; }
  }
";

impl Svg {
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Self {
            width,
            height,
            body: String::new(),
        };
        svg.text((0.0, 16.0), Anchor::Start, "title", title);
        svg
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, style: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.put(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{style}\">{text}</text>"
        ));
    }

    pub(super) fn bar(&mut self, class: Class, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let class = class.name();
        self.put(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"/>"
        ));
    }

    pub(super) fn line(&mut self, class: Class, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (x, y) in points {
            let step = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{step}{x:.1} {y:.1}");
        }
        let class = class.name();
        self.put(&format!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    pub(super) fn finish(self) -> String {
        let Self {
            width,
            height,
            body,
        } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\">\n<style>{STYLE}</style>\n{body}</svg>\n"
        )
    }

    fn put(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }
}

impl Class {
    const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
            Self::Grid => "grid",
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_become_markup() {
        let mut svg = Svg::new(10.0, 10.0, "a < b & c");
        svg.line(Class::Ours, [(1.0, 2.0), (3.0, 4.0)]);
        let svg = svg.finish();
        assert!(svg.contains("a &lt; b &amp; c"));
        assert!(svg.contains("d=\"M1.0 2.0L3.0 4.0\""));
    }
}
