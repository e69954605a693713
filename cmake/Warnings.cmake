# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every warning that is on, and why. ODP_WERROR makes them errors (the presets dev and asan, and CI).

option(ODP_WERROR "Warnings are errors" OFF)

add_library(odp-warnings INTERFACE)
target_compile_options(odp-warnings INTERFACE
  -Wall -Wextra              # the common ground of both compilers
  -Wshadow                   # an inner name that hides an outer one reads as the outer one
  -Wconversion               # lengths and fds must not be cut silently; 32-bit and 64-bit differ
  -Wsign-conversion          # char is unsigned on ARM, sizes are unsigned: say every change of sign
  -Wformat=2                 # format strings come from us alone, and are checked
  -Wstrict-prototypes        # f() takes anything; f(void) takes nothing
  -Wmissing-prototypes       # what no header declares is static
  -Wold-style-definition     # the same, for definitions
  -Wcast-align               # ARM traps or is slow on what x86 forgives
  -Wcast-qual                # a cast that drops const writes to what was lent
  -Wwrite-strings            # string literals are const
  -Wpointer-arith            # void pointers have no size
  -Wundef                    # a macro misspelt in #if is silently 0
  -Wvla                      # the stack is bounded
  -Wswitch-enum              # a new state or event must be seen to everywhere (with -Wall's -Wswitch)
  -Wimplicit-fallthrough     # falling through is said with [[fallthrough]] or not done
  -Wnull-dereference         # paths that the optimiser proves wrong
  -Wdouble-promotion         # float maths in double is an accident
)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(odp-warnings INTERFACE
    -Wlogical-op             # `a || a` is a slip of the pen
    -Wduplicated-cond        # so is the same condition twice in an if chain
    -Wduplicated-branches    # and the same branch twice
    -Wno-error=null-dereference # gcc 12 sees ghosts through inlined lists: shown, not fatal
  )
endif()
if(ODP_WERROR)
  target_compile_options(odp-warnings INTERFACE -Werror)
endif()

# Hardening that costs no measurable time: overflow checks in libc calls, full RELRO.
add_library(odp-hardening INTERFACE)
target_compile_options(odp-hardening INTERFACE -fstack-protector-strong
  $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
target_link_options(odp-hardening INTERFACE -Wl,-z,relro,-z,now,--as-needed)
