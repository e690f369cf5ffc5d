# SPDX-License-Identifier: Apache-2.0
# private-hdf5.cmake - the target slmt_hdf5: an HDF5 inside libslmt.so that is invisible outside, for processes that load
# another HDF5, as those of Python do.
#
# Debian compiles libhdf5_serial.a for programs (-fPIE). A shared library cannot contain it only because of the way in
# which it accesses stdout and stderr, variables of another library. A copy of it therefore accesses two
# private variables (src/io/private_hdf5/hdf5_streams.c).
find_path(SLMT_HDF5_INCLUDE hdf5.h PATH_SUFFIXES hdf5/serial REQUIRED)
find_library(SLMT_HDF5 NAMES libhdf5_serial.a libhdf5.a REQUIRED)
find_library(SLMT_SZIP libsz.a REQUIRED) # what Debian's HDF5 stands on; libslmt calls none of it
find_library(SLMT_AEC libaec.a REQUIRED)

set(copy ${CMAKE_CURRENT_BINARY_DIR}/libhdf5_private.a)
add_custom_command(OUTPUT ${copy} DEPENDS ${SLMT_HDF5} VERBATIM
                   COMMAND ${CMAKE_OBJCOPY} --redefine-sym stdout=slmt_hdf5_stdout
                           --redefine-sym stderr=slmt_hdf5_stderr ${SLMT_HDF5} ${copy})
add_custom_target(slmt_hdf5_copy DEPENDS ${copy})
add_library(slmt_hdf5 STATIC ${CMAKE_CURRENT_LIST_DIR}/../src/io/private_hdf5/hdf5_streams.c)
add_dependencies(slmt_hdf5 slmt_hdf5_copy)
target_include_directories(slmt_hdf5 SYSTEM INTERFACE ${SLMT_HDF5_INCLUDE})
target_link_libraries(slmt_hdf5 INTERFACE ${copy} $<TARGET_FILE:slmt_hdf5> ${SLMT_SZIP} ${SLMT_AEC} ${CMAKE_DL_LIBS})

set(HDF5_C_INCLUDE_DIRS ${SLMT_HDF5_INCLUDE})
set(HDF5_C_LIBRARIES slmt_hdf5)
