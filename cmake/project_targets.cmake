# pluresdb_library(name DEPENDS ...): a static library of the .cc files of the current folder.
function(pluresdb_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "main\\.cc$")
  if(NOT sources)  # BOOTSTRAP: removed when every folder has code.
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE project_flags ${ARG_DEPENDS} ${ARG_PRIVATE_DEPENDS})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC project_flags ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
endfunction()

# pluresdb_test(FILE label LIBS ... [PROCESSORS n] [TIMEOUT s]): one gtest binary of one file; every
# TEST in it becomes a CTest test with that label.
function(pluresdb_test file label)
  if(NOT PLURESDB_TESTS)
    return()
  endif()
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})  # BOOTSTRAP: removed when every test is there.
    return()
  endif()
  cmake_parse_arguments(ARG "" "TIMEOUT;WHOLE" "LIBS;ENVIRONMENT;EXTRA_LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE project_flags ${ARG_LIBS} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  set(labels ${label} ${ARG_EXTRA_LABELS})
  # One CTest test per binary: starting a process per TEST would cost more than the tests do.
  add_test(NAME ${label}.${name} COMMAND ${name})
  set_tests_properties(${label}.${name} PROPERTIES
    LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "${ARG_ENVIRONMENT}"
    SKIP_REGULAR_EXPRESSION "SKIPPED WHOLE")
endfunction()
