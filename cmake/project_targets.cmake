# pluresdb_library(name DEPENDS ...): a static library of the .cc files of the current folder. Sanitizer
# trees are built as a whole and seldom: there several files are compiled as one, which halves the time.
function(pluresdb_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "main\\.cc$")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC project_flags ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
  if(PLURESDB_SANITIZE)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    target_compile_options(${name} PRIVATE -O1)
  endif()
endfunction()

# pluresdb_skips(RESULT LABELS...): whether this build tree leaves out tests with these labels. A plain
# build leaves out none. A sanitizer multiplies the time of long ones, refuses the preload of libfiu
# ones, sees nothing in those of scripts and bears no limits of a process; ThreadSanitizer has nothing to
# see in tests with one thread (property and golden ones among them), cannot judge the threads of the web server of
# prometheus-cpp, which is built without it, and ends a process that has forked with threads. For the
# night (PLURESDB_SANITIZE_WHOLE) are runs of whole scenarios, which wait more than they compute, exhaustive
# loops over code that other tests run, and second runs of tests, on encrypted stores. Coverage is of the engine: no
# scripts, nothing that takes hours.
function(pluresdb_skips result)
  set(${result} FALSE PARENT_SCOPE)
  set(excluded_labels)
  if(PLURESDB_COVERAGE)
    set(excluded_labels long soak tool real_limits)
  elseif(PLURESDB_SANITIZE)
    set(excluded_labels long soak libfiu tool real_limits)
  endif()
  if(PLURESDB_SANITIZE MATCHES thread)
    list(APPEND excluded_labels property golden one_thread web_server forks)
  endif()
  if(PLURESDB_SANITIZE AND NOT PLURESDB_SANITIZE_WHOLE)
    list(APPEND excluded_labels negative encrypted exhaustive)
    if(PLURESDB_SANITIZE MATCHES thread)
      list(APPEND excluded_labels scenario)
    endif()
  endif()
  foreach(excluded ${excluded_labels})
    if(${excluded} IN_LIST ARGN)
      set(${result} TRUE PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

# pluresdb_register(NAME label TIMEOUT s [LABELS ...] [ENVIRONMENT ...] COMMAND ...): one CTest test,
# named label.NAME; in a sanitizer build sanitizer.label.NAME, so that one ctest run can hold the
# tests of several build trees. A property is checked with 1000 cases, under a sanitizer with 200
# (ThreadSanitizer: 50 by day).
function(pluresdb_register name label)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;ENVIRONMENT;COMMAND" ${ARGN})
  set(labels ${label} ${ARG_LABELS})
  set(test_name ${label}.${name})
  set(cases 1000)
  pluresdb_skips(skipped ${labels})
  if(skipped)
    return()
  endif()
  if(PLURESDB_SANITIZE)
    string(REGEX MATCH "^[a-z]+" sanitizer ${PLURESDB_SANITIZE})
    set(test_name ${sanitizer}.${test_name})
    list(APPEND labels sanitizer)
    set(cases 200)
    if(PLURESDB_SANITIZE MATCHES thread AND NOT PLURESDB_SANITIZE_WHOLE)
      set(cases 50)
    endif()
    # Without names of functions no suppression of them works.
    find_program(PLURESDB_SYMBOLIZER llvm-symbolizer-19 REQUIRED)
    set(common "external_symbolizer_path=${PLURESDB_SYMBOLIZER}")
    list(APPEND ARG_ENVIRONMENT
      "ASAN_OPTIONS=${common}:detect_leaks=1:abort_on_error=1"
      "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/ci/lsan.supp:print_suppressions=0"
      "UBSAN_OPTIONS=${common}:print_stacktrace=1:halt_on_error=1"
      "TSAN_OPTIONS=${common}:halt_on_error=1:second_deadlock_stack=1:suppressions=${CMAKE_SOURCE_DIR}/ci/tsan.supp")
  endif()
  if(PLURESDB_SANITIZE OR PLURESDB_COVERAGE)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 4")
  endif()
  if("property" IN_LIST labels OR "properties" IN_LIST labels)
    list(APPEND ARG_ENVIRONMENT "RC_PARAMS=max_success=${cases}")
  endif()
  add_test(NAME ${test_name} COMMAND ${ARG_COMMAND})
  set_tests_properties(${test_name} PROPERTIES
    LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "${ARG_ENVIRONMENT}"
    SKIP_REGULAR_EXPRESSION "SKIPPED WHOLE")
endfunction()

# pluresdb_test(FILE label LIBS ... [EXTRA_LABELS ...] [ENVIRONMENT ...] [TIMEOUT s]): one gtest
# binary of one file, and one CTest test for all of it: a process per TEST would cost more than the
# tests do.
function(pluresdb_test file label)
  if(NOT PLURESDB_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "TIMEOUT" "LIBS;ENVIRONMENT;EXTRA_LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE project_flags ${ARG_LIBS} GTest::gtest GTest::gtest_main)
  pluresdb_skips(skipped ${label} ${ARG_EXTRA_LABELS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests
                                           EXCLUDE_FROM_ALL ${skipped})
  # Compiling a test takes longer than running it: here its own code is not optimised, and under
  # sanitizers the headers that all tests include are compiled once.
  if(PLURESDB_SANITIZE)
    if(NOT TARGET test_headers)
      file(WRITE ${CMAKE_BINARY_DIR}/test_headers.cc "")
      add_library(test_headers OBJECT ${CMAKE_BINARY_DIR}/test_headers.cc)
      target_link_libraries(test_headers PRIVATE project_flags GTest::gtest)
      target_precompile_headers(test_headers PRIVATE <gtest/gtest.h> <algorithm> <atomic> <chrono>
        <condition_variable> <expected> <filesystem> <functional> <map> <memory> <mutex> <optional> <random>
        <set> <span> <string> <string_view> <thread> <unordered_map> <utility> <vector>)
    endif()
    target_precompile_headers(${name} REUSE_FROM test_headers)
    if(NOT skipped)
      add_dependencies(sanitized_tests ${name})
    endif()
  else()
    set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS -O0)
  endif()
  if(label STREQUAL soak AND NOT skipped)
    if(NOT TARGET soak_tests)
      add_custom_target(soak_tests)
    endif()
    add_dependencies(soak_tests ${name})
  endif()
  pluresdb_register(${name} ${label} TIMEOUT ${ARG_TIMEOUT} LABELS ${ARG_EXTRA_LABELS}
    ENVIRONMENT ${ARG_ENVIRONMENT} COMMAND ${name})
endfunction()
