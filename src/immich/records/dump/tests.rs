//! The dump reader on texts made here; dumps by PostgreSQL itself are read in `tests/records.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::immich::schema::Era;

const ID: &str = "0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b";
const USER: &str = "11111111-2222-3333-4444-555555555555";

/// A small dump of the latest era, as pg_dump writes it; `tail` is the last line.
fn sample(name: &str, tail: &str) -> String {
    format!(
        "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET client_encoding = 'UTF8';\n\
        CREATE TABLE public.asset (\n    id uuid\n);\n\
        COPY public.album (id, x) FROM stdin;\n1\tCOPY public.asset (id) FROM stdin;\n2\t\\\\.\n\\.\n\n\n\
        COPY public.asset (type, id, \"ownerId\", \"originalPath\", \"originalFileName\", checksum, \"checksumAlgorithm\", \"isExternal\", visibility, thumbhash, noise) FROM stdin;\n\
        IMAGE\t{ID}\t{USER}\t/data/library/admin/2024/{name}\t{name}\t\\\\x000102030405060708090a0b0c0d0e0f10111213\tsha1\tf\ttimeline\t\\\\x0102\t\\N\n\
        \\.\n\
        COPY public.asset_file (\"assetId\", type, path, \"isEdited\") FROM stdin;\n\
        {ID}\tpreview\t/data/thumbs/{USER}/0d/5b/{ID}_preview.jpeg\tf\n\
        \\.\n\
        COPY public.integrity_report (id) FROM stdin;\n\\.\n\
        COPY public.system_metadata (key, value) FROM stdin;\n\
        MediaLocation\t{{\"location\": \"/data\"}}\n\\.\n\
        --\n-- {tail}\n--\n\n"
    )
}

const TAIL: &str = "PostgreSQL database dump complete";

fn load(text: &[u8]) -> Result<Records, RecordError> {
    read(text, "test.sql", "dump test.sql".to_owned(), &mut |_| ())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn paths(records: &Records) -> Vec<String> {
    records.index.files().map(|file| records.index.record_path(file).display().to_string()).collect()
}

#[test]
fn a_plain_dump_is_read() {
    let records = load(sample("a.jpg", TAIL).as_bytes()).unwrap();
    assert_eq!(records.incomplete, None);
    assert_eq!(records.schema.era, Some(Era::E5));
    assert!(records.schema.problems.iter().any(|problem| problem.contains("noise")), "{:?}", records.schema);
    let asset = records.index.asset(records.index.assets().next().unwrap());
    assert_eq!(asset.name, b"a.jpg");
    assert_eq!(asset.checksum.unwrap()[19], 0x13);
    assert_eq!(asset.thumbhash, Some(&[1, 2][..]));
    assert_eq!(
        paths(&records),
        ["/data/library/admin/2024/a.jpg".to_owned(), format!("/data/thumbs/{USER}/0d/5b/{ID}_preview.jpeg")]
    );
    assert_eq!(records.media_location, Some("/data".into()));
}

#[test]
fn compressed_in_several_members_and_with_other_line_ends() {
    let text = sample("a.jpg", TAIL);
    let (one, two) = text.as_bytes().split_at(700);
    for dump in
        [gzip(text.as_bytes()), [gzip(one), gzip(two)].concat(), text.replace('\n', "\r\n").into_bytes()]
    {
        let records = load(&dump).unwrap();
        assert_eq!(records.incomplete, None);
        assert_eq!(records.index.asset_count(), 1);
        assert_eq!(paths(&records).len(), 2);
        assert_eq!(records.index.asset(records.index.assets().next().unwrap()).thumbhash, Some(&[1, 2][..]));
    }
}

#[test]
fn whatever_ends_early_is_incomplete_and_never_more() {
    let text = sample("a.jpg", TAIL);
    let trailer_end = text.find(TAIL).unwrap() + TAIL.len();
    for end in 0..trailer_end {
        let records = load(&text.as_bytes()[..end]).unwrap();
        let incomplete = records.incomplete.unwrap_or_else(|| panic!("cut at {end} passes for complete"));
        assert_eq!(incomplete.offset, end as u64);
        assert!(records.index.asset_count() <= 1);
    }
    assert_eq!(load(&text.as_bytes()[..trailer_end]).unwrap().incomplete, None);
    let packed = gzip(text.as_bytes());
    for end in 2..packed.len() {
        let records = load(&packed[..end]).unwrap();
        assert!(records.incomplete.is_some(), "cut at {end} passes for complete");
    }
}

#[test]
fn what_follows_the_compressed_dump_does_not_matter() {
    let mut packed = gzip(sample("a.jpg", TAIL).as_bytes());
    packed.extend_from_slice(&[0; 512]);
    assert_eq!(load(&packed).unwrap().incomplete, None);
    let checksum = packed.len() - 512 - 8;
    packed[checksum] ^= 1;
    assert!(load(&packed).unwrap().incomplete.unwrap().reason.contains("damaged"));
}

#[test]
fn damaged_compression_is_told() {
    let text = sample("a.jpg", TAIL).repeat(40);
    let mut packed = gzip(text.as_bytes());
    let middle = packed.len() / 4;
    packed[middle..middle + 40].fill(0xff);
    match load(&packed) {
        Ok(records) => {
            let incomplete = records.incomplete.unwrap();
            assert!(incomplete.reason.contains("damaged"), "{incomplete:?}");
        }
        Err(error) => assert!(matches!(error, RecordError::Malformed { .. }), "{error}"),
    }
}

#[test]
fn of_a_cluster_the_database_of_immich_is_taken() {
    let section = |database: &str, name: &str| format!("\\connect {database}\n\n{}", sample(name, TAIL));
    let cluster = |sections: &[String]| {
        let body = sections.concat();
        format!(
            "--\n-- PostgreSQL database cluster dump\n--\n\n{body}--\n-- PostgreSQL database cluster dump complete\n--\n"
        )
    };
    let other = "\\connect erp\n\nCOPY public.assets (id, name) FROM stdin;\n7\tchair\n\\.\nCOPY public.\"user\" (id) FROM stdin;\n7\n\\.\n".to_owned();
    let named = "-reuse-previous=on \"dbname='immich'\"";
    for (sections, expected, notes) in [
        (vec![other.clone(), section("immich", "yes.jpg"), section("copy", "no.jpg")], "yes.jpg", 1),
        (vec![section("copy", "no.jpg"), section(named, "yes.jpg"), other.clone()], "yes.jpg", 1),
        (vec![section("one", "yes.jpg"), section("two", "no.jpg")], "yes.jpg", 1),
        (vec![other.clone(), section("photos", "yes.jpg"), other.clone()], "yes.jpg", 0),
    ] {
        let records = load(cluster(&sections).as_bytes()).unwrap();
        assert_eq!(records.incomplete, None);
        assert!(paths(&records)[0].ends_with(expected), "{:?}", paths(&records));
        let about_databases = records.notes.iter().filter(|note| !note.contains("not laid out")).count();
        assert_eq!(about_databases, notes, "{:?}", records.notes);
    }
    // The end of one database is not the end of the cluster.
    let whole = cluster(&[section("immich", "yes.jpg")]);
    let cut = whole.find("-- PostgreSQL database cluster dump complete").unwrap();
    assert!(load(&whole.as_bytes()[..cut]).unwrap().incomplete.is_some());
    let nothing = load(cluster(&[other]).as_bytes()).unwrap_err().to_string();
    assert!(nothing.contains("\"asset\" or \"assets\"") || nothing.contains("originalPath"), "{nothing}");
}

#[test]
fn what_is_no_plain_dump_is_named_with_the_remedy() {
    let insert = sample("a.jpg", TAIL).replace(
        "COPY public.album (id, x) FROM stdin;\n",
        "INSERT INTO public.asset VALUES (1);\nCOPY public.album (id, x) FROM stdin;\n",
    );
    let latin = sample("a.jpg", TAIL).replace("'UTF8'", "'LATIN1'");
    let mut tar = b"toc.dat\0".to_vec();
    tar.resize(257, 0);
    tar.extend_from_slice(b"ustar\0");
    tar.resize(1024, 0);
    for (text, words) in [
        (&b"PGDMP\x01\x0e\x00"[..], "pg_restore -f out.sql test.sql"),
        (&gzip(b"PGDMP\x01\x0e\x00"), "pg_restore -f out.sql test.sql"),
        (&tar, "tar format; make a readable dump with: pg_restore -f out.sql test.sql"),
        (b"\x28\xb5\x2f\xfd....", "zstd -dc test.sql"),
        (b"\xff\xfe-\0-\0", "UTF-16"),
        (b"<html>", "is not a dump"),
        (insert.as_bytes(), "INSERT"),
        (latin.as_bytes(), "--encoding=UTF8"),
        (
            b"--\n-- PostgreSQL database dump\n--\n\n--\n-- PostgreSQL database dump complete\n--\n",
            "looked for a table",
        ),
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_wrong_row_is_told_with_its_place() {
    let text = sample("a.jpg", TAIL);
    let wrong = text.replace(&format!("{ID}\tpreview"), "nonsense\tpreview");
    let error = load(wrong.as_bytes()).unwrap_err();
    let RecordError::Malformed { what, offset, .. } = &error else { panic!("{error}") };
    assert_eq!(*offset, wrong.find("nonsense").unwrap() as u64);
    assert!(what.contains("asset_file") && what.contains("nonsense"), "{what}");
    let short = text.replace("\tf\n\\.\nCOPY public.integrity", "\n\\.\nCOPY public.integrity");
    assert!(load(short.as_bytes()).unwrap_err().to_string().contains("fields less"));
}

#[test]
fn the_moment_of_a_verbose_dump() {
    assert_eq!(
        started_at(b"-- Started on 2025-01-02 03:04:05 UTC").unwrap().to_string(),
        "2025-01-02T03:04:05Z"
    );
    assert_eq!(started_at(b"-- Started on 2025-01-02 03:04:05 CET"), None);
}

#[test]
fn the_newest_complete_backup_is_found() {
    use crate::immich::records::{Direct, find_newest_dump};

    let media = tempfile::tempdir().unwrap();
    assert!(find_newest_dump(&Direct, media.path(), &mut |_| ()).records.is_none());
    let backups = media.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    let whole = |name: &str| gzip(sample(name, TAIL).as_bytes());
    let cut = whole("cut.jpg");
    for (name, bytes) in [
        ("immich-db-backup-1704067200000.sql.gz", whole("oldest.jpg")),
        ("immich-db-backup-20250101T020000-v2.0.0-pg14.sql.gz", whole("right.jpg")),
        ("immich-db-backup-20250102T020000-v2.0.0-pg14.sql.gz", cut[..cut.len() / 2].to_vec()),
        ("immich-db-backup-20250103T020000-v2.0.0-pg14.sql.gz", b"PGDMP".to_vec()),
        ("immich-db-backup-20250104T020000-v2.0.0-pg14.sql.gz.tmp", whole("unfinished.jpg")),
        (".immich", b"1".to_vec()),
    ] {
        std::fs::write(backups.join(name), bytes).unwrap();
    }
    let found = find_newest_dump(&Direct, media.path(), &mut |_| ());
    let records = found.records.unwrap();
    assert!(paths(&records)[0].ends_with("right.jpg"));
    assert_eq!(records.info.as_of.as_deref(), Some("2025-01-01T02:00:00Z"));
    assert!(found.path.unwrap().ends_with("backups/immich-db-backup-20250101T020000-v2.0.0-pg14.sql.gz"));
    assert_eq!(found.skipped.len(), 3, "{:?}", found.skipped);
    for words in ["never finished", "custom format", "incomplete"] {
        assert!(found.skipped.iter().any(|note| note.contains(words)), "{words}: {:?}", found.skipped);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(noise in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..1500) {
        let mut text = sample("a.jpg", TAIL).into_bytes();
        let at = at.min(text.len());
        let end = (at + noise.len()).min(text.len());
        text.splice(at..end, noise.iter().copied());
        let _ = load(&text);
        let _ = load(&noise);
        let packed = gzip(&text);
        let cut = (at * packed.len() / 1500).max(1);
        let _ = load(&packed[..cut.min(packed.len())]);
    }
}
