-- The sidecar is a row of "asset_file".
CREATE TYPE assets_status_enum AS ENUM ('active', 'trashed', 'deleted');
CREATE TYPE asset_visibility_enum AS ENUM ('archive', 'timeline', 'hidden', 'locked');
CREATE TABLE "user" (id uuid PRIMARY KEY, name varchar DEFAULT '', "storageLabel" varchar, email varchar, "profileImagePath" varchar NOT NULL DEFAULT '');
INSERT INTO "user" (id, "storageLabel", "profileImagePath") SELECT id, label, profile FROM facts.users;
CREATE TABLE library ("exclusionPatterns" text[], id uuid PRIMARY KEY, name varchar, "ownerId" uuid, "importPaths" text[], "deletedAt" timestamptz, "refreshedAt" timestamptz);
INSERT INTO library SELECT patterns, id, name, owner, paths, deleted FROM facts.libraries;
CREATE TABLE asset (
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
    visibility asset_visibility_enum NOT NULL DEFAULT 'timeline',
    "livePhotoVideoId" uuid,
    thumbhash bytea,
    "isOffline" bool NOT NULL,
    "libraryId" uuid,
    "isExternal" bool NOT NULL,
    "deletedAt" timestamptz,
    status assets_status_enum,
    "isFavorite" bool
);
INSERT INTO asset SELECT
    type,
    name,
    id,
    'device',
    'device',
    owner,
    path,
    now(),
    NULL,
    coalesce((SELECT f.path FROM facts.files f WHERE f.asset = a.id AND f.type = 'encoded_video'), ''),
    checksum,
    shown::asset_visibility_enum,
    video,
    thumbhash,
    offline,
    library,
    external,
    CASE WHEN deleted THEN now() END,
    status::assets_status_enum,
    false
FROM facts.assets a;
CREATE TABLE asset_file (
    path varchar NOT NULL,
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "createdAt" timestamptz DEFAULT now(),
    type varchar NOT NULL,
    "assetId" uuid NOT NULL
);
INSERT INTO asset_file (path, type, "assetId") SELECT path, type, asset FROM facts.files WHERE type NOT IN ('encoded_video') AND NOT edited;
CREATE TABLE asset_exif ("assetId" uuid PRIMARY KEY, "projectionType" varchar, orientation varchar, make varchar, "fileSizeInByte" bigint, tags varchar[]);
INSERT INTO asset_exif SELECT id, projection, orientation, 'made here', size, '{a,"b c"}' FROM facts.assets;
CREATE TABLE person (id uuid PRIMARY KEY, "ownerId" uuid, name varchar DEFAULT '', "thumbnailPath" varchar NOT NULL DEFAULT '', "faceAssetId" uuid);
INSERT INTO person SELECT id, owner, '', thumbnail, face FROM facts.persons;
CREATE TABLE asset_face ("imageWidth" int, "imageHeight" int, "boundingBoxX1" int, "boundingBoxY1" int, "boundingBoxX2" int, "boundingBoxY2" int, id uuid PRIMARY KEY, "assetId" uuid, "personId" uuid, "deletedAt" timestamptz);
INSERT INTO asset_face SELECT box[1], box[2], box[3], box[4], box[5], box[6], id, asset, person, CASE WHEN deleted THEN now() END FROM facts.faces;
CREATE TABLE asset_job_status ("assetId" uuid PRIMARY KEY, "metadataExtractedAt" timestamptz);
INSERT INTO asset_job_status SELECT id FROM facts.assets;
ALTER TABLE asset_file ADD CONSTRAINT "asset_file_assetId_type_uq" UNIQUE ("assetId", type);
-- What Immich's own triggers do: every change of a row moves its time and its place in the order of changes.
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW."updatedAt" = clock_timestamp(); NEW."updateId" = gen_random_uuid(); RETURN NEW; END $$;
ALTER TABLE asset ADD "updatedAt" timestamptz NOT NULL DEFAULT now(), ADD "updateId" uuid NOT NULL DEFAULT gen_random_uuid();
CREATE TRIGGER touched BEFORE UPDATE ON asset FOR EACH ROW EXECUTE FUNCTION touched();
ALTER TABLE asset_file ADD "updatedAt" timestamptz NOT NULL DEFAULT now(), ADD "updateId" uuid NOT NULL DEFAULT gen_random_uuid();
CREATE TRIGGER touched BEFORE UPDATE ON asset_file FOR EACH ROW EXECUTE FUNCTION touched();
