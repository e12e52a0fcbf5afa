-- Facts for the tests that look at records only: every column and state, no files.
INSERT INTO facts.users VALUES
    ('a0000000-0000-4000-8000-000000000001', 'admin', '/data/profile/a0000000-0000-4000-8000-000000000001/11111111-1111-4111-8111-111111111111.png'),
    ('a0000000-0000-4000-8000-000000000002', NULL, '');
INSERT INTO facts.libraries VALUES
    ('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'NAS', '{/mnt/nas,"/mnt/with space, comma and \"quotes\" \\ "}', '{**/raw/**}', NULL),
    ('b0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000001', 'gone', '{/mnt/gone}', '{}', now());
INSERT INTO facts.assets (id, owner, type, path, name, checksum, thumbhash, size, orientation) VALUES
    ('c1000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'IMAGE', '/data/library/admin/2024/2024-05-05/IMG_1.jpg', 'IMG_1.jpg', '\x0101010101010101010101010101010101010101', '\x0102030405060708090a0b0c0d0e0f1011', 1001, '6'),
    ('c2000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000002', 'IMAGE', '/data/upload/a0000000-0000-4000-8000-000000000002/22/33/22330000-1111-4111-8111-111111111111.HEIC', E'Ferien\t1\\2\nÜberlingen.HEIC', '\x0202020202020202020202020202020202020202', NULL, 5000000000, 'Rotate 90 CW');
INSERT INTO facts.assets (id, owner, type, path, name, checksum, shown, video, size) VALUES
    ('c3000000-0000-4000-8000-000000000003', 'a0000000-0000-4000-8000-000000000001', 'IMAGE', '/data/library/admin/2024/2024-05-05/live.heic', 'live.heic', '\x0303030303030303030303030303030303030303', 'archive', 'c4000000-0000-4000-8000-000000000004', 1003),
    ('c4000000-0000-4000-8000-000000000004', 'a0000000-0000-4000-8000-000000000001', 'VIDEO', '/data/encoded-video/a0000000-0000-4000-8000-000000000001/c4/00/c4000000-0000-4000-8000-000000000004-MP.mp4', 'live.mp4', '\x0404040404040404040404040404040404040404', 'hidden', NULL, 1004);
INSERT INTO facts.assets (id, owner, type, path, name, checksum, external, library, offline, deleted, projection) VALUES
    ('c5000000-0000-4000-8000-000000000005', 'a0000000-0000-4000-8000-000000000001', 'IMAGE', '/mnt/nas/pano.jpg', 'pano.jpg', '\x0505050505050505050505050505050505050505', true, 'b0000000-0000-4000-8000-000000000001', false, false, 'EQUIRECTANGULAR'),
    ('c7000000-0000-4000-8000-000000000007', 'a0000000-0000-4000-8000-000000000001', 'IMAGE', '/mnt/nas/away.jpg', 'away.jpg', '\x0707070707070707070707070707070707070707', true, 'b0000000-0000-4000-8000-000000000001', true, true, NULL);
INSERT INTO facts.assets (id, owner, type, path, name, checksum, deleted, status) VALUES
    ('c6000000-0000-4000-8000-000000000006', 'a0000000-0000-4000-8000-000000000001', 'VIDEO', '/data/library/admin/2024/2024-05-05/film.mov', 'film.mov', '\x0606060606060606060606060606060606060606', true, 'trashed');
INSERT INTO facts.assets (id, owner, type, path, name, checksum, shown, edited) VALUES
    ('c8000000-0000-4000-8000-000000000008', 'a0000000-0000-4000-8000-000000000001', 'IMAGE', '/data/library/admin/2024/2024-05-06/IMG_8.jpg', 'IMG_8.jpg', '\x0808080808080808080808080808080808080808', 'locked', true);
INSERT INTO facts.files VALUES
    ('c6000000-0000-4000-8000-000000000006', 'encoded_video', false, '/data/encoded-video/a0000000-0000-4000-8000-000000000001/c6/00/c6000000-0000-4000-8000-000000000006.mp4'),
    ('c6000000-0000-4000-8000-000000000006', 'sidecar', false, '/data/library/admin/2024/2024-05-05/film.mov.xmp');
INSERT INTO facts.files
    SELECT id, kind, false, '/data/thumbs/' || owner || '/' || left(id::text, 2) || '/00/' || id || '_' || kind || CASE kind WHEN 'preview' THEN '.jpeg' ELSE '.webp' END
    FROM facts.assets, (VALUES ('preview'), ('thumbnail')) AS kinds (kind) WHERE shown <> 'hidden';
INSERT INTO facts.files
    SELECT id, kind, true, '/data/thumbs/' || owner || '/' || left(id::text, 2) || '/00/' || id || '_' || kind || '_edited.jpeg'
    FROM facts.assets, (VALUES ('preview'), ('thumbnail'), ('fullsize')) AS kinds (kind) WHERE edited;
INSERT INTO facts.persons VALUES
    ('d0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', '/data/thumbs/a0000000-0000-4000-8000-000000000001/d0/00/d0000000-0000-4000-8000-000000000001.jpeg', 'e0000000-0000-4000-8000-000000000001'),
    ('d0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000002', '', 'e0000000-0000-4000-8000-000000000002'),
    ('d0000000-0000-4000-8000-000000000003', 'a0000000-0000-4000-8000-000000000001', '/data/thumbs/a0000000-0000-4000-8000-000000000001/d0/00/d0000000-0000-4000-8000-000000000003.jpeg', 'e0000000-0000-4000-8000-000000000004'),
    ('d0000000-0000-4000-8000-000000000004', 'a0000000-0000-4000-8000-000000000001', '/data/thumbs/a0000000-0000-4000-8000-000000000001/d0/00/d0000000-0000-4000-8000-000000000004.jpeg', NULL);
-- Another face of the first person, one of nobody, and a chosen one that was removed.
INSERT INTO facts.faces VALUES
    ('e0000000-0000-4000-8000-000000000001', 'c1000000-0000-4000-8000-000000000001', 'd0000000-0000-4000-8000-000000000001', '{1920,1440,600,400,800,700}'),
    ('e0000000-0000-4000-8000-000000000002', 'c1000000-0000-4000-8000-000000000001', 'd0000000-0000-4000-8000-000000000002', '{1920,1440,-20,1300,90,1500}'),
    ('e0000000-0000-4000-8000-000000000003', 'c2000000-0000-4000-8000-000000000002', 'd0000000-0000-4000-8000-000000000001', '{1440,1920,1,2,3,4}'),
    ('e0000000-0000-4000-8000-000000000005', 'c2000000-0000-4000-8000-000000000002', NULL, '{1440,1920,1,2,3,4}');
INSERT INTO facts.faces VALUES
    ('e0000000-0000-4000-8000-000000000004', 'c2000000-0000-4000-8000-000000000002', 'd0000000-0000-4000-8000-000000000003', '{1440,1920,5,6,7,8}', true);
INSERT INTO facts.edits
    SELECT id, 1, 'rotate', '{"angle": 90}'::jsonb FROM facts.assets WHERE edited UNION ALL
    SELECT id, 2, 'mirror', '{"axis": "vertical"}' FROM facts.assets WHERE edited UNION ALL
    SELECT id, 0, 'crop', '{"x": 10.4, "y": 20, "width": 300, "height": 199.5}' FROM facts.assets WHERE edited;
INSERT INTO public.system_metadata VALUES
    ('MediaLocation', '{"location": "/data"}'),
    ('system-config', '{"image": {"preview": {"size": 1920, "quality": "best"}}, "trash": {"days": 3}}'),
    ('system-flags', '{"mountChecks": {"thumbs": true, "upload": true, "profile": false}}'),
    ('version-check-state', '{"checkedAt": "2026-01-01"}');
INSERT INTO public.move_history ("entityId", "pathType", "oldPath", "newPath") VALUES
    ('c1000000-0000-4000-8000-000000000001', 'original', '/data/upload/x.jpg', '/data/library/admin/2024/2024-05-05/IMG_1.jpg');
INSERT INTO public.version_history ("createdAt", version) VALUES
    ('2024-05-01 10:00:00+00', '1.103.0'), ('2026-05-01 10:00:00.5+00', '9.9.9'), ('2025-05-01 10:00:00+00', '1.133.0');
