# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# cmake -DDOXYGEN=PROGRAM -DWORK=DIR -P check.cmake INCLUDE_DIR (the last argument)
# Checks that each name that namespace reprise itself has, each of its enumerators, and each public
# member of its classes has a Doxygen comment. Namespaces inside it hold what its classes are made
# of, which is nobody else's business. Of members with the same name in a class one comment is
# enough: const or not, they mean the same.

cmake_minimum_required(VERSION 3.25)

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
  "@INCLUDE = \"${CMAKE_CURRENT_LIST_DIR}/../../cmake/Doxyfile\"\n"
  # Doxygen takes a private class that is defined outside of its class for a public one.
  "EXCLUDE_SYMBOLS = *::Core *::Core::*\n"
  "EXTRACT_ALL = YES\nWARNINGS = NO\n"
  "GENERATE_HTML = NO\nGENERATE_XML = YES\nXML_PROGRAMLISTING = NO\n")
execute_process(COMMAND "${DOXYGEN}" "${WORK}/Doxyfile" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

# Doxygen 1.9 calls reprise::inline v0 just v0.
file(GLOB namespaces "${WORK}/xml/namespace*v0.xml")
if(NOT namespaces)
  message(FATAL_ERROR "doxygen found no namespace reprise under ${include_dir}")
endif()

set(fault_count 0)
set(described_pattern "<(brief|detailed)description>[^<]*<para>")

# Says where the element lies and what is in its first NAME_TAG, unless it has a description of its
# own.
function(check_described element name_tag)
  string(REGEX MATCH "<${name_tag}>([a-z:]*v0::)?([^<]*)<" _ "${element}")
  set(name "${ARGN}${CMAKE_MATCH_2}")
  string(REGEX REPLACE "^.*</(enumvalue|sectiondef)>" "" own "${element}")
  if(own MATCHES "${described_pattern}")
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

# Sets VARIABLE to the <element>s of the XML that was read, each from behind its name to its end.
macro(split variable element)
  string(REPLACE "<${element} " ";" ${variable} "${xml}")
  list(POP_FRONT ${variable})
  list(TRANSFORM ${variable} REPLACE "</${element}>.*" "")
endmacro()

# Reads without what CMake takes for a list.
macro(read_xml path)
  file(READ "${path}" xml)
  string(REGEX REPLACE "[][;]" "," xml "${xml}")
endmacro()

# Whether the language says it all: what is deleted or defaulted, copies, moves, destructors, that a
# class is a friend, and the two ends of a range.
function(is_self_evident result member class)
  string(REGEX MATCH "<argsstring>([^<]*)</argsstring>[^<]*<name>([^<]*)</name>" _ "${member}")
  set(arguments "${CMAKE_MATCH_1}")
  set(name "${CMAKE_MATCH_2}")
  set(same_class "^\\((const )?${class} (&amp,)*[a-z]*\\)")
  if(arguments MATCHES "= ?(delete|default)$"
     OR name MATCHES "^~"
     OR (name MATCHES "^(begin|end)$" AND member MATCHES "^kind=\"function\"")
     OR (name MATCHES "^(${class}|operator=)$" AND arguments MATCHES "${same_class}")
     OR member MATCHES "<definition>friend (class|struct) ")
    set(${result} YES PARENT_SCOPE)
  else()
    set(${result} NO PARENT_SCOPE)
  endif()
endfunction()

# Checks the public members of the class whose XML was read.
macro(check_members class)
  string(REGEX REPLACE ".*::" "" class_name "${class}")
  split(members memberdef)
  split(enumerators enumvalue)
  list(FILTER members INCLUDE REGEX "^[^>]*prot=\"public\"")
  list(FILTER enumerators INCLUDE REGEX "^[^>]*prot=\"public\"")
  set(described)
  foreach(member IN LISTS members)
    string(REGEX REPLACE "<enumvalue .*</enumvalue>" "" member "${member}")
    if(member MATCHES "<name>([^<]*)</name>.*${described_pattern}")
      list(APPEND described "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  foreach(member IN LISTS members)
    string(REGEX MATCH "<name>([^<]*)</name>" _ "${member}")
    is_self_evident(is_plain "${member}" "${class_name}")
    if(NOT is_plain AND NOT "${CMAKE_MATCH_1}" IN_LIST described)
      check_described("${member}" name "${class}::")
    endif()
  endforeach()
  foreach(enumerator IN LISTS enumerators)
    check_described("${enumerator}" name "${class}::")
  endforeach()
endmacro()

read_xml("${namespaces}")
split(members memberdef)
split(enumerators enumvalue)
foreach(element IN LISTS members enumerators)
  check_described("${element}" name)
endforeach()

# Names of one class inside another have the class, and specialisations the arguments.
set(plain_name "<compoundname>[a-z:]*v0::([A-Za-z_0-9:]+)</compoundname>")
file(GLOB compounds "${WORK}/xml/class*v0_1_1*.xml" "${WORK}/xml/struct*v0_1_1*.xml"
     "${WORK}/xml/concept*v0_1_1*.xml")
file(GLOB inner_namespaces "${WORK}/xml/namespace*v0_1_1*.xml")
foreach(inner IN LISTS inner_namespaces)
  string(REGEX REPLACE ".*/namespace(.*)\\.xml$" "/[a-z]*\\1_1_1" inner "${inner}")
  list(FILTER compounds EXCLUDE REGEX "${inner}")
endforeach()
foreach(compound IN LISTS compounds)
  read_xml("${compound}")
  if(xml MATCHES "<compounddef [^>]*prot=\"(private|protected)\"" OR NOT xml MATCHES "${plain_name}")
    continue()
  endif()
  set(class "${CMAKE_MATCH_1}")
  check_described("${xml}" compoundname)
  check_members("${class}")
endforeach()

if(fault_count GREATER 0)
  message(FATAL_ERROR "${fault_count} public names have no documentation")
endif()
