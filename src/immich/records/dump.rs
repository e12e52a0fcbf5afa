//! Records from a dump: plain `pg_dump` or `pg_dumpall` output, gzipped or not, read once as a stream.
//!
//! A dump is complete when it ends with the line that its tool writes last. Everything before may be missing rows:
//! what was read so far is given with the reason and the place.

use std::io::{self, Read};
use std::path::PathBuf;

use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;

use super::copy::CopyHeader;
use super::lines::{Lines, Skipped};
use super::load::{Kind, Loader, Plan, RowError};
use super::{Direct, Files, Home, Incomplete, Opened, RecordError, RecordSource, Records, sniff};
use crate::model::display_path;

/// A dump in a file or on standard input.
pub struct DumpSource<'f> {
    /// `None` = standard input.
    path: Option<PathBuf>,
    files: &'f dyn Files,
}

impl<'f> DumpSource<'f> {
    /// A dump in a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), files: &Direct }
    }

    /// A dump on standard input.
    pub fn stdin() -> Self {
        Self { path: None, files: &Direct }
    }

    /// The same, with another way to its file.
    #[must_use]
    pub fn through(self, files: &'f dyn Files) -> Self {
        Self { files, ..self }
    }

    fn name(&self) -> String {
        self.path.as_deref().map_or_else(|| "on standard input".to_owned(), display_path)
    }
}

impl RecordSource for DumpSource<'_> {
    fn load(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Records, RecordError> {
        let name = self.name();
        let Some(path) = &self.path else {
            return read(io::stdin().lock(), &name, self.describe(), progress);
        };
        let unreadable = |source| RecordError::Read { path: name.clone(), source };
        let Opened { stream, modified } = match self.files.open_whole(path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Err(sniff::directory(path)),
            Err(error) => return Err(unreadable(error)),
        };
        let mut records = read(stream, &name, self.describe(), progress)?;
        let modified = modified.and_then(|time| Timestamp::try_from(time).ok());
        let named = super::dump_name::time_in_name(path);
        let told = records.as_of.is_some();
        records.set_as_of(records.as_of.or(named).or(modified));
        if let (Some(named), false) = (named, told) {
            records.earliest = Some(super::dump_name::earliest(named, modified));
        }
        Ok(records)
    }

    fn describe(&self) -> String {
        format!("dump {}", self.name())
    }
}

/// Reads a dump from any stream; `name` is for messages, `source` for the first line of a run.
pub fn read(
    stream: impl Read,
    name: &str,
    source: String,
    progress: &mut dyn FnMut(u64),
) -> Result<Records, RecordError> {
    let text = plain(stream).map_err(|source| RecordError::Read { path: name.to_owned(), source })?;
    Reader::new(text, name).run(source, progress)
}

/// The text of a dump, gzipped or not.
pub(super) fn plain<'a>(stream: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut raw = io::BufReader::with_capacity(256 << 10, stream);
    let mut head = Vec::new();
    raw.by_ref().take(sniff::HEAD).read_to_end(&mut head)?;
    let gzipped = head.starts_with(&[0x1f, 0x8b]);
    let whole = io::BufReader::with_capacity(256 << 10, io::Cursor::new(head).chain(raw));
    Ok(if gzipped { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// Which program wrote the dump: its last line differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    PgDump,
    PgDumpAll,
}

/// The rows of one database within the dump.
#[derive(Default)]
struct Section {
    database: Option<String>,
    loader: Loader,
}

struct Reader<'a, R> {
    lines: Lines<R>,
    name: &'a str,
    tool: Option<Tool>,
    complete: bool,
    crlf: bool,
    section: Section,
    /// An earlier database of the same dump that holds assets.
    kept: Option<Section>,
    /// An earlier one that does not, to tell what was found instead.
    spare: Option<Section>,
    /// Databases with assets that were left out.
    others: Vec<String>,
    started_at: Option<Timestamp>,
    rows: u64,
}

/// How the text of a dump ended.
enum End {
    /// At its end.
    Stream,
    /// Before it, for this reason.
    Early(String),
}

impl<'a, R: Read> Reader<'a, R> {
    fn new(stream: R, name: &'a str) -> Self {
        Self {
            lines: Lines::new(stream),
            name,
            tool: None,
            complete: false,
            crlf: false,
            section: Section::default(),
            kept: None,
            spare: None,
            others: Vec::new(),
            started_at: None,
            rows: 0,
        }
    }

    fn run(mut self, source: String, progress: &mut dyn FnMut(u64)) -> Result<Records, RecordError> {
        let end = match self.sniff().and_then(|()| self.text(progress)) {
            Ok(end) => end,
            Err(Stop::Io(error)) => self.early(error)?,
            Err(Stop::Error(error)) => return Err(*error),
        };
        let last_line = match self.tool {
            Some(Tool::PgDumpAll) => "PostgreSQL database cluster dump complete",
            _ => "PostgreSQL database dump complete",
        };
        let incomplete = match end {
            End::Early(reason) => Some(reason),
            End::Stream if self.complete => None,
            End::Stream => Some(format!("it lacks its last line, \"{last_line}\"")),
        };
        let offset = self.lines.offset();
        let incomplete = incomplete.map(|reason| Incomplete { reason, offset });
        self.finish(source, incomplete)
    }

    /// Refuses what is not a plain dump.
    fn sniff(&mut self) -> Result<(), Stop> {
        let head = self.lines.peek(512)?;
        if let Some(error) = sniff::foreign(head, self.name) {
            return Err(error.into());
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            self.lines.take(3);
        }
        Ok(())
    }

    /// Reads all text outside of rows, and through it everything.
    fn text(&mut self, progress: &mut dyn FnMut(u64)) -> Result<End, Stop> {
        while let Some(line) = self.lines.line()? {
            if !line.ended {
                // A last line without its newline can only be the trailer.
                let trailer = trailer(line.bytes);
                self.complete |= trailer.is_some_and(|tool| self.tool == Some(tool));
                break;
            }
            let bytes = line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes);
            match bytes.first() {
                Some(b'C') => {
                    if let Some(header) = CopyHeader::parse(bytes) {
                        self.crlf = bytes.len() != line.bytes.len();
                        if let Some(early) = self.rows(&header, progress)? {
                            return Ok(early);
                        }
                    }
                }
                Some(b'-') => {
                    if let Some(tool) = trailer(bytes) {
                        self.complete |= self.tool == Some(tool);
                    } else {
                        self.tool = self.tool.or(tool_of(bytes));
                        self.started_at = self.started_at.or_else(|| started_at(bytes));
                    }
                }
                Some(b'\\') => {
                    if let Some(database) = bytes.strip_prefix(b"\\connect ") {
                        let database = database_name(&String::from_utf8_lossy(database));
                        self.settle(Section { database: Some(database), ..Section::default() });
                    }
                }
                Some(b'I') => {
                    sniff::insert(bytes, self.name)?;
                }
                Some(b'S') => {
                    sniff::encoding(bytes, self.name)?;
                }
                _ => {}
            }
        }
        Ok(End::Stream)
    }

    /// One database ends and the next begins. Of several with assets `immich` is kept, else the first with rows.
    fn settle(&mut self, next: Section) {
        let last = std::mem::replace(&mut self.section, next);
        if !last.loader.has_assets() {
            self.spare = Some(last);
        } else if last.loader.assets() == 0 && self.kept.is_some() {
            self.others.extend(last.database);
        } else if let Some(given_up) = self.kept.replace(last) {
            self.others.extend(given_up.database);
        }
    }

    /// Whether the rows of this database are not wanted, because those of another are kept.
    fn idle(&self) -> bool {
        self.kept
            .as_ref()
            .is_some_and(|kept| kept.loader.assets() > 0 && (is_immich(kept) || !is_immich(&self.section)))
    }

    /// Reads the rows of one table up to their end.
    fn rows(&mut self, header: &CopyHeader, progress: &mut dyn FnMut(u64)) -> Result<Option<End>, Stop> {
        let table = header.qualified();
        let idle = self.idle();
        let plan = self.section.loader.table(&table, &header.columns).filter(|_| !idle);
        let Some(plan) = plan else {
            return Ok(match self.lines.skip_rows()? {
                Skipped::AtEnd => None,
                Skipped::StreamEnded => Some(ended_in(&table)),
            });
        };
        if plan.kind == Kind::Asset {
            // The assets of two databases are never held at once.
            let given_up = self.kept.take();
            self.others.extend(given_up.and_then(|section| section.database));
        }
        self.wanted_rows(&plan, &table, progress)
    }

    fn wanted_rows(
        &mut self,
        plan: &Plan,
        table: &str,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<End>, Stop> {
        while let Some(line) = self.lines.line()? {
            if !line.ended {
                break;
            }
            let bytes =
                if self.crlf { line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes) } else { line.bytes };
            if bytes == b"\\." {
                return Ok(None);
            }
            let (offset, loader) = (line.offset, &mut self.section.loader);
            loader.row(plan, bytes).map_err(|error| match error {
                RowError::Wrong(what) => {
                    Stop::from(RecordError::Malformed { origin: self.name.to_owned(), what, offset })
                }
                RowError::Full(full) => Stop::from(RecordError::Full(full)),
            })?;
            self.rows += 1;
            if self.rows.is_multiple_of(8192) {
                progress(self.rows);
            }
        }
        Ok(Some(ended_in(table)))
    }

    /// What an error of the stream means: a compressed dump that breaks off or is damaged is incomplete.
    fn early(&self, error: io::Error) -> Result<End, RecordError> {
        match error.kind() {
            // As gzip does: what follows the last member does not matter once all of the dump has been read.
            io::ErrorKind::InvalidInput if self.complete && is_no_gzip_header(&error) => Ok(End::Stream),
            io::ErrorKind::UnexpectedEof => Ok(End::Early("the compressed data ends too early".to_owned())),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                Ok(End::Early(format!("the data is damaged: {error}")))
            }
            _ => Err(RecordError::Read { path: self.name.to_owned(), source: error }),
        }
    }

    fn finish(mut self, source: String, incomplete: Option<Incomplete>) -> Result<Records, RecordError> {
        self.settle(Section::default());
        let section = self.kept.take().or(self.spare.take()).unwrap_or_default();
        let database = section.database.clone();
        let mut records = match section.loader.finish(Home::Dump, source.clone()) {
            Ok(records) => records,
            Err(_) if incomplete.is_some() => {
                let mut records = Records { home: Home::Dump, ..Records::default() };
                records.info.source = source;
                records
            }
            Err(reason) => return Err(RecordError::NotImmich { origin: self.name.to_owned(), reason }),
        };
        if !self.others.is_empty() {
            let (taken, others) = (database.unwrap_or_default(), self.others.join(", "));
            records.notes.push(format!(
                "the dump holds several databases with assets: took \"{taken}\", left out {others}"
            ));
        }
        records.incomplete = incomplete;
        records.set_as_of(self.started_at);
        Ok(records)
    }
}

/// Why reading stopped.
enum Stop {
    Io(io::Error),
    Error(Box<RecordError>),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<RecordError> for Stop {
    fn from(error: RecordError) -> Self {
        Self::Error(Box::new(error))
    }
}

fn ended_in(table: &str) -> End {
    End::Early(format!("it ends within the rows of table \"{table}\""))
}

fn is_immich(section: &Section) -> bool {
    section.database.as_deref() == Some("immich")
}

/// Whether decompressing stopped at something that is not another member of the file.
fn is_no_gzip_header(error: &io::Error) -> bool {
    error.to_string().contains("invalid gzip header")
}

/// The tool whose dump begins with this comment.
fn tool_of(line: &[u8]) -> Option<Tool> {
    match line {
        b"-- PostgreSQL database cluster dump" => Some(Tool::PgDumpAll),
        b"-- PostgreSQL database dump" => Some(Tool::PgDump),
        _ => None,
    }
}

/// The tool whose dump ends with this comment.
fn trailer(line: &[u8]) -> Option<Tool> {
    match line.strip_suffix(b"\r").unwrap_or(line) {
        b"-- PostgreSQL database cluster dump complete" => Some(Tool::PgDumpAll),
        b"-- PostgreSQL database dump complete" => Some(Tool::PgDump),
        _ => None,
    }
}

/// The moment in the comment that `pg_dump --verbose` writes; zones other than UTC are not resolved.
fn started_at(line: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(line.strip_prefix(b"-- Started on ")?).ok()?;
    let time = text.trim().strip_suffix(" UTC").or_else(|| text.trim().strip_suffix(" GMT"))?;
    let civil: jiff::civil::DateTime = time.parse().ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The database in what follows `\connect`.
fn database_name(argument: &str) -> String {
    let argument = argument.trim();
    let argument = argument.strip_prefix("-reuse-previous=on ").unwrap_or(argument).trim();
    let argument = argument.trim_matches('"');
    let argument = argument.strip_prefix("dbname=").unwrap_or(argument);
    argument.trim_matches('\'').replace("\\'", "'")
}

#[cfg(test)]
mod tests;
