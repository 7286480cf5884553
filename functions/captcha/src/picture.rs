//! The picture of a CAPTCHA: its characters are distorted, touch, and are crossed by lines of the same pen.
//!
//! Programs first segment a picture into letters; people don't need to. So the characters overlap, and each has its
//! own tilt, slant and size. One wave distorts all of them, and extra lines join them (ink) and cut them (paper). The
//! picture is no obstacle to a program that was trained on this source, and none is meant: people have to read it at
//! once.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "places on a sheet of 480 × 160 pixels and greys from 0 to 15 fit every type here, and casts from floats saturate"
)]

use std::ops::Range;

use crate::glyphs::{Point, Stroke, glyph};
use crate::rng::DeterministicRng;

/// The sheet in units of layout, a CSS pixel of a narrow phone.
const SHEET: (f32, f32) = (240.0, 80.0);
/// Pixels of the bitmap per unit: sharp on the screens of phones, and large on others.
const SCALE: usize = 2;
/// The width of the bitmap in pixels.
pub const WIDTH: usize = 240 * SCALE;
/// The height of the bitmap in pixels. Leaves room above and below a capital for the distortion.
pub const HEIGHT: usize = 80 * SCALE;

/// The tone of a pixel that the pen covers completely; 0 is paper.
const INK: f32 = 1.0;
const PAPER: f32 = 0.0;
/// Width of the strokes of letters, in units.
const PEN: f32 = 4.6;
/// Width of the extra lines, in units. People see that they are thinner; a threshold filter doesn't.
const STRAY: f32 = 3.0;
/// Width of the cuts, in units.
const CUT: f32 = 1.4;
/// Height of a capital before distortion, in units.
const LETTER: f32 = 51.0;

/// Draws `answer` as a PNG of 480 × 160 pixels in sixteen greys. The same seed gives the same bytes.
///
/// A character outside the alphabet leaves a gap.
pub fn render(answer: &str, seed: &[u8; 32]) -> Vec<u8> {
    let mut rng = DeterministicRng::new(seed);
    let mut canvas = Canvas::new(&mut rng);
    letters(&mut canvas, &mut rng, answer);
    for falling in [true, false] {
        canvas.draw(&wander(&mut rng, falling), STRAY, INK);
        canvas.draw(&wander(&mut rng, falling), CUT, PAPER);
    }
    speckle(&mut canvas, &mut rng);
    canvas.png()
}

/// Draws each character with its own tilt, slant, size and height, so tightly that neighbours touch.
fn letters(canvas: &mut Canvas, rng: &mut DeterministicRng, answer: &str) {
    let glyphs: Vec<_> = answer.chars().filter_map(glyph).collect();
    let mut placed = Vec::new();
    let mut end = 0.0;
    for (width, strokes) in glyphs {
        let across = LETTER / 100.0 * rng.between(0.86, 1.12);
        let down = LETTER / 100.0 * rng.between(0.88, 1.16);
        let (sine, cosine) = rng.between(-0.26, 0.26).sin_cos();
        let slant = rng.between(-0.22, 0.22);
        let rise = rng.between(-5.0, 5.0);
        let place = move |(x, y): Point| {
            let (x, y) = ((x - width / 2.0) * across, (y - 50.0) * down);
            let x = x - y * slant;
            (x * cosine - y * sine, x * sine + y * cosine + rise)
        };
        let outlines: Vec<Vec<Point>> =
            strokes.iter().map(|stroke| path(stroke).into_iter().map(place).collect()).collect();
        let (left, right) = extent(outlines.iter().flatten().map(|point| point.0));
        let middle = end - left;
        end = middle + right + rng.between(0.5, 6.0);
        placed.extend(outlines.into_iter().map(|line| (middle, line)));
    }
    // Wide words are compressed; narrow ones are stretched a little and shifted.
    let room = SHEET.0 - 2.0 * PEN - 10.0;
    let stretch = (room / end).min(1.3);
    let start = PEN + 5.0 + (room - end * stretch).max(0.0) * rng.between(0.0, 1.0);
    for (middle, line) in placed {
        let line: Vec<Point> = line
            .into_iter()
            .map(|(x, y)| (start + middle * stretch + x * stretch.min(1.0), SHEET.1 / 2.0 + y))
            .collect();
        canvas.draw(&line, PEN, INK);
    }
}

/// Returns a stroke as points at most a few pixels apart, so that the wave bends straight lines too.
fn path(stroke: &Stroke) -> Vec<Point> {
    const STEPS: u8 = 8;
    let (points, curved) = match stroke {
        Stroke::Line(points) => (*points, false),
        Stroke::Curve(points) => (*points, true),
    };
    let last = points.len() - 1;
    let closed = points[0] == points[last];
    let mut line = vec![points[0]];
    for from in 0..last {
        for step in 1..=STEPS {
            let t = f32::from(step) / f32::from(STEPS);
            let (a, b) = (points[from], points[from + 1]);
            line.push(if curved {
                let before = points[if from > 0 {
                    from - 1
                } else if closed {
                    last - 1
                } else {
                    0
                }];
                let after = points[if from + 1 < last {
                    from + 2
                } else if closed {
                    1
                } else {
                    last
                }];
                (spline(before.0, a.0, b.0, after.0, t), spline(before.1, a.1, b.1, after.1, t))
            } else {
                (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t)
            });
        }
    }
    line
}

/// Catmull–Rom spline from `a` to `b`; the tangents follow the points before and after.
fn spline(before: f32, a: f32, b: f32, after: f32, t: f32) -> f32 {
    let (leave, arrive) = ((b - before) / 2.0, (after - a) / 2.0);
    let (t2, t3) = (t * t, t * t * t);
    (2.0 * t3 - 3.0 * t2 + 1.0) * a
        + (t3 - 2.0 * t2 + t) * leave
        + (3.0 * t2 - 2.0 * t3) * b
        + (t3 - t2) * arrive
}

/// Returns a slightly curved line across the letters.
fn wander(rng: &mut DeterministicRng, falling: bool) -> Vec<Point> {
    let (from, to) = (rng.between(-20.0, 70.0), rng.between(170.0, 260.0));
    let high = rng.between(10.0, 26.0);
    let low = SHEET.1 - rng.between(10.0, 26.0);
    let (left, right) = if falling { (high, low) } else { (low, high) };
    let (bow, turns, phase) = (rng.between(4.0, 10.0), rng.between(0.7, 1.5), rng.between(0.0, 6.3));
    (0..=60)
        .map(|step: u8| {
            let t = f32::from(step) / 60.0;
            (from + (to - from) * t, left + (right - left) * t + bow * (phase + 6.3 * turns * t).sin())
        })
        .collect()
}

/// Adds dots of ink beside the letters and of paper inside them, so that neither area is uniform.
fn speckle(canvas: &mut Canvas, rng: &mut DeterministicRng) {
    for dot in 0..150 {
        let at = (rng.between(2.0, SHEET.0 - 2.0), rng.between(2.0, SHEET.1 - 2.0));
        let tone = if dot % 3 == 0 { PAPER } else { INK };
        let size = rng.between(0.8, 2.2);
        canvas.draw(&[at, at], size, tone);
    }
}

/// The wave that distorts everything, and the bitmap: ink from 0 to 1 for every pixel.
struct Canvas {
    ink: Vec<f32>,
    wave: [(f32, f32, f32); 2],
}

impl Canvas {
    fn new(rng: &mut DeterministicRng) -> Self {
        let mut wave = || (rng.between(1.5, 3.5), rng.between(0.06, 0.11), rng.between(0.0, 6.3));
        Self { wave: [wave(), wave()], ink: vec![PAPER; WIDTH * HEIGHT] }
    }

    fn bend(&self, (x, y): Point) -> Point {
        let [(reach_x, rate_x, phase_x), (reach_y, rate_y, phase_y)] = self.wave;
        (x + reach_x * (y * rate_x + phase_x).sin(), y + reach_y * (x * rate_y + phase_y).sin())
    }

    /// Draws the points with a round pen in `tone`. Edges are antialiased over one pixel.
    fn draw(&mut self, line: &[Point], pen: f32, tone: f32) {
        let scale = SCALE as f32;
        let pixels = |(x, y): Point| (x * scale, y * scale);
        let line: Vec<Point> = line.iter().map(|point| pixels(self.bend(*point))).collect();
        let pen = pen * scale;
        let reach = pen / 2.0 + 1.0;
        let rows = span(line.iter().map(|point| point.1), reach, HEIGHT);
        // One stroke covers a pixel once, however often it crosses it: the greatest coverage counts.
        let mut cover = vec![0.0_f32; rows.len() * WIDTH];
        for pair in line.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            for row in span([a.1, b.1], reach, HEIGHT) {
                for column in span([a.0, b.0], reach, WIDTH) {
                    let at = (column as f32 + 0.5, row as f32 + 0.5);
                    let covered = (pen / 2.0 + 0.5 - distance(at, a, b)).clamp(0.0, 1.0);
                    let pixel = &mut cover[(row - rows.start) * WIDTH + column];
                    *pixel = pixel.max(covered);
                }
            }
        }
        for (pixel, covered) in self.ink[rows.start * WIDTH..].iter_mut().zip(cover) {
            *pixel += (tone - *pixel) * covered;
        }
    }

    /// Encodes sixteen greys, two pixels a byte. Ink is dark on light paper with a border, in every colour scheme of
    /// the page.
    fn png(&self) -> Vec<u8> {
        let grey = |row: usize, column: usize| -> u8 {
            let edge = row == 0 || row == HEIGHT - 1 || column == 0 || column == WIDTH - 1;
            let ink = if edge { 0.5 } else { self.ink[row * WIDTH + column] };
            (15.0 - ink * 13.0).round() as u8
        };
        let packed: Vec<u8> = (0..HEIGHT * WIDTH / 2)
            .map(|pair| {
                let (row, column) = (pair * 2 / WIDTH, pair * 2 % WIDTH);
                grey(row, column) << 4 | grey(row, column + 1)
            })
            .collect();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, WIDTH as u32, HEIGHT as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Four);
        encoder.set_compression(png::Compression::High);
        let written = encoder.write_header().and_then(|mut image| image.write_image_data(&packed));
        #[expect(clippy::expect_used, reason = "a Vec takes every write, and the size is constant")]
        written.expect("a picture of constant size is encoded into memory");
        file
    }
}

/// Returns the rows or columns that `places`, widened by `reach`, touch.
fn span(places: impl IntoIterator<Item = f32>, reach: f32, end: usize) -> Range<usize> {
    let (low, high) = extent(places);
    let index = |place: f32| (place.max(0.0) as usize).min(end);
    index(low - reach)..index(high + reach + 1.0)
}

/// Returns the minimum and maximum of `places`.
fn extent(places: impl IntoIterator<Item = f32>) -> (f32, f32) {
    places.into_iter().fold((f32::MAX, f32::MIN), |(low, high), place| (low.min(place), high.max(place)))
}

/// Returns the distance from `place` to the line segment between `from` and `to`.
fn distance(place: Point, from: Point, to: Point) -> f32 {
    let along = (to.0 - from.0, to.1 - from.1);
    let away = (place.0 - from.0, place.1 - from.1);
    let length = along.0 * along.0 + along.1 * along.1;
    let part = if length > 0.0 { (away.0 * along.0 + away.1 * along.1) / length } else { 0.0 };
    let part = part.clamp(0.0, 1.0);
    (away.0 - along.0 * part).hypot(away.1 - along.1 * part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::domain::captcha::ALPHABET;

    #[test]
    fn picture_has_fixed_dimensions_and_small_file_size() {
        for seed in 0..20 {
            let file = render("WMHKXR", &[seed; 32]);
            assert!(file.len() < 12 * 1024, "{} bytes", file.len());
            let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
            assert_eq!((reader.info().width as usize, reader.info().height as usize), (WIDTH, HEIGHT));
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert!(pixels.contains(&0xFF), "light paper");
            assert!(pixels.contains(&0x22), "dark ink");
        }
    }

    #[test]
    fn picture_depends_only_on_answer_and_seed() {
        assert_eq!(render("345678", &[1; 32]), render("345678", &[1; 32]));
        assert_ne!(render("345678", &[1; 32]), render("345678", &[2; 32]));
        assert_ne!(render("345678", &[1; 32]), render("345679", &[1; 32]));
    }

    #[test]
    fn each_alphabet_character_has_a_distinct_shape() {
        let shapes: std::collections::BTreeSet<_> =
            ALPHABET.iter().map(|character| render(&char::from(*character).to_string(), &[1; 32])).collect();
        assert_eq!(shapes.len(), ALPHABET.len());
        assert!(!shapes.contains(&render("", &[1; 32])), "a character without strokes");
    }
}
