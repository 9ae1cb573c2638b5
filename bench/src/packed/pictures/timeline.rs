//! The memory of both over the time, through all stages.

use super::svg::{Anchor, Class, Svg};
use heliostat_bench::stages::{Sample, Stages};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 360.0;

/// The plot, within the picture.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 262.0;

/// The strips below, which tell the stages of each.
const STRIP: f64 = 10.0;

const MB: f64 = 1e6;

const STAGES: [&str; 4] = ["sync", "updates", "relist", "relist, all changed"];

/// From seconds and bytes to places.
struct Scale {
    seconds: f64,
    bytes: f64,
}

impl Scale {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * seconds / self.seconds
    }

    fn y(&self, bytes: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * bytes / self.bytes
    }
}

pub(super) fn draw(ours: &Stages, theirs: &Stages) -> String {
    let all = || ours.samples.iter().chain(&theirs.samples);
    let most = |of: fn(&Sample) -> f64| all().map(of).fold(1.0, f64::max);
    let level_step = step(most(|sample| sample.resident));
    let scale = Scale {
        seconds: most(|sample| sample.at),
        bytes: (most(|sample| sample.resident) / level_step).ceil() * level_step,
    };
    let mut svg = Svg::new(WIDTH, HEIGHT, "Resident memory of the process, MB");
    let mut level = 0.0;
    while level <= scale.bytes {
        let y = scale.y(level);
        svg.bar(Class::Grid, (LEFT, y), (RIGHT - LEFT, 0.7));
        let label = format!("{:.0}", level / MB);
        svg.text((LEFT - 8.0, y + 4.0), Anchor::End, "small", &label);
        level += level_step;
    }
    let mut second = 0.0;
    while second <= scale.seconds {
        let x = scale.x(second);
        svg.text(
            (x, BOTTOM + 16.0),
            Anchor::Middle,
            "small",
            &format!("{second} s"),
        );
        second += step(scale.seconds);
    }
    for (class, name, samples, strip) in [
        (Class::Theirs, "kube-rs", &theirs.samples, BOTTOM + 34.0),
        (Class::Ours, "Heliostat", &ours.samples, BOTTOM + 68.0),
    ] {
        let points = samples
            .iter()
            .map(|sample| (scale.x(sample.at), scale.y(sample.resident)));
        svg.line(class, points);
        svg.text((LEFT - 8.0, strip + STRIP), Anchor::End, "small", name);
        stages(&mut svg, class, &scale, samples, strip);
    }
    svg.finish()
}

/// A strip with a bar for each stage.
fn stages(svg: &mut Svg, class: Class, scale: &Scale, samples: &[Sample], y: f64) {
    for (name, stage) in STAGES.iter().zip(1..) {
        let mut of = samples.iter().filter(|sample| sample.stage == stage);
        let Some(first) = of.next() else {
            continue;
        };
        let last = of.next_back().unwrap_or(first);
        let (from, to) = (scale.x(first.at), scale.x(last.at));
        svg.bar(class, (from, y), ((to - from).max(1.5), STRIP));
        svg.text((from, y + STRIP + 12.0), Anchor::Start, "small", name);
    }
}

/// The distance of two lines of the grid: a round number that makes a handful of them.
fn step(most: f64) -> f64 {
    let raw = most / 5.0;
    let power = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0];
    let factor = factor.into_iter().find(|factor| factor * power >= raw);
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_grid_are_at_round_numbers() {
        assert!((step(1_024.0) - 500.0).abs() < 1e-9);
        assert!((step(480.0) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_stage_is_drawn_from_its_first_sample_to_its_last() {
        let sample = |at, stage| Sample {
            at,
            stage,
            resident: 50.0 * MB,
        };
        let ours = Stages {
            samples: vec![sample(0.0, 1), sample(5.0, 1), sample(10.0, 0)],
            ..Stages::default()
        };
        let svg = draw(&ours, &Stages::default());
        let half = (RIGHT - LEFT) / 2.0;
        assert!(svg.contains(&format!("x=\"{LEFT:.1}\" y=\"330.0\" width=\"{half:.1}\"")));
    }
}
