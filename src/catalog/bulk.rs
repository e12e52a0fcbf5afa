//! Reads everything that was sound out of the database in one go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::LockedSqliteHandle;

use super::db::Db;
use super::error::CatalogError;
use super::files::{depth_word, word};
use super::held::Held;
use super::knowledge::Wish;
use super::raw::{Refused, Row, Rows};
use super::trusted::Trusted;
use crate::model::{DecoderId, Depth, FileIdentity, MediaFormat, PixelSize, Verdict};

impl Db {
    /// All sound files, told apart by whether they fulfil the wish; less when `stop` is set meanwhile.
    pub(super) fn trusted(&mut self, wish: &Wish, stop: &AtomicBool) -> Result<Trusted, CatalogError> {
        let mut trusted = Trusted::default();
        let Self { runtime, connection, path, .. } = self;
        let locked = runtime.block_on(connection.lock_handle());
        let mut handle = locked.map_err(|error| CatalogError::from_sql(path, &error))?;
        read(&mut handle, wish, stop, &mut trusted)
            .map_err(|Refused { code, what }| CatalogError::from_code(path, code, what))?;
        trusted.finish();
        Ok(trusted)
    }
}

impl Db {
    /// All sound files of which nothing is due.
    pub(super) fn held(&mut self, wish: &Wish) -> Result<Held, CatalogError> {
        let Self { runtime, connection, path, .. } = self;
        let locked = runtime.block_on(connection.lock_handle());
        let mut handle = locked.map_err(|error| CatalogError::from_sql(path, &error))?;
        held(&mut handle, wish).map_err(|Refused { code, what }| CatalogError::from_code(path, code, what))
    }
}

fn held(handle: &mut LockedSqliteHandle<'_>, wish: &Wish) -> Result<Held, Refused> {
    let mut held = Held::default();
    let folders = folders(handle, |path| held.folder(path))?;
    let sql = select(wish, &decoders(handle, wish)?);
    let mut rows = Rows::of(handle, &sql)?;
    let mut sound = 0;
    while let Some(row) = rows.next()? {
        let file = row.number(0).and_then(|folder| folders.get(&folder)).zip(row.bytes(1));
        if let (Some((folder, name)), Some(1)) = (file, row.number(11)) {
            held.add(*folder, name, row.number(3).map_or(0, i64::cast_unsigned));
            sound += 1;
        }
    }
    drop(rows);
    let mut rows = Rows::of(handle, "SELECT count(*) FROM file")?;
    let all = rows.next()?.and_then(|row| row.number(0)).map_or(0, i64::cast_unsigned);
    held.due = all.saturating_sub(sound);
    Ok(held)
}

fn read(
    handle: &mut LockedSqliteHandle<'_>,
    wish: &Wish,
    stop: &AtomicBool,
    trusted: &mut Trusted,
) -> Result<(), Refused> {
    let folders = folders(handle, |path| trusted.folder(path))?;
    let sql = select(wish, &decoders(handle, wish)?);
    let mut rows = Rows::of(handle, &sql)?;
    while let Some(row) = rows.next()? {
        // A row that cannot be read is as good as none.
        add(&row, &folders, trusted);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}

/// The folders by their numbers, as the keys of their files have them.
fn folders(
    handle: &mut LockedSqliteHandle<'_>,
    key: impl Fn(&[u8]) -> u64,
) -> Result<HashMap<i64, u64>, Refused> {
    let mut folders = HashMap::new();
    let mut rows = Rows::of(handle, "SELECT id, path FROM folder")?;
    while let Some(row) = rows.next()? {
        if let (Some(number), Some(path)) = (row.number(0), row.bytes(1)) {
            folders.insert(number, key(path));
        }
    }
    Ok(folders)
}

/// The numbers of the decoders whose verdicts are taken over.
fn decoders(handle: &mut LockedSqliteHandle<'_>, wish: &Wish) -> Result<Vec<i64>, Refused> {
    let text = |row: &Row<'_>, column| Some(String::from_utf8_lossy(row.bytes(column)?).into_owned());
    let mut numbers = Vec::new();
    let mut rows = Rows::of(handle, "SELECT id, name, version FROM decoder")?;
    while let Some(row) = rows.next()? {
        if let (Some(number), Some(name), Some(version)) = (row.number(0), text(&row, 1), text(&row, 2))
            && wish.decoders.contains(&DecoderId { name, version })
        {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// All sound files, and of each whether it has what [`super::Knowledge::holds`] demands, but for the state of the file itself.
fn select(wish: &Wish, decoders: &[i64]) -> String {
    let words = |words: Vec<&str>| format!("'{}'", words.join("','"));
    let sound = Verdict::ALL.into_iter().filter(|verdict| verdict.is_sound());
    let sound = words(sound.map(Verdict::as_str).collect());
    let deep = Depth::ALL.into_iter().filter(|depth| *depth >= wish.depth);
    let deep = words(deep.map(depth_word).collect());
    let decoders = decoders.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let newest = wish.now;
    let oldest = newest.saturating_sub_unsigned(wish.max_age).saturating_add(1);
    format!(
        "SELECT folder, name, inode, size, mtime_ns, ctime_ns, width, height, sha1, format, verified_at, \
         depth IN ({deep}) AND verified_at BETWEEN {oldest} AND {newest} \
         AND (decoder IS NULL OR decoder IN ({decoders})) \
         FROM file WHERE verdict IN ({sound}) AND damage IS NULL"
    )
}

fn add(row: &Row<'_>, folders: &HashMap<i64, u64>, trusted: &mut Trusted) -> Option<()> {
    let folder = folders.get(&row.number(0)?)?;
    let name = row.bytes(1)?;
    let identity = FileIdentity {
        device: 0,
        inode: row.number(2)?.cast_unsigned(),
        size: row.number(3)?.cast_unsigned(),
        mtime_ns: row.number(4)?,
        ctime_ns: row.number(5)?,
    };
    if row.number(11)? == 0 {
        trusted.add_aged(*folder, name, &identity, row.number(10)?);
        return Some(());
    }
    let side = |column| row.number(column).and_then(|side| u32::try_from(side).ok());
    let size = side(6).zip(side(7)).map(|(width, height)| PixelSize { width, height });
    let sha1 = row.bytes(8).and_then(|sha1| sha1.try_into().ok());
    let _: MediaFormat = word(std::str::from_utf8(row.bytes(9)?).ok()?)?;
    trusted.add(*folder, name, &identity, size, sha1);
    Some(())
}
