# Tests of engine/base.
