# Tests of engine/core.
