--
-- PostgreSQL database cluster dump
--
\connect immich
--
-- PostgreSQL database dump
--

\restrict abc

SET client_encoding = 'UTF8';
CREATE TABLE public.asset (
    id uuid
);
COPY public.album (id, x) FROM stdin;
1	COPY public.asset (id) FROM stdin;
2	\\.
\.


COPY public.asset (type, id, "ownerId", "originalPath", "originalFileName", checksum, "checksumAlgorithm", "isExternal", visibility, thumbhash, "isOffline", "deletedAt", status, "libraryId", "livePhotoVideoId", "isEdited") FROM stdin;
IMAGE	0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b	11111111-2222-3333-4444-555555555555	/data/library/admin/2024/a\tb\303\244.jpg	a.jpg	\\x000102030405060708090a0b0c0d0e0f10111213	sha1	f	timeline	\\x0102	f	\N	active	\N	\N	f
\.
COPY public.asset_exif ("assetId", "fileSizeInByte", "exifImageWidth", "exifImageHeight", orientation) FROM stdin;
0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b	1234	40	30	6
\.
COPY public.asset_file ("assetId", type, path, "isEdited") FROM stdin;
0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b	preview	/data/thumbs/11111111-2222-3333-4444-555555555555/0d/5b/0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b_preview.jpeg	f
0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b	thumbnail	/data/thumbs/11111111-2222-3333-4444-555555555555/0d/5b/0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b_thumbnail.webp	f
\.
COPY public.library (id, name, "ownerId", "importPaths", "exclusionPatterns") FROM stdin;
0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b	Old	11111111-2222-3333-4444-555555555555	{/mnt/photos,"/mnt/a \\"b"}	{}
\.
COPY public.move_history (id, "entityId", "pathType", "oldPath", "newPath") FROM stdin;
11111111-2222-3333-4444-555555555555	0d5bba40-7b5c-4e6a-9f0e-1c2d3e4f5a6b	original	/data/a	/data/b
\.
COPY public.person (id, "ownerId", "thumbnailPath") FROM stdin;
11111111-2222-3333-4444-555555555555	11111111-2222-3333-4444-555555555555	/data/thumbs/11111111-2222-3333-4444-555555555555/11/11/11111111-2222-3333-4444-555555555555.jpeg
\.
COPY public.system_metadata (key, value) FROM stdin;
MediaLocation	{"location": "/data"}
system-config	{"image": {"preview": {"size": 1080}}}
\.
COPY public."user" (id, name, "storageLabel", "profileImagePath", "isAdmin") FROM stdin;
11111111-2222-3333-4444-555555555555	A	admin	/data/profile/11111111-2222-3333-4444-555555555555/x.png	t
\.
--
-- PostgreSQL database cluster dump complete
--

