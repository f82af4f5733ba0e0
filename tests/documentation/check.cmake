# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# cmake -DDOXYGEN=PROGRAM -DWORK=DIR -P check.cmake INCLUDE_DIR (the last argument)
# Checks that each name that namespace reprise itself has, and each of its enumerators, has a Doxygen
# comment. Namespaces inside it hold what its classes are made of, which is nobody else's business.

if(NOT DOXYGEN)
  message("skipped: there is no doxygen")
  return()
endif()
math(EXPR last_argument "${CMAKE_ARGC} - 1")
file(REAL_PATH "${CMAKE_ARGV${last_argument}}" include_dir)
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
file(
  WRITE "${WORK}/Doxyfile"
  "INPUT = \"${include_dir}\"\n"
  "OUTPUT_DIRECTORY = \"${WORK}\"\n"
  "RECURSIVE = YES\nFILE_PATTERNS = *.hpp *.cuh\nEXTENSION_MAPPING = cuh=C++\n"
  "PREDEFINED = __x86_64__ __GNUC__ _OPENMP\n"
  "EXTRACT_ALL = YES\nWARNINGS = NO\nWARN_IF_INCOMPLETE_DOC = NO\nQUIET = YES\nHAVE_DOT = NO\n"
  "GENERATE_HTML = NO\nGENERATE_LATEX = NO\nGENERATE_XML = YES\nXML_PROGRAMLISTING = NO\n")
execute_process(COMMAND "${DOXYGEN}" "${WORK}/Doxyfile" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

# Doxygen 1.9 calls reprise::inline v0 just v0.
file(GLOB namespaces "${WORK}/xml/namespace*v0.xml")
if(NOT namespaces)
  message(FATAL_ERROR "doxygen found no namespace reprise under ${include_dir}")
endif()

set(fault_count 0)
# Says where the element lies and what is in its first NAME_TAG, unless it has a description of its
# own.
function(check_described element name_tag)
  string(REGEX MATCH "<${name_tag}>([a-z:]*v0::)?([^<]*)<" _ "${element}")
  set(name "${CMAKE_MATCH_2}")
  string(REGEX REPLACE "^.*</(enumvalue|sectiondef)>" "" own "${element}")
  if(own MATCHES "<(brief|detailed)description>[^<]*<para>")
    return()
  endif()
  set(where "an enumerator")
  if(own MATCHES "<location file=\"[^\"]*/(reprise/[^\"]*)\" line=\"([0-9]+)")
    set(where "${CMAKE_MATCH_1}:${CMAKE_MATCH_2}")
  endif()
  message("${where}: ${name} has no documentation")
  math(EXPR fault_count "${fault_count} + 1")
  set(fault_count ${fault_count} PARENT_SCOPE)
endfunction()

# Splits at each <element>; what comes before the first is left out.
macro(split variable element)
  string(REPLACE "<${element} " ";" ${variable} "${xml}")
  list(POP_FRONT ${variable})
endmacro()

# Reads without what CMake takes for a list.
macro(read_xml path)
  file(READ "${path}" xml)
  string(REGEX REPLACE "[][;]" "," xml "${xml}")
endmacro()

read_xml("${namespaces}")
split(members memberdef)
split(enumerators enumvalue)
list(TRANSFORM members REPLACE "</memberdef>.*" "")
list(TRANSFORM enumerators REPLACE "</enumvalue>.*" "")
foreach(element IN LISTS members enumerators)
  check_described("${element}" name)
endforeach()
file(GLOB compounds "${WORK}/xml/class*v0_1_1*.xml" "${WORK}/xml/struct*v0_1_1*.xml"
     "${WORK}/xml/concept*v0_1_1*.xml")
foreach(compound IN LISTS compounds)
  read_xml("${compound}")
  # Neither a member of another, nor a specialisation.
  if(xml MATCHES "<compoundname>[a-z:]*v0::[A-Za-z_0-9]+</compoundname>")
    check_described("${xml}" compoundname)
  endif()
endforeach()

if(fault_count GREATER 0)
  message(FATAL_ERROR "${fault_count} public names have no documentation")
endif()
