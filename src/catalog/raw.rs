//! Rows read straight from SQLite, on this thread. sqlx copies every value of every row to hand it to another thread:
//! for three million rows of ten columns that took 8.3 seconds of CPU, this takes 1.1.
#![allow(unsafe_code, reason = "FFI")]

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use libsqlite3_sys as ffi;
use sqlx::sqlite::LockedSqliteHandle;

/// What SQLite says when it refuses: a result code (<https://sqlite.org/rescode.html>) and words.
#[derive(Debug)]
pub(super) struct Refused {
    pub code: u32,
    pub what: String,
}

/// A statement without parameters that is being run.
pub(super) struct Rows<'h, 'c> {
    handle: &'h mut LockedSqliteHandle<'c>,
    statement: NonNull<ffi::sqlite3_stmt>,
}

/// The row that a statement is at.
pub(super) struct Row<'r> {
    statement: NonNull<ffi::sqlite3_stmt>,
    columns: c_int,
    /// SQLite's values last until the statement moves on.
    rows: PhantomData<&'r mut Rows<'r, 'r>>,
}

impl<'h, 'c> Rows<'h, 'c> {
    /// Prepares a statement. Nothing else uses the connection while the rows are there: they hold its lock.
    pub fn of(handle: &'h mut LockedSqliteHandle<'c>, sql: &str) -> Result<Self, Refused> {
        let database = handle.as_raw_handle().as_ptr();
        let length = c_int::try_from(sql.len()).map_err(|_| refused(handle, ffi::SQLITE_TOOBIG))?;
        let mut statement = ptr::null_mut();
        // SAFETY: the handle is open and locked for this thread; `sql` is readable for `length` bytes, which SQLite
        // copies; `statement` is a place to write to.
        let code = unsafe {
            ffi::sqlite3_prepare_v2(
                database,
                sql.as_ptr().cast(),
                length,
                &raw mut statement,
                ptr::null_mut(),
            )
        };
        match NonNull::new(statement) {
            Some(statement) if code == ffi::SQLITE_OK => Ok(Self { handle, statement }),
            _ => Err(refused(handle, code)),
        }
    }

    /// The next row; `None` behind the last.
    pub fn next(&mut self) -> Result<Option<Row<'_>>, Refused> {
        // SAFETY: the statement is not finalized before `self` is dropped, and no `Row` is left: each borrows `self`.
        match unsafe { ffi::sqlite3_step(self.statement.as_ptr()) } {
            ffi::SQLITE_ROW => {
                // SAFETY: as above.
                let columns = unsafe { ffi::sqlite3_column_count(self.statement.as_ptr()) };
                Ok(Some(Row { statement: self.statement, columns, rows: PhantomData }))
            }
            ffi::SQLITE_DONE => Ok(None),
            code => Err(refused(self.handle, code)),
        }
    }
}

impl Drop for Rows<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: made by `sqlite3_prepare_v2`, finalized only here. Its result repeats an error that was told.
        unsafe { ffi::sqlite3_finalize(self.statement.as_ptr()) };
    }
}

impl Row<'_> {
    /// An integer.
    pub fn number(&self, column: c_int) -> Option<i64> {
        // SAFETY: the statement is at a row, which `self` keeps it at; `kind` has checked the column.
        (self.kind(column)? == ffi::SQLITE_INTEGER)
            .then(|| unsafe { ffi::sqlite3_column_int64(self.statement.as_ptr(), column) })
    }

    /// The bytes of a text or a blob.
    pub fn bytes(&self, column: c_int) -> Option<&[u8]> {
        if !matches!(self.kind(column)?, ffi::SQLITE_TEXT | ffi::SQLITE_BLOB) {
            return None;
        }
        // SAFETY: as in `number`; a value that is text or blob already is not converted, and the length is asked for
        // after the pointer, as SQLite wants it.
        let (start, length) = unsafe {
            let start = ffi::sqlite3_column_blob(self.statement.as_ptr(), column);
            (start.cast::<u8>(), ffi::sqlite3_column_bytes(self.statement.as_ptr(), column))
        };
        // An empty blob has no place.
        let Some(start) = NonNull::new(start.cast_mut()) else { return Some(&[]) };
        // SAFETY: SQLite keeps `length` bytes there until the statement moves on, which `self` forbids.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), usize::try_from(length).ok()?) })
    }

    fn kind(&self, column: c_int) -> Option<c_int> {
        // SAFETY: the statement is at a row; the column exists.
        (0..self.columns)
            .contains(&column)
            .then(|| unsafe { ffi::sqlite3_column_type(self.statement.as_ptr(), column) })
    }
}

fn refused(handle: &mut LockedSqliteHandle<'_>, code: c_int) -> Refused {
    // SAFETY: the handle is open; the words are a C string that lasts until the next call, and are copied here.
    let what = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(handle.as_raw_handle().as_ptr())) };
    Refused { code: code.unsigned_abs(), what: what.to_string_lossy().into_owned() }
}
