# SPDX-License-Identifier: Apache-2.0
# The shared library from outside: what it shows, and what other languages see of it.

# The interface: every function can be linked to; Python and Julia see what C sees. A sanitizer's library does not go
# into another language's process.
add_executable(test_symbols api/test_symbols.c)
target_link_libraries(test_symbols PRIVATE slmt ${CMAKE_DL_LIBS})
add_test(NAME test_symbols COMMAND test_symbols)

add_executable(api_layout api/api_layout.c)
target_include_directories(api_layout PRIVATE ${PROJECT_SOURCE_DIR}/include)
find_package(Python3 COMPONENTS Interpreter)
find_program(SLMT_JULIA julia)
if(Python3_FOUND AND NOT CMAKE_C_FLAGS MATCHES -fsanitize)
  add_test(NAME test_api_python COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/api/test_api.py
                                        $<TARGET_FILE:api_layout>)
  set_tests_properties(test_api_python PROPERTIES ENVIRONMENT
                       "SLMT_LIBRARY=$<TARGET_FILE:slmt>;PYTHONPATH=${PROJECT_SOURCE_DIR}/bindings/python")
endif()
if(SLMT_JULIA AND NOT CMAKE_C_FLAGS MATCHES -fsanitize)
  add_test(NAME test_api_julia COMMAND ${SLMT_JULIA} --startup-file=no ${CMAKE_CURRENT_SOURCE_DIR}/api/test_api.jl
                                       $<TARGET_FILE:api_layout>)
  set_tests_properties(test_api_julia PROPERTIES ENVIRONMENT
                       "SLMT_LIBRARY=$<TARGET_FILE:slmt>;JULIA_LOAD_PATH=${PROJECT_SOURCE_DIR}/bindings/julia:@stdlib")
endif()

# The library with a field put into a struct, and without one function: scripts/check-abi must see it.
find_program(SLMT_ABIDIFF abidiff)
if(SLMT_ABIDIFF AND CMAKE_BUILD_TYPE STREQUAL Release)
  set(changed ${CMAKE_CURRENT_BINARY_DIR}/changed)
  file(READ ${PROJECT_SOURCE_DIR}/include/slmt/volume.h text)
  string(REPLACE "    double psnr;" "    double added;\n    double psnr;" text "${text}")
  file(CONFIGURE OUTPUT ${changed}/include/slmt/volume.h CONTENT "${text}" @ONLY)
  file(READ ${PROJECT_SOURCE_DIR}/abi/libslmt.map text)
  string(REPLACE "    slmt_compare;\n" "" text "${text}")
  file(CONFIGURE OUTPUT ${changed}/libslmt.map CONTENT "${text}" @ONLY)

  add_library(slmt_grown SHARED $<FILTER:$<TARGET_OBJECTS:slmt_static>,EXCLUDE,/api/volume\\.c> ../src/api/volume.c)
  target_include_directories(slmt_grown PRIVATE ${changed}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
  target_include_directories(slmt_grown SYSTEM PRIVATE ${SLMT_NIFTI_INCLUDE})
  target_link_options(slmt_grown PRIVATE LINKER:--version-script=${PROJECT_SOURCE_DIR}/abi/libslmt.map)
  add_library(slmt_fewer SHARED $<TARGET_OBJECTS:slmt_static>)
  target_link_options(slmt_fewer PRIVATE LINKER:--version-script=${changed}/libslmt.map)
  foreach(name IN ITEMS slmt_grown slmt_fewer)
    target_link_libraries(${name} PRIVATE slmt_static)
    set_target_properties(${name} PROPERTIES SOVERSION ${SLMT_ABI} PREFIX "" OUTPUT_NAME libslmt
                          LIBRARY_OUTPUT_DIRECTORY ${changed}/${name})
  endforeach()
  add_test(NAME test_abi COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/api/test_abi.sh $<TARGET_FILE:slmt>
                                 $<TARGET_FILE:slmt_grown> $<TARGET_FILE:slmt_fewer>)
endif()
