# Tests of engine/core.
if(PLURESDB_TESTS)
  add_library(core_test_support STATIC core_memory_disk.cc)
  target_link_libraries(core_test_support PUBLIC project_flags engine_core)
endif()
pluresdb_test(core_engine_test.cc unit LIBS core_test_support)
