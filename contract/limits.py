"""Every bound that device and hub share. Nothing larger is ever built, sent, inflated or stored."""

KIB = 1024

MAX_CORE_BYTES = 16 * KIB
"""A fact's exact bytes; larger things (photos, drawings) are blobs."""

MAX_BATCH_ITEMS = 256
MAX_WIRE_BYTES = 256 * KIB
"""One MQTT payload, header included; the broker is configured to cut off anything larger."""
MAX_DECODED_BYTES = 1024 * KIB
"""One message after inflating; a reader stops one byte beyond it."""

MAX_BLOCK_READINGS = 512
"""Readings or positions sealed into one fact."""
DEFAULT_SEAL_S = 60
"""While in contact a block is sealed this long after its first reading, so that the hub is at most a minute behind."""

MAX_CODE_BYTES = 8 * KIB
"""A scanned code: the largest QR code holds 7,089 digits."""
MAX_KEY_CHARS = 256
MAX_TEXT_CHARS = 256
"""Names, places, reasons."""
MAX_NOTE_CHARS = 2000
MAX_DETAIL_CHARS = 8000
"""What a decision states beside its reason, such as the limits of a temperature profile."""
MAX_PARCELS_PER_PROOF = 200
MAX_BLOBS_PER_FACT = 16

MAX_BLOB_BYTES = 16 * 1024 * KIB
BLOB_CHUNK_BYTES = 32 * KIB
"""Small enough that a scan never waits long behind a photo on a slow link."""
MAX_BLOB_RANGES = 64
"""Missing ranges named in one answer; the rest follows in the next."""

MAX_CHECKPOINTS = 24
"""Marks at distances 1, 2, 4 ... behind the head: 24 of them span 16 million facts."""
MAX_HEADS = 16
AUDIT_FACTS = 16
AUDIT_BLOBS = 16
MAX_AUDIT = 512
"""Identities in one hello: those that storage pressure would let go, and AUDIT_FACTS more in rotation."""
AUDIT_PREFIX_BYTES = 8
IDLE_HELLO_BYTES = 400
"""A hello with nothing to send, on the wire."""
MAX_SNAPSHOT_SENSORS = 128
MAX_DOCUMENTS = 16
MAX_DOCUMENT_PARTS = 256
DOCUMENT_PART_BYTES = 64 * KIB

HELLO_INTERVAL_MS = 60_000
HELLO_JITTER = 0.2
RESEND_FIRST_MS = 5_000
RESEND_CAP_MS = 300_000
"""Doubling from the first to the cap, with full jitter."""
UNANSWERED_BEFORE_RECONNECT = 3
"""Timers in a row that nobody answered: the connection is taken for dead, whatever TCP believes."""
LIVE_INTERVAL_MS = 5_000

HOLD_MIN_MS = 72 * 3_600_000
HOLD_DEFAULT_MS = 14 * 24 * 3_600_000
"""Even what the hub holds safely stays on the device this long while there is room."""
SAFE_AGE_MS = 7 * 24 * 3_600_000
"""Without configured backups a fact is safe when it was committed this long ago."""
SAFE_BACKUPS = 2
"""With backups, when it is in this many of the newest verified ones."""

PARTITIONS = 64
