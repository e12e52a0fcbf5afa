//! Reducing a picture strip by strip while it is decoded. What comes out is what [`Resizer::raster`] makes of the whole picture, but
//! for a last bit here and there: the weights are the same.

use super::horizontal::Horizontal;
use super::kernel::RADIUS;
use super::resize::{Fit, Resizer, Step, pixel_type, repeat, repeats};
use super::vertical::Vertical;
use super::{RenderJob, geometry};
use crate::media::{Coming, Reduce, Rows};
use crate::model::PixelSize;

/// Bytes of a strip, and rows at least.
const STRIP: usize = 512 << 10;
const LEAST_ROWS: usize = 64;
/// Rows of the result that wait for their columns: what stays near the processor, and bytes where weights are computed anew each time.
const LINES: usize = 32;
const MANY_LINES: usize = 4 << 20;

/// Reduces pictures for a job, with the scratch memory of its renderer.
pub struct Reducer<'r> {
    resizer: &'r mut Resizer,
    job: &'r RenderJob,
    work: Option<Work>,
}

/// One picture on its way.
struct Work {
    step: Step,
    from: PixelSize,
    to: PixelSize,
    /// The columns of lines that the result shows: left and width.
    shown: (f64, f64),
    /// How often the outer columns are repeated in lines on each side, in bytes.
    margin: usize,
    /// None where another program's will do.
    horizontal: Option<Horizontal>,
    /// Rows that lie beyond the upper and the lower edge each: those are like the one at the edge. They count as rows of the source.
    beyond: usize,
    vertical: Vertical,
    /// A strip, and which row of the source its first one is.
    strip: Vec<u8>,
    first: usize,
    /// Rows in the strip.
    filled: usize,
    /// Rows of the result as wide as the source and its margins, behind those that are made; and how many there are, and could be.
    lines: Vec<u8>,
    waiting: usize,
    most: usize,
    /// Rows of the source that came.
    seen: usize,
    /// Rows of the result that are made.
    made: usize,
    samples: Vec<u8>,
}

impl<'r> Reducer<'r> {
    /// For this job.
    pub const fn new(resizer: &'r mut Resizer, job: &'r RenderJob) -> Self {
        Self { resizer, job, work: None }
    }
}

impl Rows for Reducer<'_> {
    fn room(&mut self) -> &mut [u8] {
        self.work.as_mut().map(Work::room).unwrap_or_default()
    }

    fn came(&mut self, rows: usize) {
        if let Some(mut work) = self.work.take() {
            self.work = work.take(rows, self.resizer).map(|()| work);
        }
    }
}

impl Reduce for Reducer<'_> {
    fn begin(&mut self, picture: &Coming) -> bool {
        self.work = Work::new(picture, self.job);
        self.work.is_some()
    }

    fn finish(&mut self) -> Option<(PixelSize, Vec<u8>)> {
        let work = self.work.take()?;
        (work.made == work.to.height as usize).then_some((work.to, work.samples))
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "numbers of rows; floats saturate"
)]
impl Work {
    fn new(picture: &Coming, job: &RenderJob) -> Option<Self> {
        let &Coming { size: from, full_size, model, orientation } = picture;
        if job.needs_full_size() || model.has_alpha() {
            return None;
        }
        let transposed = orientation.transposes();
        let upright = if transposed { full_size.transposed() } else { full_size };
        let base = geometry::outside(upright, job.preview_size);
        let to = if transposed { base.transposed() } else { base };
        if from.width < to.width || from.height < to.height || from == to {
            return None;
        }
        let step = Step { pixel: pixel_type(model, false), alpha: false, fit: Fit::Outside };
        let (width, height) = step.fit.shown(from, to);
        let (left, top) = ((f64::from(from.width) - width) / 2.0, (f64::from(from.height) - height) / 2.0);
        let beyond = (-top).ceil().max(0.0) as usize;
        let pitch = from.width as usize * model.channels();
        // A strip, what the kernel needs of the one before, and what is beyond the edges.
        let kept = 2 * (RADIUS * height / f64::from(to.height)).ceil() as usize + 4;
        let rows = (STRIP / pitch.max(1)).clamp(LEAST_ROWS, (from.height as usize).max(LEAST_ROWS));
        let strip = (rows + kept + 2 * beyond).checked_mul(pitch)?;
        let samples = usize::try_from(to.pixels()).ok()?.checked_mul(model.channels())?;
        let margin = repeats(width, from.width) as usize;
        let (shown, wide) = ((left + margin as f64, width), from.width as usize + 2 * margin);
        let horizontal = Horizontal::new(model.channels(), wide, shown, to.width as usize);
        let line = wide * model.channels();
        let most = if horizontal.is_some() { LINES } else { (MANY_LINES / line.max(1)).max(LINES) };
        let slack = horizontal.as_ref().map_or(0, Horizontal::slack);
        Some(Self {
            step,
            from,
            to,
            shown,
            margin: margin * model.channels(),
            horizontal,
            beyond,
            vertical: Vertical::new(
                from.height as usize + 2 * beyond,
                (top + beyond as f64, height),
                to.height as usize,
            ),
            strip: vec![0; strip],
            first: 0,
            filled: beyond,
            lines: vec![0; most.checked_mul(line)?.checked_add(slack)?],
            waiting: 0,
            most,
            seen: 0,
            made: 0,
            samples: vec![0; samples],
        })
    }

    /// Bytes of a row of the source.
    fn pitch(&self) -> usize {
        self.from.width as usize * self.step.pixel.size()
    }

    fn room(&mut self) -> &mut [u8] {
        let pitch = self.pitch();
        let end = self.strip.len().saturating_sub(self.beyond * pitch);
        self.strip.get_mut(self.filled * pitch..end).unwrap_or_default()
    }

    fn take(&mut self, rows: usize, resizer: &mut Resizer) -> Option<()> {
        let pitch = self.pitch();
        if self.seen == 0 && self.beyond > 0 {
            let (above, came) = self.strip.split_at_mut_checked(self.beyond * pitch)?;
            repeat(above, came.get(..pitch)?);
        }
        self.filled += rows;
        self.seen += rows;
        if self.seen == self.from.height as usize && self.beyond > 0 {
            let (came, below) = self.strip.split_at_mut_checked(self.filled * pitch)?;
            repeat(below.get_mut(..self.beyond * pitch)?, came.get(came.len().checked_sub(pitch)?..)?);
            self.filled += self.beyond;
        }
        self.reduce(resizer)
    }

    /// Makes the rows of the result whose sources are there.
    fn reduce(&mut self, resizer: &mut Resizer) -> Option<()> {
        let height = self.to.height as usize;
        while self.lower()? {
            self.narrow(resizer)?;
        }
        let pitch = self.pitch();
        if self.room().len() >= LEAST_ROWS * pitch {
            return Some(());
        }
        // What the next row does not reach.
        let (there, done) = (self.first + self.filled, self.made + self.waiting);
        let next = if done < height { self.vertical.sources(done).start } else { there };
        let gone = next.saturating_sub(self.first).min(self.filled);
        self.strip.copy_within(gone * pitch..self.filled * pitch, 0);
        self.filled -= gone;
        self.first += gone;
        Some(())
    }

    /// Makes lines of the rows that are there; tells whether all that there is room for, or the last ones, wait now.
    fn lower(&mut self) -> Option<bool> {
        let (pitch, there, height) = (self.pitch(), self.first + self.filled, self.to.height as usize);
        let wide = pitch + 2 * self.margin;
        for line in self.lines.chunks_exact_mut(wide).take(self.most).skip(self.waiting) {
            let row = self.made + self.waiting;
            let sources = self.vertical.sources(row);
            if row == height || sources.end > there {
                return Some(row == height && self.waiting > 0);
            }
            let from = sources.start.checked_sub(self.first)? * pitch;
            let (left, rest) = line.split_at_mut_checked(self.margin)?;
            let (middle, right) = rest.split_at_mut_checked(pitch)?;
            self.vertical.reduce(row, self.strip.get(from..from + sources.len() * pitch)?, middle);
            if self.margin > 0 {
                let pixel = self.step.pixel.size();
                repeat(left, middle.get(..pixel)?);
                repeat(right, middle.get(pitch.checked_sub(pixel)?..)?);
            }
            self.waiting += 1;
        }
        Some(true)
    }

    /// Scales the lines that wait to the next rows of the result.
    fn narrow(&mut self, resizer: &mut Resizer) -> Option<()> {
        let (pixel, waiting) = (self.step.pixel.size(), self.waiting);
        let (line, wide) = (self.to.width as usize * pixel, self.pitch() + 2 * self.margin);
        let target = self.samples.get_mut(self.made * line..(self.made + waiting) * line)?;
        self.made += waiting;
        self.waiting = 0;
        if let Some(horizontal) = &self.horizontal {
            return horizontal.reduce(self.lines.get(..waiting * wide + horizontal.slack())?, target);
        }
        let high = u32::try_from(waiting).ok()?;
        let (from, to) =
            (PixelSize::new(u32::try_from(wide / pixel).ok()?, high), PixelSize::new(self.to.width, high));
        let ((left, width), lines) = (self.shown, self.lines.get(..waiting * wide)?);
        resizer.region(self.step, (lines, from), (target, to), (left, 0.0, width, high.into())).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a panic is a failed test"
    )]

    use super::*;
    use crate::media::{ColorModel, Samples};
    use crate::model::{ImageSettings, Orientation, Role};
    use crate::render::raster::Raster;

    /// Noise on a ramp, too weak for anything to be clipped between two steps.
    fn picture(size: PixelSize, channels: usize) -> Vec<u8> {
        let mut state = 7_u32;
        (0..size.width as usize * size.height as usize * channels)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                60 + (state >> 27) as u8 + (n / 97 % 120) as u8
            })
            .collect()
    }

    /// Hands all rows over, as many at once as there is room for.
    fn feed(reducer: &mut Reducer<'_>, mut samples: &[u8], line: usize) {
        while !samples.is_empty() {
            let room = reducer.room();
            let rows = (room.len() / line).min(samples.len() / line);
            assert!(rows > 0);
            let (now, later) = samples.split_at(rows * line);
            room[..now.len()].copy_from_slice(now);
            reducer.came(rows);
            samples = later;
        }
    }

    fn job(side: u32) -> RenderJob {
        let mut settings = ImageSettings::default();
        settings.preview.size = side;
        RenderJob::new(&settings, &[Role::Preview], true)
    }

    #[test]
    fn strips_give_what_the_whole_picture_gives() {
        // Exact factors, rounded sides that show less or more than there is, narrow and low ones, one strip and many.
        let sizes = [
            (1600, 1200),
            (1237, 911),
            (911, 1237),
            (640, 2500),
            (2500, 331),
            (801, 1203),
            (333, 1000),
            (4000, 3000),
        ];
        for (model, side) in [(ColorModel::Rgb, 300), (ColorModel::Rgb, 77), (ColorModel::Gray, 299)] {
            for size in sizes.map(|(width, height)| PixelSize::new(width, height)) {
                for orientation in [Orientation::UPRIGHT, Orientation::from_exif(6).unwrap()] {
                    let samples = picture(size, model.channels());
                    let job = job(side);
                    let mut resizer = Resizer::default();
                    let mut reducer = Reducer::new(&mut resizer, &job);
                    let coming = Coming { size, full_size: size, model, orientation };
                    assert!(reducer.begin(&coming));
                    feed(&mut reducer, &samples, size.width as usize * model.channels());
                    let (to, reduced) = reducer.finish().unwrap();
                    let whole = Raster::new(size, model, Samples::U8(samples)).unwrap();
                    let whole = resizer.raster(&whole, to, Fit::Outside).unwrap();
                    let Samples::U8(whole) = whole.samples() else { panic!("depth changed") };
                    let off = whole.iter().zip(&reduced).map(|(a, b)| a.abs_diff(*b));
                    let (most, sum) =
                        off.fold((0, 0), |(most, sum), off| (off.max(most), sum + usize::from(off)));
                    assert_eq!(whole.len(), reduced.len());
                    // Rows are summed in fewer bits; where an edge is repeated, the whole picture is reduced in another order.
                    let (width, height) = Fit::Outside.shown(size, to);
                    let beyond = width > size.width.into() || height > size.height.into();
                    assert!(most <= 2, "{size:?} {to:?} {most}");
                    assert!(sum * if beyond { 3 } else { 10 } < whole.len(), "{size:?} {to:?} {sum}");
                }
            }
        }
    }

    #[test]
    fn what_lacks_rows_is_no_picture() {
        let (job, size) = (job(100), PixelSize::new(400, 300));
        let mut resizer = Resizer::default();
        let mut reducer = Reducer::new(&mut resizer, &job);
        let coming =
            Coming { size, full_size: size, model: ColorModel::Rgb, orientation: Orientation::UPRIGHT };
        assert!(reducer.begin(&coming));
        feed(&mut reducer, &vec![1; 400 * 3 * 299], 400 * 3);
        assert_eq!(reducer.finish(), None);
        // A small picture is taken as it is.
        let size = PixelSize::new(90, 80);
        assert!(!reducer.begin(&Coming { size, full_size: size, ..coming }));
    }
}
