# Tests of engine/crdt.
pluresdb_test(hybrid_clock_test.cc unit LIBS engine_crdt)
pluresdb_test(crdt_property_test.cc property LIBS engine_crdt rapidcheck)
