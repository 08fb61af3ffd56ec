# pluresdb_library(name DEPENDS ...): a static library of the .cc files of the current folder.
function(pluresdb_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "main\\.cc$")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC project_flags ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
endfunction()

# pluresdb_register(NAME label TIMEOUT s [LABELS ...] [ENVIRONMENT ...] COMMAND ...): one CTest test,
# named label.NAME; in a sanitizer build sanitizer.label.NAME, so that one ctest run can hold the
# tests of several build trees. Tests labelled long, libfiu or tool are registered in plain builds
# only: a sanitizer multiplies the time of the first, refuses the preload of the second, and sees
# nothing in the third.
function(pluresdb_register name label)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;ENVIRONMENT;COMMAND" ${ARGN})
  set(labels ${label} ${ARG_LABELS})
  set(test_name ${label}.${name})
  if(PLURESDB_SANITIZE)
    foreach(excluded long libfiu tool)
      if(${excluded} IN_LIST labels)
        return()
      endif()
    endforeach()
    string(REGEX MATCH "^[a-z]+" sanitizer ${PLURESDB_SANITIZE})
    set(test_name ${sanitizer}.${test_name})
    list(APPEND labels sanitizer)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 4")
    list(APPEND ARG_ENVIRONMENT
      "ASAN_OPTIONS=detect_leaks=1:abort_on_error=1"
      "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
      "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${CMAKE_SOURCE_DIR}/ci/tsan.supp")
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
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  pluresdb_register(${name} ${label} TIMEOUT ${ARG_TIMEOUT} LABELS ${ARG_EXTRA_LABELS}
    ENVIRONMENT ${ARG_ENVIRONMENT} COMMAND ${name})
endfunction()
