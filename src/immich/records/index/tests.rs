//! The index filled by its builder: what goes in comes out, and a million assets fit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests"
)]

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::immich::records::{AssetInput, ExifInput, IndexBuilder};

/// An id that looks random.
fn id(number: u64) -> AssetId {
    let mut bytes = [0; 16];
    let mix = |n: u64| (n ^ 0x5851_f42d).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    bytes[..8].copy_from_slice(&mix(number).to_be_bytes());
    bytes[8..].copy_from_slice(&mix(mix(number)).to_be_bytes());
    AssetId(bytes)
}

fn nest(id: AssetId) -> String {
    let text = id.to_string();
    format!("{}/{}", &text[..2], &text[2..4])
}

fn preview(user: AssetId, asset: AssetId, ending: &str) -> String {
    format!("/data/thumbs/{user}/{}/{asset}{ending}", nest(asset))
}

fn asset(id: AssetId, path: &str) -> AssetInput<'_> {
    AssetInput { id, owner: super::tests::id(1), original_path: path.as_bytes(), ..AssetInput::default() }
}

#[test]
fn facts_come_back_whatever_the_order_of_rows() {
    let (still, video, owner, library) = (id(10), id(11), id(1), id(2));
    let mut builder = IndexBuilder::new();
    builder
        .exif(still, ExifInput { size: Some(5_000_000_000), orientation: Some(6), equirectangular: true })
        .unwrap();
    builder
        .asset_file(still, Role::Thumbnail, false, preview(owner, still, "-thumbnail.webp").as_bytes())
        .unwrap();
    builder
        .asset_file(still, Role::Preview, true, preview(owner, still, "_preview_edited.jpeg").as_bytes())
        .unwrap();
    builder.asset_file(id(99), Role::Preview, false, b"orphan").unwrap();
    let path = "/mnt/nas/IMG 1.HEIC";
    builder
        .asset(&AssetInput {
            kind: AssetKind::Video,
            external: true,
            trashed: true,
            library: Some(library),
            live_video: Some(video),
            checksum: Some(([7; 20], false)),
            thumbhash: Some(&[1, 2, 3]),
            width: Some(4000),
            height: Some(70_000),
            name: b"IMG 1.HEIC",
            ..asset(still, path)
        })
        .unwrap();
    builder
        .asset(&AssetInput { hidden: true, checksum: Some(([8; 20], true)), ..asset(video, "upload/x.mp4") })
        .unwrap();
    builder.asset(&asset(video, "upload/again.mp4")).unwrap();
    builder
        .person(
            id(50),
            owner,
            None,
            format!("/data/thumbs/{owner}/{}/{}.jpeg", nest(id(50)), id(50)).as_bytes(),
        )
        .unwrap();
    builder.person(id(51), owner, None, b"").unwrap();
    builder.profile(owner, b"/data/profile/x.png").unwrap();
    let index = builder.finish();

    assert_eq!(index.asset_count(), 2);
    assert_eq!(index.find_asset(id(99)), None);
    let view = index.asset(index.find_asset(still).unwrap());
    assert_eq!((view.owner, view.library, view.kind), (owner, Some(library), AssetKind::Video));
    assert!(view.external && view.trashed && view.equirectangular && view.has_exif && !view.hidden);
    assert_eq!((view.checksum, view.path_checksum), (None, Some([7; 20])));
    assert_eq!((view.size, view.width, view.height), (Some(5_000_000_000), Some(4000), None));
    assert_eq!(view.orientation.unwrap().exif(), 6);
    assert_eq!((view.name, view.thumbhash), (&b"IMG 1.HEIC"[..], Some(&[1, 2, 3][..])));
    let motion = index.asset(view.live_video.unwrap());
    assert!(motion.motion_part && motion.hidden && !motion.has_exif);
    assert_eq!((motion.id, motion.checksum, motion.size), (video, Some([8; 20]), None));

    let files: Vec<FileView> = index.files_of(view.idx).map(|file| index.file(file)).collect();
    assert_eq!(
        files.iter().map(|file| (file.role, file.edited)).collect::<Vec<_>>(),
        [(Role::Original, false), (Role::Preview, true), (Role::Thumbnail, false)]
    );
    assert!(files.iter().all(|file| file.asset == Some(view.idx)));
    let paths: HashSet<PathBuf> = index.files().map(|file| index.record_path(file)).collect();
    let expected = [
        path.to_owned(),
        "upload/x.mp4".to_owned(),
        "orphan".to_owned(),
        preview(owner, still, "-thumbnail.webp"),
        preview(owner, still, "_preview_edited.jpeg"),
        format!("/data/thumbs/{owner}/{}/{}.jpeg", nest(id(50)), id(50)),
        "/data/profile/x.png".to_owned(),
    ];
    assert_eq!(paths, expected.into_iter().map(PathBuf::from).collect());
    let person = index.files().map(|file| index.file(file)).find(|file| file.role == Role::Person).unwrap();
    let FileOwner::Person(person) = person.owner else { panic!("{person:?}") };
    assert_eq!(index.person(person).unwrap().id, id(50));
}

#[test]
fn recorded_folders_are_found_on_this_host_and_may_fall_together() {
    let (one, two, owner) = (id(1), id(2), id(3));
    let mut builder = IndexBuilder::new();
    builder.asset(&asset(one, "/data/library/a/b.jpg")).unwrap();
    builder.asset(&asset(two, "upload/library/a//b.jpg")).unwrap();
    builder.asset_file(one, Role::Preview, false, preview(owner, one, "_preview.jpeg").as_bytes()).unwrap();
    builder.asset_file(two, Role::Preview, false, b"/elsewhere/c.jpeg").unwrap();
    let mut index = builder.finish();
    assert_eq!(index.dirs().map(|dir| dir.files).sum::<u32>(), 4);
    assert_eq!(index.dirs().map(|dir| dir.originals).sum::<u32>(), 2);
    assert_eq!(index.lookup_dir(Path::new("/srv/library/a")), None);
    index.resolve(|dir| {
        let below = dir.strip_prefix("/data").or_else(|_| dir.strip_prefix("upload")).ok()?;
        Some(Path::new("/srv/").join(below))
    });
    let folder = index.lookup_dir(Path::new("/srv/library/a/")).unwrap();
    let shared: Vec<FileIdx> = index.lookup(folder, b"b.jpg").collect();
    assert_eq!(shared.len(), 2);
    assert_eq!(index.lookup(folder, b"c.jpg").count(), 0);
    assert!(shared.iter().all(|&file| index.host_path(file).unwrap() == Path::new("/srv/library/a/b.jpg")));
    let name = format!("{one}_preview.jpeg");
    let host = format!("/srv/thumbs/{owner}/{}", nest(one));
    let folder = index.lookup_dir(Path::new(&host)).unwrap();
    let found: Vec<FileIdx> = index.lookup(folder, name.as_bytes()).collect();
    assert_eq!(index.host_path(found[0]).unwrap(), Path::new(&host).join(&name));
    assert_eq!(index.file(found[0]).asset, index.find_asset(one));
    // The same name in another nested folder is not that file.
    let other = index.lookup_dir(Path::new(&format!("/srv/thumbs/{owner}/zz/zz"))).unwrap();
    assert_eq!(index.lookup(other, name.as_bytes()).count(), 0);
    assert_eq!(index.lookup_dir(Path::new("/elsewhere")), None);
    let unmapped = index.files().filter(|&file| index.host_path(file).is_none()).count();
    assert_eq!(unmapped, 1);
}

proptest! {
    #[test]
    fn any_path_comes_back(
        paths in proptest::collection::vec(proptest::collection::vec(proptest::sample::select(b"/abAB01-_.\n\xff".to_vec()), 1..50), 1..20),
        uuids in proptest::collection::vec((any::<[u8; 16]>(), any::<bool>(), "[-_.a-z]{0,30}"), 0..10),
    ) {
        let mut builder = IndexBuilder::new();
        let mut expected = Vec::new();
        for (number, path) in (0u64..).zip(&paths) {
            builder.asset(&AssetInput { id: id(number), name: path, original_path: path, ..AssetInput::default() }).unwrap();
            expected.push(path.clone());
        }
        for (bytes, nested, ending) in &uuids {
            let name = AssetId(*bytes);
            let folder = if *nested { nest(name) } else { "x/y".to_owned() };
            let path = format!("up/{folder}/{name}{ending}").into_bytes();
            builder.asset_file(name, Role::Preview, false, &path).unwrap();
            builder.asset_file(id(0), Role::Preview, true, &path).unwrap();
            expected.extend([path.clone(), path]);
        }
        let mut index = builder.finish();
        let mut found: Vec<Vec<u8>> = index.files().map(|file| index.record_path(file).into_os_string().into_vec()).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
        index.resolve(|dir| Some(Path::new("/h").join(dir.strip_prefix("/").unwrap_or(dir))));
        for file in index.files() {
            let host = index.host_path(file).unwrap();
            let name = index.file_name(file);
            if name.is_empty() || name == b"." || name == b".." {
                continue;
            }
            let folder = index.lookup_dir(host.parent().unwrap()).unwrap();
            prop_assert!(index.lookup(folder, &name).any(|found| found == file), "{host:?}");
        }
    }
}

#[test]
fn a_million_assets_fit() {
    const ASSETS: u64 = 1_000_000;
    let owners: Vec<AssetId> = (0..10).map(|number| id(u64::MAX - number)).collect();
    // Every other original is where it was uploaded, the others where the storage template put them.
    let original = |number: u64, owner: AssetId| {
        if number.is_multiple_of(2) {
            let file = id(number ^ 1 << 40);
            format!("/data/upload/{owner}/{}/{file}.jpg", nest(file))
        } else {
            let day = number / 40 % 3650;
            format!(
                "/data/library/{owner}/{}/{:04}-{:02}/PXL_{number:08}.jpg",
                2010 + day / 365,
                day / 365,
                day % 365
            )
        }
    };
    let name = |number: u64| format!("PXL_{number:08}.jpg");
    let mut builder = IndexBuilder::new();
    for number in 0..ASSETS {
        let owner = owners[(number % 10) as usize];
        let (path, name) = (original(number, owner), name(number));
        let input = AssetInput {
            id: id(number),
            owner,
            checksum: Some(([number as u8; 20], true)),
            thumbhash: Some(&[number as u8; 22]),
            width: Some(4032),
            height: Some(3024),
            name: name.as_bytes(),
            original_path: path.as_bytes(),
            ..AssetInput::default()
        };
        builder.asset(&input).unwrap();
    }
    for number in 0..ASSETS {
        let owner = owners[(number % 10) as usize];
        builder.exif(id(number), ExifInput { size: Some(number), ..ExifInput::default() }).unwrap();
        for (role, ending) in [(Role::Preview, "_preview.jpeg"), (Role::Thumbnail, "_thumbnail.webp")] {
            builder
                .asset_file(id(number), role, false, preview(owner, id(number), ending).as_bytes())
                .unwrap();
        }
    }
    let mut index = builder.finish();
    index.resolve(|dir| Some(Path::new("/srv").join(dir.strip_prefix("/data").ok()?)));
    assert_eq!((index.asset_count(), index.file_count()), (1_000_000, 3_000_000));
    let bytes = index.heap_bytes();
    eprintln!(
        "{} bytes per asset with three files, {} MiB for a million",
        bytes as u64 / ASSETS,
        bytes >> 20
    );
    assert!(bytes < 200 << 20, "{} MiB", bytes >> 20);
    for number in (0..ASSETS).step_by(99_991) {
        let owner = owners[(number % 10) as usize];
        let idx = index.find_asset(id(number)).unwrap();
        let view = index.asset(idx);
        assert_eq!((view.size, view.name, view.owner), (Some(number), name(number).as_bytes(), owner));
        let paths: Vec<PathBuf> = index.files_of(idx).map(|file| index.record_path(file)).collect();
        let expected = [
            original(number, owner),
            preview(owner, id(number), "_preview.jpeg"),
            preview(owner, id(number), "_thumbnail.webp"),
        ];
        assert_eq!(paths, expected.map(PathBuf::from));
        for file in index.files_of(idx) {
            let host = index.host_path(file).unwrap();
            let folder = index.lookup_dir(host.parent().unwrap()).unwrap();
            let name = index.file_name(file);
            assert_eq!(index.lookup(folder, &name).collect::<Vec<_>>(), [file]);
        }
    }
}
