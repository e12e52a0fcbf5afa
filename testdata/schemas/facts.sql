-- Facts about a small library, the same in every era. Each era's file turns them into rows of its own tables;
-- the schema "facts" is dropped afterwards.
CREATE SCHEMA facts;
CREATE TABLE facts.users (id uuid, label text, profile text);
CREATE TABLE facts.libraries (id uuid, owner uuid, name text, paths text[], patterns text[], deleted timestamptz);
-- "shown" is the visibility of later eras.
CREATE TABLE facts.assets (
    id uuid, owner uuid, type text, path text, name text, checksum bytea, external bool DEFAULT false,
    shown text DEFAULT 'timeline', video uuid, library uuid, offline bool DEFAULT false, deleted bool DEFAULT false,
    status text DEFAULT 'active', thumbhash bytea, edited bool DEFAULT false, size bigint, orientation text, projection text
);
CREATE TABLE facts.files (asset uuid, type text, edited bool, path text);
CREATE TABLE facts.persons (id uuid, owner uuid, thumbnail text, face uuid);
-- "box" is width and height of the picture, then left, top, right and bottom of the face.
CREATE TABLE facts.faces (id uuid, asset uuid, person uuid, box int[], deleted bool DEFAULT false);
-- Whatever edits an asset has, in their order.
CREATE TABLE facts.edits (asset uuid, sequence int, action text, parameters jsonb);
-- Tables that are the same in every era, and some that must not be mistaken for anything.
CREATE TABLE public.system_metadata (key varchar PRIMARY KEY, value jsonb NOT NULL);
CREATE TABLE public.move_history (id uuid DEFAULT gen_random_uuid(), "entityId" uuid NOT NULL, "pathType" varchar, "oldPath" varchar, "newPath" varchar);
CREATE TABLE public.version_history (id uuid DEFAULT gen_random_uuid(), "createdAt" timestamptz, version varchar);
CREATE TABLE public.aaa_noise (id int, note text, vector text);
INSERT INTO public.aaa_noise SELECT n, E'\\.\nCOPY public.asset (id) FROM stdin;\n', '[' || repeat('0.125,', 200) || '0]' FROM generate_series(1, 500) n;
CREATE TABLE public.zzz_noise (id int);
CREATE SCHEMA other;
CREATE TABLE other.noise (id int);
INSERT INTO other.noise VALUES (1);
