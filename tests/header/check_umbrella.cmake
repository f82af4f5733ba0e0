# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# cmake -DOPTIONAL=HEADER;... -P check_umbrella.cmake INCLUDE_DIR (the last argument)
# Checks that reprise/reprise.hpp includes every header for host compilers, but for those that need
# what not every user has.

math(EXPR last_argument "${CMAKE_ARGC} - 1")
file(REAL_PATH "${CMAKE_ARGV${last_argument}}" include_dir)

file(STRINGS "${include_dir}/reprise/reprise.hpp" included REGEX "^#include <.*>$")
list(TRANSFORM included REPLACE "^#include <(.*)>$" "\\1")
file(GLOB_RECURSE wanted RELATIVE "${include_dir}" "${include_dir}/reprise/*.hpp")
list(REMOVE_ITEM wanted reprise/reprise.hpp ${OPTIONAL})

set(missing ${wanted})
list(REMOVE_ITEM missing ${included})
set(unwanted ${included})
list(REMOVE_ITEM unwanted ${wanted})
foreach(header IN LISTS missing)
  message("reprise/reprise.hpp does not include ${header}")
endforeach()
foreach(header IN LISTS unwanted)
  message("reprise/reprise.hpp includes ${header}, which is optional or does not exist")
endforeach()
if(missing OR unwanted)
  message(FATAL_ERROR "reprise/reprise.hpp is not the host-side library in one include")
endif()
