# Flags of all our targets, as one INTERFACE target.
add_library(project_flags INTERFACE)
target_compile_options(project_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wswitch-enum -Wold-style-cast -Wundef
  $<$<BOOL:${PLURESDB_WERROR}>:-Werror>)
target_include_directories(project_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/engine/include)
find_package(Threads REQUIRED)
target_link_libraries(project_flags INTERFACE Threads::Threads)

# Line tables are what a backtrace needs; full debug information would double the build.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

if(PLURESDB_SANITIZE)
  target_compile_options(project_flags INTERFACE
    -fsanitize=${PLURESDB_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  target_link_options(project_flags INTERFACE -fsanitize=${PLURESDB_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)  # Optional.
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
