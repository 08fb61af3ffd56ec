# Fuzz targets: docs/decisions/0014-fuzz-targets.md. In the tree of the preset fuzz they are programs of
# libFuzzer, in every other tree tests that replay a corpus and a fixed number of mutations of it.
if(PLURESDB_FUZZ)
  target_compile_options(project_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# pluresdb_fuzz(program TARGETS ... CORPUS folder LIBS ...): a program of all targets of one folder, and
# without libFuzzer a test for each of them. Corpora: CORPUS/TARGET.
function(pluresdb_fuzz program)
  cmake_parse_arguments(ARG "" "CORPUS" "TARGETS;LIBS" ${ARGN})
  if(NOT PLURESDB_TESTS AND NOT PLURESDB_FUZZ)
    return()
  endif()
  set(driver ${CMAKE_SOURCE_DIR}/engine/fuzz/driver)
  if(PLURESDB_FUZZ)
    add_executable(${program} ${driver}/libfuzzer_main.cc)
    target_link_options(${program} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${program} ${driver}/replay_main.cc)
  endif()
  target_link_libraries(${program} PRIVATE project_flags fuzz_driver ${ARG_LIBS})
  pluresdb_skips(skipped unit one_thread)
  set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests
                                              EXCLUDE_FROM_ALL ${skipped})
  if(PLURESDB_FUZZ)
    return()
  endif()
  if(PLURESDB_SANITIZE AND NOT skipped)
    add_dependencies(sanitized_tests ${program})
  endif()
  foreach(target ${ARG_TARGETS})
    pluresdb_register(fuzz_${target} unit TIMEOUT 120 LABELS one_thread
      COMMAND ${program} ${target} ${ARG_CORPUS}/${target})
  endforeach()
endfunction()
