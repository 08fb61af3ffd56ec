# Tests of engine/wal.
