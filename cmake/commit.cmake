# SPDX-License-Identifier: Apache-2.0
# commit.cmake - writes a C file that holds the source's commit. It runs at each build (cmake -P) with SOURCE, OUTPUT and
# optionally COMMIT.
# Without COMMIT it asks git if SOURCE is the root of a checkout; otherwise the commit is "".
cmake_policy(VERSION 3.25)
if(COMMIT STREQUAL "")
  execute_process(COMMAND git rev-parse --show-prefix WORKING_DIRECTORY ${SOURCE}
                  OUTPUT_VARIABLE below_root RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT failed AND below_root STREQUAL "")
    execute_process(COMMAND git describe --always --dirty --exclude=* --abbrev=12 WORKING_DIRECTORY ${SOURCE}
                    OUTPUT_VARIABLE COMMIT ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "extern const char build_commit[];\nconst char build_commit[] = \"@COMMIT@\";\n" @ONLY)
