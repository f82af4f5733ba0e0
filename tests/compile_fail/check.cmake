# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# cmake -DEXPECTED=REGEX -DFLAGS=FILE -P check.cmake -- COMPILER ARGUMENT...
# Passes when the compiler refuses, with a message that matches the expression.

include("${CMAKE_CURRENT_LIST_DIR}/../../cmake/reprise-command-line.cmake")

file(STRINGS "${FLAGS}" flags)
list(TRANSFORM flags REPLACE "^SHELL:" "") # CMake's own mark, which compilers do not know

set(ENV{LC_ALL} C) # the messages in English
execute_process(
  COMMAND ${command} ${flags}
  RESULT_VARIABLE status
  OUTPUT_VARIABLE output
  ERROR_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "it compiles, and must not")
elseif(NOT output MATCHES "${EXPECTED}")
  message(FATAL_ERROR "refused, but not for the expected reason '${EXPECTED}':\n${output}")
endif()
