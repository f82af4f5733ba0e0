# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# What this project's own executables are built with and its users are not: warnings as errors,
# sanitizers, a compiler cache.

# ISO C++ also forbids fusing a multiplication with an addition unasked: sums repeat.
set(CMAKE_CXX_EXTENSIONS OFF)

add_library(reprise_development INTERFACE)
target_link_libraries(reprise_development INTERFACE reprise::reprise)

set(cxx_warnings -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND cxx_warnings -Wno-restrict) # false alarms on std::string (GCC bug 105651)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  list(APPEND cxx_warnings -Wno-pass-failed) # not all is optimised that asks to be vectorised
endif()
# No -Wpedantic for nvcc: the code that it generates for the host compiler does not pass.
set(cuda_warnings -Werror=all-warnings -Xcompiler=-Wall,-Wextra)
target_compile_options(
  reprise_development INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${cxx_warnings}>"
                                "$<$<COMPILE_LANGUAGE:CUDA>:${cuda_warnings}>")

# CMake 3.25.1 does not know that nvcc 13 has C++20.
if(REPRISE_HAS_CUDA AND NOT "cuda_std_20" IN_LIST CMAKE_CUDA_COMPILE_FEATURES)
  target_compile_options(reprise_development INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>")
endif()

if(REPRISE_SANITIZE)
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # A check of each pointer that is read through is a third of what is compiled and of what is run.
  # AddressSanitizer reports a null pointer too; who makes addresses asks for all checks.
  list(APPEND sanitizers -fno-sanitize=null,alignment)
  target_compile_options(reprise_development
                         INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${sanitizers}>")
  target_compile_definitions(reprise_development INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(reprise_development INTERFACE ${sanitizers})
  # Where memory was allocated is said to one frame: a stack walk at each allocation is a fifth of the
  # time of what allocates much.
  set(REPRISE_TEST_ENVIRONMENT
      "ASAN_OPTIONS=malloc_context_size=1"
      "LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/leaks.supp:print_suppressions=0")
endif()

if(REPRISE_SANITIZE_THREADS)
  include(reprise-threads)
endif()

# For what would run for minutes: optimised under the sanitizers too, where the rest is not.
add_library(reprise_optimise INTERFACE)
if(REPRISE_SANITIZE)
  target_compile_options(reprise_optimise INTERFACE -O1)
endif()

# For what makes addresses itself: whether they are aligned, and not null, at each use.
add_library(reprise_check_pointers INTERFACE)
if(REPRISE_SANITIZE)
  target_compile_options(reprise_check_pointers INTERFACE -fsanitize=null,alignment)
endif()

# In tests it is planning that takes long.
target_link_libraries(reprise_planners PRIVATE reprise_development reprise_optimise)
if(REPRISE_SANITIZE OR REPRISE_TESTS STREQUAL "OPTIMISED")
  # It makes planners and holds no search: half a minute to optimise, and nothing to win.
  set_source_files_properties("${REPRISE_PLANNER_SOURCES}/by_name.cpp" PROPERTIES COMPILE_OPTIONS
                                                                                  -O0)
endif()

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(REPRISE_CCACHE ccache)
  mark_as_advanced(REPRISE_CCACHE)
  if(REPRISE_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${REPRISE_CCACHE}")
    set(CMAKE_CUDA_COMPILER_LAUNCHER "${REPRISE_CCACHE}")
    set_target_properties(reprise_planners PROPERTIES CXX_COMPILER_LAUNCHER "${REPRISE_CCACHE}")
  endif()
endif()
