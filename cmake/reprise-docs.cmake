# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# The target `docs`: the API reference in docs/html of the build folder, by Doxygen, where that is
# installed. A warning is an error.

find_program(REPRISE_DOXYGEN doxygen)
mark_as_advanced(REPRISE_DOXYGEN)
if(NOT REPRISE_DOXYGEN)
  return()
endif()

set(docs_dir "${CMAKE_CURRENT_BINARY_DIR}/docs")
file(
  WRITE "${docs_dir}/Doxyfile"
  "PROJECT_NAME = Reprise\nPROJECT_NUMBER = ${PROJECT_VERSION}\n"
  "PROJECT_BRIEF = \"${PROJECT_DESCRIPTION}\"\n"
  "INPUT = \"${PROJECT_SOURCE_DIR}/include\" \"${PROJECT_SOURCE_DIR}/README.md\"\n"
  "USE_MDFILE_AS_MAINPAGE = \"${PROJECT_SOURCE_DIR}/README.md\"\n"
  "STRIP_FROM_PATH = \"${PROJECT_SOURCE_DIR}/include\"\n"
  "OUTPUT_DIRECTORY = \"${docs_dir}\"\n"
  "@INCLUDE = \"${CMAKE_CURRENT_LIST_DIR}/Doxyfile\"\n"
  "JAVADOC_AUTOBRIEF = YES\nWARN_IF_UNDOCUMENTED = NO\nWARN_AS_ERROR = FAIL_ON_WARNINGS\n")
add_custom_target(
  docs
  COMMAND "${REPRISE_DOXYGEN}" "${docs_dir}/Doxyfile"
  COMMENT "The API reference: ${docs_dir}/html/index.html"
  VERBATIM)
if(REPRISE_BUILD_TESTS)
  add_test(NAME documentation.reference COMMAND "${REPRISE_DOXYGEN}" "${docs_dir}/Doxyfile")
endif()
