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
  "RECURSIVE = YES\nFILE_PATTERNS = *.hpp *.cuh *.md\nEXTENSION_MAPPING = cuh=C++\n"
  # What compilers define that the headers ask for.
  "MACRO_EXPANSION = YES\nPREDEFINED = __x86_64__ __GNUC__ _OPENMP REPRISE_PLANNER_DECL=\n"
  "JAVADOC_AUTOBRIEF = YES\nWARN_IF_UNDOCUMENTED = NO\nWARN_IF_INCOMPLETE_DOC = NO\n"
  "WARN_AS_ERROR = FAIL_ON_WARNINGS\nQUIET = YES\n"
  "HAVE_DOT = NO\nGENERATE_LATEX = NO\n")
add_custom_target(
  docs
  COMMAND "${REPRISE_DOXYGEN}" "${docs_dir}/Doxyfile"
  COMMENT "The API reference: ${docs_dir}/html/index.html"
  VERBATIM)
if(REPRISE_BUILD_TESTS)
  add_test(NAME documentation.reference COMMAND "${REPRISE_DOXYGEN}" "${docs_dir}/Doxyfile")
endif()
