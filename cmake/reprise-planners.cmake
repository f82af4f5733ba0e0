# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# Makes the target reprise::planners: the planners that are no templates, compiled once for all
# sources that link it. Nothing is built where nobody does.
#
# Built and installed trees both include this file. An installed tree has the sources and no library:
# the project that links it builds it, with its own compiler, standard library and flags.
#
# REPRISE_PLANNER_SOURCES says where its sources lie.

if(NOT TARGET reprise_planners)
  add_library(reprise_planners STATIC EXCLUDE_FROM_ALL "${REPRISE_PLANNER_SOURCES}/by_name.cpp"
                                                       "${REPRISE_PLANNER_SOURCES}/layers.cpp"
                                                       "${REPRISE_PLANNER_SOURCES}/searches.cpp")
  add_library(reprise::planners ALIAS reprise_planners)
  target_link_libraries(reprise_planners PUBLIC reprise::reprise)
  target_compile_definitions(reprise_planners PUBLIC REPRISE_SEPARATE_PLANNERS)
  set_target_properties(
    reprise_planners
    PROPERTIES POSITION_INDEPENDENT_CODE ON # shared libraries link it too
               CXX_EXTENSIONS OFF) # ISO C++ does not fuse unasked: plans repeat
endif()
