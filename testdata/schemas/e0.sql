-- Paths of generated files are columns of "assets"; paths are relative to the server's folder.
CREATE TYPE assets_status_enum AS ENUM ('active', 'trashed', 'deleted');
CREATE TABLE users ("profileImagePath" varchar NOT NULL DEFAULT '', email varchar, id uuid PRIMARY KEY, "storageLabel" varchar);
INSERT INTO users SELECT regexp_replace(profile, '^/data', 'upload'), 'nobody', id, label FROM facts.users;
CREATE TABLE libraries (id uuid PRIMARY KEY, name varchar, "ownerId" uuid, type varchar, "importPaths" text[], "exclusionPatterns" text[], "deletedAt" timestamptz);
INSERT INTO libraries SELECT id, name, owner, 'EXTERNAL', paths, patterns, deleted FROM facts.libraries;
CREATE TABLE assets (
    "previewPath" varchar, "originalFileName" varchar NOT NULL, id uuid PRIMARY KEY, "deviceAssetId" varchar, "ownerId" uuid, type varchar,
    "originalPath" varchar NOT NULL, "thumbnailPath" varchar DEFAULT '', "encodedVideoPath" varchar DEFAULT '', duration varchar, checksum bytea,
    "isVisible" bool DEFAULT true, "isArchived" bool, "livePhotoVideoId" uuid, "sidecarPath" varchar, thumbhash bytea, "isOffline" bool, "libraryId" uuid,
    "isExternal" bool, "deletedAt" timestamptz, status assets_status_enum, "isReadOnly" bool DEFAULT false
);
INSERT INTO assets ("previewPath", "originalFileName", id, "ownerId", type, "originalPath", "thumbnailPath", "encodedVideoPath", checksum, "isVisible",
    "isArchived", "livePhotoVideoId", "sidecarPath", thumbhash, "isOffline", "libraryId", "isExternal", "deletedAt", status)
SELECT (SELECT regexp_replace(f.path, '^/data', 'upload') FROM facts.files f WHERE f.asset = a.id AND f.type = 'preview' AND NOT f.edited), name, id, owner, type,
    regexp_replace(path, '^/data', 'upload'), coalesce((SELECT regexp_replace(f.path, '^/data', 'upload') FROM facts.files f WHERE f.asset = a.id AND f.type = 'thumbnail' AND NOT f.edited), ''),
    coalesce((SELECT regexp_replace(f.path, '^/data', 'upload') FROM facts.files f WHERE f.asset = a.id AND f.type = 'encoded_video'), ''), checksum, shown <> 'hidden',
    shown IN ('archive', 'locked'), video, (SELECT regexp_replace(f.path, '^/data', 'upload') FROM facts.files f WHERE f.asset = a.id AND f.type = 'sidecar'), thumbhash,
    offline, library, external, CASE WHEN deleted THEN now() END, status::assets_status_enum FROM facts.assets a;
CREATE TABLE exif ("fileSizeInByte" bigint, description text DEFAULT '', "assetId" uuid PRIMARY KEY, orientation varchar, "projectionType" varchar);
INSERT INTO exif SELECT size, '', id, orientation, projection FROM facts.assets;
CREATE TABLE person (id uuid PRIMARY KEY, "ownerId" uuid, name varchar DEFAULT '', "thumbnailPath" varchar DEFAULT '', "faceAssetId" uuid);
INSERT INTO person SELECT id, owner, '', regexp_replace(thumbnail, '^/data', 'upload'), face FROM facts.persons;
CREATE TABLE asset_faces ("imageWidth" int, "imageHeight" int, "boundingBoxX1" int, "boundingBoxY1" int, "boundingBoxX2" int, "boundingBoxY2" int, id uuid PRIMARY KEY, "assetId" uuid, "personId" uuid);
INSERT INTO asset_faces SELECT box[1], box[2], box[3], box[4], box[5], box[6], id, asset, person FROM facts.faces WHERE NOT deleted;
CREATE TABLE asset_job_status ("assetId" uuid PRIMARY KEY);
