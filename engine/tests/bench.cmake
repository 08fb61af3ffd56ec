# Tests of engine/bench, which is no part of the engine.
if(PLURESDB_COVERAGE)
  return()
endif()
pluresdb_test(bench_peers_parts_test.cc unit LIBS bench_peers simdjson::simdjson fmt::fmt EXTRA_LABELS forks)
pluresdb_test(bench_peers_test.cc tool LIBS engine_base simdjson::simdjson fmt::fmt TIMEOUT 300)
if(TARGET bench_peers_test)
  target_compile_definitions(bench_peers_test PRIVATE
    PLURESDB_BENCH_PEERS="$<TARGET_FILE:pluresdb-bench-peers>"
    PLURESDB_BENCH="$<TARGET_FILE:pluresdb-bench>")
  add_dependencies(bench_peers_test pluresdb-bench pluresdb-bench-peers)
endif()
# The program that is measured with is not built where nobody measures, nor is operator new replaced
# under a sanitizer, which does that itself.
if(NOT PLURESDB_SANITIZE)
  pluresdb_test(bench_suites_test.cc tool LIBS engine_base simdjson::simdjson TIMEOUT 300)
  pluresdb_test(bench_allocation_counter_test.cc unit LIBS engine_base)
  if(TARGET bench_suites_test)
    target_compile_definitions(bench_suites_test PRIVATE
      PLURESDB_BENCH="$<TARGET_FILE:pluresdb-bench>")
    add_dependencies(bench_suites_test pluresdb-bench)
    target_sources(bench_allocation_counter_test PRIVATE ../bench/allocation_counter.cc)
  endif()
endif()
