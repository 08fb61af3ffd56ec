# Tests of engine/crdt.
