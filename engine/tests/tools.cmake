# Tests of engine/tools: they run the real programs.
pluresdb_test(tools_inspect_test.cc unit LIBS core_test_support simdjson::simdjson)
pluresdb_test(tools_validate_test.cc unit LIBS core_test_support simdjson::simdjson)
foreach(test tools_inspect_test tools_validate_test)
  if(TARGET ${test})
    target_compile_definitions(${test} PRIVATE PLURESDB_BIN="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
    add_dependencies(${test} pluresdb-inspect pluresdb-validate)
  endif()
endforeach()
