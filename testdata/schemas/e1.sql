-- "assets" and "asset_files"; paths are relative to the server's folder.
CREATE TYPE assets_status_enum AS ENUM ('active', 'trashed', 'deleted');
CREATE TABLE users (id uuid PRIMARY KEY, name varchar DEFAULT '', "storageLabel" varchar, email varchar, "profileImagePath" varchar NOT NULL DEFAULT '');
INSERT INTO users (id, "storageLabel", "profileImagePath") SELECT id, label, regexp_replace(profile, '^/data', 'upload') FROM facts.users;
CREATE TABLE libraries ("exclusionPatterns" text[], id uuid PRIMARY KEY, name varchar, "ownerId" uuid, "importPaths" text[], "deletedAt" timestamptz, "refreshedAt" timestamptz);
INSERT INTO libraries SELECT patterns, id, name, owner, paths, deleted FROM facts.libraries;
CREATE TABLE assets (
    type varchar NOT NULL,
    "originalFileName" varchar NOT NULL,
    id uuid PRIMARY KEY,
    "deviceAssetId" varchar NOT NULL,
    "deviceId" varchar NOT NULL,
    "ownerId" uuid NOT NULL,
    "originalPath" varchar NOT NULL,
    "fileCreatedAt" timestamptz,
    duration varchar,
    "encodedVideoPath" varchar DEFAULT '',
    checksum bytea NOT NULL,
    "isVisible" bool NOT NULL,
    "isArchived" bool NOT NULL,
    "livePhotoVideoId" uuid,
    "sidecarPath" varchar,
    thumbhash bytea,
    "isOffline" bool NOT NULL,
    "libraryId" uuid,
    "isExternal" bool NOT NULL,
    "deletedAt" timestamptz,
    status assets_status_enum,
    "isFavorite" bool
);
INSERT INTO assets SELECT
    type,
    name,
    id,
    'device',
    'device',
    owner,
    regexp_replace(path, '^/data', 'upload'),
    now(),
    NULL,
    coalesce((SELECT regexp_replace(f.path, '^/data', 'upload') FROM facts.files f WHERE f.asset = a.id AND f.type = 'encoded_video'), ''),
    checksum,
    shown <> 'hidden',
    shown IN ('archive', 'locked'),
    video,
    (SELECT regexp_replace(f.path, '^/data', 'upload') FROM facts.files f WHERE f.asset = a.id AND f.type = 'sidecar'),
    thumbhash,
    offline,
    library,
    external,
    CASE WHEN deleted THEN now() END,
    status::assets_status_enum,
    false
FROM facts.assets a;
CREATE TABLE asset_files (
    path varchar NOT NULL,
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "createdAt" timestamptz DEFAULT now(),
    type varchar NOT NULL,
    "assetId" uuid NOT NULL
);
INSERT INTO asset_files (path, type, "assetId") SELECT regexp_replace(path, '^/data', 'upload'), type, asset FROM facts.files WHERE type NOT IN ('sidecar', 'encoded_video') AND NOT edited;
CREATE TABLE exif ("assetId" uuid PRIMARY KEY, "projectionType" varchar, orientation varchar, make varchar, "fileSizeInByte" bigint, tags varchar[]);
INSERT INTO exif SELECT id, projection, orientation, 'made here', size, '{a,"b c"}' FROM facts.assets;
CREATE TABLE person (id uuid PRIMARY KEY, "ownerId" uuid, name varchar DEFAULT '', "thumbnailPath" varchar NOT NULL DEFAULT '', "faceAssetId" uuid);
INSERT INTO person SELECT id, owner, '', regexp_replace(thumbnail, '^/data', 'upload'), face FROM facts.persons;
CREATE TABLE asset_faces ("imageWidth" int, "imageHeight" int, "boundingBoxX1" int, "boundingBoxY1" int, "boundingBoxX2" int, "boundingBoxY2" int, id uuid PRIMARY KEY, "assetId" uuid, "personId" uuid);
INSERT INTO asset_faces SELECT box[1], box[2], box[3], box[4], box[5], box[6], id, asset, person FROM facts.faces WHERE NOT deleted;
CREATE TABLE asset_job_status ("assetId" uuid PRIMARY KEY, "metadataExtractedAt" timestamptz);
INSERT INTO asset_job_status SELECT id FROM facts.assets;
ALTER TABLE asset_files ADD CONSTRAINT "UQ_assetId_type" UNIQUE ("assetId", type);
-- What Immich's own triggers do: every change of a row moves its time and its place in the order of changes.
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW."updatedAt" = clock_timestamp(); NEW."updateId" = gen_random_uuid(); RETURN NEW; END $$;
ALTER TABLE assets ADD "updatedAt" timestamptz NOT NULL DEFAULT now(), ADD "updateId" uuid NOT NULL DEFAULT gen_random_uuid();
CREATE TRIGGER touched BEFORE UPDATE ON assets FOR EACH ROW EXECUTE FUNCTION touched();
ALTER TABLE asset_files ADD "updatedAt" timestamptz NOT NULL DEFAULT now(), ADD "updateId" uuid NOT NULL DEFAULT gen_random_uuid();
CREATE TRIGGER touched BEFORE UPDATE ON asset_files FOR EACH ROW EXECUTE FUNCTION touched();
ALTER TABLE asset_job_status ADD "previewAt" timestamptz, ADD "thumbnailAt" timestamptz;
