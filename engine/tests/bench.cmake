# Tests of engine/bench/peers.
pluresdb_test(bench_peers_parts_test.cc unit LIBS bench_peers simdjson::simdjson EXTRA_LABELS forks)
pluresdb_test(bench_peers_test.cc tool LIBS engine_base simdjson::simdjson fmt::fmt TIMEOUT 300)
if(TARGET bench_peers_test)
  target_compile_definitions(bench_peers_test PRIVATE
    PLURESDB_BENCH_PEERS="$<TARGET_FILE:pluresdb-bench-peers>"
    PLURESDB_BENCH="$<TARGET_FILE:pluresdb-bench>")
  add_dependencies(bench_peers_test pluresdb-bench pluresdb-bench-peers)
endif()
