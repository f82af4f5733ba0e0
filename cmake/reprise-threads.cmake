# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# ThreadSanitizer. GCC's OpenMP runtime synchronises in ways that it does not see, and so gives false
# alarms; clang's tells it through the tool Archer.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "REPRISE_SANITIZE_THREADS needs clang, not ${CMAKE_CXX_COMPILER_ID}")
endif()

cmake_path(GET CMAKE_CXX_COMPILER PARENT_PATH compiler_folder)
execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -print-file-name=libarcher.so
                OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE)
cmake_path(GET found PARENT_PATH archer_folder)
string(REGEX MATCH "^[0-9]+" clang_major "${CMAKE_CXX_COMPILER_VERSION}")
find_library(REPRISE_ARCHER archer HINTS "${archer_folder}" "${compiler_folder}/../lib"
             PATHS "/usr/lib/llvm-${clang_major}/lib" REQUIRED)

target_compile_options(reprise_development INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
target_link_options(reprise_development INTERFACE -fsanitize=thread)

# What is not built with it, such as the OpenMP runtime, synchronises unseen.
set(REPRISE_TEST_ENVIRONMENT
    "OMP_TOOL_LIBRARIES=${REPRISE_ARCHER}" OMP_NUM_THREADS=4
    "TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=66")
