//! The comparison with the peer: for each thing that must reach something a pair of bars, of which the
//! longer is as long as in all other pairs.

use super::super::table::{Beside, Bound, KUBE_RS, Row, number};
use super::svg::{Anchor, Class, Svg};

const WIDTH: f64 = 800.0;

/// Where bars begin, and how long the longer ones are.
const LEFT: f64 = 330.0;
const LENGTH: f64 = 325.0;

const BAR: f64 = 13.0;
const PAIR: f64 = 40.0;
const TOP: f64 = 34.0;

pub(super) fn draw(rows: &[Row]) -> String {
    let judged = rows
        .iter()
        .filter(|row| !matches!(row.bound, Bound::Nothing));
    let pairs = judged.filter_map(|row| Some((row, row.beside?)));
    let pairs: Vec<_> = pairs.filter(|(_, beside)| beside.who == KUBE_RS).collect();
    let height = TOP + PAIR * pairs.len() as f64;
    let mut svg = Svg::new(WIDTH, height, "Heliostat, packed, beside kube-rs");
    for (place, (row, beside)) in pairs.into_iter().enumerate() {
        pair(&mut svg, TOP + PAIR * place as f64, row, beside);
    }
    svg.finish()
}

fn pair(svg: &mut Svg, top: f64, row: &Row, beside: Beside) {
    let longest = row.ours.max(beside.value);
    svg.text((LEFT - 10.0, top + BAR + 4.0), Anchor::End, "", &row.work);
    for (class, name, value, y) in [
        (Class::Ours, "Heliostat", row.ours, top),
        (Class::Theirs, KUBE_RS, beside.value, top + BAR + 2.0),
    ] {
        let length = (LENGTH * value / longest).max(1.0);
        svg.bar(class, (LEFT, y), (length, BAR));
        let label = format!("{name} {} {}", number(value), row.unit);
        let x = LEFT + length + 6.0;
        svg.text((x, y + BAR - 3.0), Anchor::Start, "small", &label);
    }
}
