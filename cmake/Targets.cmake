# SPDX-License-Identifier: LGPL-2.1-or-later
#
# format: lay all sources out. format-check, tidy, cppcheck: fail where something is to be mended.

file(GLOB_RECURSE odp_sources CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/src/*.c ${CMAKE_SOURCE_DIR}/tests/*.c)
file(GLOB_RECURSE odp_headers CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/include/*.h ${CMAKE_SOURCE_DIR}/src/*.h ${CMAKE_SOURCE_DIR}/tests/*.h)

function(odp_tool_target target program debian_package)
  find_program(ODP_TOOL_${target} ${program})
  if(ODP_TOOL_${target})
    add_custom_target(${target} COMMAND ${ODP_TOOL_${target}} ${ARGN}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
  else()
    add_custom_target(${target} VERBATIM
      COMMAND ${CMAKE_COMMAND} -E echo "${program} is missing: sudo apt-get install ${debian_package}"
      COMMAND ${CMAKE_COMMAND} -E false)
  endif()
endfunction()

odp_tool_target(format clang-format clang-format -i ${odp_sources} ${odp_headers})
odp_tool_target(format-check clang-format clang-format --dry-run --Werror ${odp_sources} ${odp_headers})
# A third of clang's own patience with one function's paths takes about half the time.
odp_tool_target(tidy run-clang-tidy clang-tidy -quiet -p ${CMAKE_BINARY_DIR}
  -extra-arg=-Xclang -extra-arg=-analyzer-config -extra-arg=-Xclang -extra-arg=max-nodes=75000
  "^${CMAKE_SOURCE_DIR}/(src|tests)/")
odp_tool_target(cppcheck cppcheck cppcheck --quiet --project=${CMAKE_BINARY_DIR}/compile_commands.json
  --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem
  --library=${CMAKE_SOURCE_DIR}/cmake/cppcheck.cfg --error-exitcode=1)
