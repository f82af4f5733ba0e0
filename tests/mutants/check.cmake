# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# cmake -DINCLUDE=DIR -DHEADER=FILE -DFROM=TEXT -DTO=TEXT -DWORK=DIR -P check.cmake -- COMPILER ARG...
# Breaks one rule in a copy of the library and passes when the test, compiled over it, fails.

file(REMOVE_RECURSE "${WORK}")
file(COPY "${INCLUDE}/" DESTINATION "${WORK}/include")
file(READ "${WORK}/include/${HEADER}" original)
string(REPLACE "${FROM}" "${TO}" mutant "${original}")
if(mutant STREQUAL original)
  message(FATAL_ERROR "${HEADER} does not hold the line to break: ${FROM}")
endif()
file(WRITE "${WORK}/include/${HEADER}" "${mutant}")

include("${CMAKE_CURRENT_LIST_DIR}/../../cmake/reprise-command-line.cmake")
list(POP_FRONT command compiler)
execute_process(COMMAND "${compiler}" "-I${WORK}/include" ${command} -o "${WORK}/test"
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND "${WORK}/test" --abort-after=1 "--test-case=random plans*"
  RESULT_VARIABLE status
  OUTPUT_QUIET ERROR_QUIET)
if(status EQUAL 0)
  message(FATAL_ERROR "the test passes although ${HEADER} is broken")
endif()
