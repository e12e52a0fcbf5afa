//! Lines of a stream without a copy or an allocation for each, and the fast way over rows that nobody wants.

use std::io::{self, Read};

/// Bytes asked for at once.
const CHUNK: usize = 256 << 10;

/// No line that is read here is longer; rows that are skipped may be.
pub(super) const LONGEST_LINE: usize = 64 << 20;

/// Reads a stream line by line.
#[derive(Debug)]
pub(super) struct Lines<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
}

/// One line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub bytes: &'a [u8],
    /// Whether a newline followed; otherwise the stream ended here.
    pub ended: bool,
    /// Where it begins in the stream.
    pub offset: u64,
}

/// How skipping rows ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// At the line `\.`, which was taken too.
    AtEnd,
    /// The stream ended before it.
    StreamEnded,
}

impl<R: Read> Lines<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; CHUNK], start: 0, end: 0, offset: 0 }
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line; `None` at the end of the stream. A line beyond [`LONGEST_LINE`] is an `InvalidData` error.
    pub fn line(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut searched = 0;
        let (length, ended) = loop {
            let unread = self.buffer.get(self.start + searched..self.end).unwrap_or_default();
            if let Some(found) = memchr::memchr(b'\n', unread) {
                break (searched + found, true);
            }
            searched = self.end - self.start;
            if searched > LONGEST_LINE {
                let what = format!("a line is longer than {LONGEST_LINE} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            if self.fill()? == 0 {
                break (searched, false);
            }
        };
        if length == 0 && !ended {
            return Ok(None);
        }
        let (from, offset) = (self.start, self.offset);
        self.take(length + usize::from(ended));
        let bytes = self.buffer.get(from..from + length).unwrap_or_default();
        Ok(Some(Line { bytes, ended, offset }))
    }

    /// Passes over the rows of a table. Only the line that ends them can begin with `\.`, since COPY doubles the
    /// backslashes of values.
    pub fn skip_rows(&mut self) -> io::Result<Skipped> {
        let needle = memchr::memmem::Finder::new(b"\n\\.");
        // The first row follows a newline that has been taken already.
        let mut at_row_start = true;
        loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            let found = if at_row_start && unread.starts_with(b"\\.") {
                Some(2)
            } else {
                needle.find(unread).map(|at| at + 3)
            };
            if let Some(past) = found {
                self.take(past);
                // What is left of that line is its end.
                return Ok(match self.line()? {
                    Some(line) if line.ended && matches!(line.bytes, b"" | b"\r") => Skipped::AtEnd,
                    _ => Skipped::StreamEnded,
                });
            }
            // Three bytes may be the beginning of what is looked for.
            let keep = if at_row_start && unread.len() < 2 { unread.len() } else { unread.len().min(2) };
            at_row_start &= unread.len() < 2;
            self.take(unread.len() - keep);
            if self.fill()? == 0 {
                self.take(keep);
                return Ok(Skipped::StreamEnded);
            }
        }
    }

    /// The first bytes of the stream, at most `most` of them; nothing is taken.
    pub fn peek(&mut self, most: usize) -> io::Result<&[u8]> {
        while self.end - self.start < most && self.fill()? > 0 {}
        let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
        Ok(unread.get(..most).unwrap_or(unread))
    }

    /// Takes some of the bytes that are there.
    pub fn take(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < self.end + CHUNK / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.inner.read(room) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    /// Gives at most so many bytes at once.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let (head, _) = self.0.split_at(self.1.min(self.0.len()));
            (&*head).read(out).inspect(|&count| self.0 = self.0.get(count..).unwrap())
        }
    }

    #[test]
    fn lines_longer_than_the_buffer_come_whole() {
        let long = vec![b'x'; CHUNK * 3 + 7];
        let text = [&long[..], b"\n\nend"].concat();
        let mut lines = Lines::new(&text[..]);
        assert_eq!(lines.line().unwrap().unwrap().bytes.len(), long.len());
        assert_eq!(lines.line().unwrap().unwrap().bytes, b"");
        let last = lines.line().unwrap().unwrap();
        assert_eq!((last.bytes, last.ended, last.offset), (&b"end"[..], false, long.len() as u64 + 2));
        assert_eq!(lines.line().unwrap(), None);
        assert_eq!(lines.offset(), text.len() as u64);
    }

    proptest! {
        #[test]
        fn rows_are_skipped_whatever_the_chunks(rows in proptest::collection::vec("[a.\\\\x]{0,5}", 0..6), step in 1usize..9, ended in any::<bool>()) {
            let rows: Vec<String> = rows.iter().map(|row| row.replace('\\', "\\\\")).collect();
            let mut text = String::new();
            for row in &rows {
                text.push_str(row);
                text.push('\n');
            }
            if ended {
                text.push_str("\\.\nnext\n");
            }
            let mut lines = Lines::new(Slow(text.as_bytes(), step));
            let skipped = lines.skip_rows().unwrap();
            if ended {
                prop_assert_eq!(skipped, Skipped::AtEnd);
                prop_assert_eq!(lines.line().unwrap().unwrap().bytes, b"next");
            } else {
                prop_assert_eq!(skipped, Skipped::StreamEnded);
            }
        }
    }
}
