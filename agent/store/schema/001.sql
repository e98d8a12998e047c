-- The newest row is the incarnation in force; older ones tell a witness file of yesterday from one of another disk. Of its
-- positions, `carried` hold facts of earlier ones; the others are as many as the facts made under it.
CREATE TABLE incarnation (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  incarnation BLOB NOT NULL UNIQUE CHECK (length(incarnation) = 16),
  device TEXT NOT NULL,
  reason TEXT NOT NULL,
  carried INTEGER NOT NULL DEFAULT 0 CHECK (carried >= 0)
) STRICT;

-- A lane under an incarnation. Positions up to base_n have been forgotten; base_hash names that prefix. Streams of earlier
-- incarnations are there only while what they hold is being carried into the present ones.
CREATE TABLE stream (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  incarnation INTEGER NOT NULL,
  lane TEXT NOT NULL CHECK (lane IN ('custody', 'telemetry')),
  base_n INTEGER NOT NULL DEFAULT 0,
  base_hash BLOB NOT NULL CHECK (length(base_hash) = 32),
  acked_n INTEGER NOT NULL DEFAULT 0,
  sent_n INTEGER NOT NULL DEFAULT 0,
  released INTEGER NOT NULL DEFAULT 0,
  UNIQUE (incarnation, lane)
) STRICT;

-- One row per fact ever chained here, with its exact bytes or the cause why they are gone: one tree and no index, so that a
-- capture changes one page. A place is the number of the stream and, in its lower 40 bits, the position in it. seq is the order
-- of capture over both lanes of an incarnation.
CREATE TABLE fact (
  place INTEGER PRIMARY KEY,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  fact_id BLOB NOT NULL CHECK (length(fact_id) = 32),
  seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  cause TEXT,
  core BLOB,
  CHECK ((core IS NULL) = (cause IS NOT NULL))
) STRICT;

-- Content that no longer hashes to its identity, for an inspection.
CREATE TABLE aside (
  seq INTEGER PRIMARY KEY,
  fact_id BLOB NOT NULL,
  core BLOB NOT NULL
) STRICT;

-- What a request was answered, so that a repeat is answered the same.
CREATE TABLE request (
  seq INTEGER PRIMARY KEY,
  request_id BLOB NOT NULL UNIQUE CHECK (length(request_id) = 16),
  kept BLOB NOT NULL
) STRICT;

-- One block of each series is open; its samples are sealed into one core. A sample is guarded by a checksum of its own,
-- because it has no identity yet.
CREATE TABLE block (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('readings', 'positions')),
  name TEXT NOT NULL,
  quantity TEXT NOT NULL,
  interval_ms INTEGER NOT NULL,
  boot BLOB NOT NULL CHECK (length(boot) = 16),
  base_at_ms INTEGER NOT NULL,
  base_mono_ms INTEGER NOT NULL,
  UNIQUE (kind, name)
) STRICT;

CREATE TABLE sample (
  block INTEGER NOT NULL,
  k INTEGER NOT NULL,
  sample BLOB NOT NULL,
  PRIMARY KEY (block, k)
) STRICT, WITHOUT ROWID;

-- Attachments: the file stands in blobs/, named by its SHA-256.
CREATE TABLE blob (
  seq INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
  size INTEGER NOT NULL CHECK (size >= 1),
  at_ms INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'stored', 'refused')),
  why TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX blob_state ON blob (state, seq);

-- Small things beside the facts: drafts, documents of the hub, settings.
CREATE TABLE shelf (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
