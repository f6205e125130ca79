-- An index as version 1 of the schema had it, with three files of one client: what was in use before
-- there were uploads in several requests. The content of the second is a blob.
PRAGMA journal_mode = wal;

CREATE TABLE files (
    container BLOB NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    modified INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    blob TEXT,
    content INTEGER,
    PRIMARY KEY (container, name),
    CHECK ((blob IS NULL) <> (content IS NULL))
) WITHOUT ROWID, STRICT;

CREATE UNIQUE INDEX files_by_blob ON files (blob) WHERE blob IS NOT NULL;

CREATE TABLE contents (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

CREATE TABLE garbage (blob TEXT PRIMARY KEY) WITHOUT ROWID, STRICT;

INSERT INTO contents VALUES (1, x'68656c6c6f'), (2, x'');

INSERT INTO files VALUES (
    x'4d80cdde7d3b31742852a736230fe37e', 'a/hello', 5,
    x'2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    1700000000123456, '{"content_type": "text/plain", "custom": {"colour": "blue"}}', NULL, 1
), (
    x'4d80cdde7d3b31742852a736230fe37e', 'b', 20000,
    x'28b4f41a7f3ee6d8cc87272db6e09c6d3566551fd4d18702b041a21658272a85',
    1700000001000000, '{"content_type": "application/octet-stream", "custom": {}}',
    'ab00000000000000-0000000000000001', NULL
), (
    x'4d80cdde7d3b31742852a736230fe37e', 'empty', 0,
    x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    1700000002000000, '{"content_type": "application/octet-stream", "custom": {}}', NULL, 2
);

INSERT INTO garbage VALUES ('cd00000000000000-0000000000000001');

PRAGMA user_version = 1;
