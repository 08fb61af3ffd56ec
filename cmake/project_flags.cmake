# Flags of all our targets, as one INTERFACE target.
add_library(project_flags INTERFACE)
target_compile_options(project_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wswitch-enum -Wold-style-cast -Wundef
  # clang warns of what libstdc++ 12 allows itself in stable_sort; g++ warns where it is right.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>
  $<$<BOOL:${PLURESDB_WERROR}>:-Werror>)
target_include_directories(project_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/engine/include)
find_package(Threads REQUIRED)
target_link_libraries(project_flags INTERFACE Threads::Threads)

# Line tables are what a backtrace needs; full debug information would double the build.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

if(PLURESDB_SANITIZE)
  set(CMAKE_CXX_FLAGS_DEBUG "-g1")  # Libraries add -O1, tests nothing.
  target_compile_options(project_flags INTERFACE
    -fsanitize=${PLURESDB_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # For tests; each compiler has another name for it.
  string(REGEX MATCH "address|thread" sanitizer ${PLURESDB_SANITIZE})
  string(TOUPPER PLURESDB_${sanitizer}_SANITIZER sanitizer)
  target_compile_definitions(project_flags INTERFACE ${sanitizer})
  target_link_options(project_flags INTERFACE -fsanitize=${PLURESDB_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)  # Optional.
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
