# SPDX-License-Identifier: Apache-2.0
# python.cmake - files of the Python package beside its modules, if scikit-build-core builds it (pyproject.toml): the
# library as one file, because a wheel cannot hold links, and the licences of the libraries that are linked into it.
set_target_properties(slmt PROPERTIES VERSION ${SLMT_ABI})
install(TARGETS slmt LIBRARY DESTINATION . COMPONENT python NAMELINK_SKIP)
foreach(package IN ITEMS libhdf5 libaec)
  install(FILES /usr/share/doc/${package}-dev/copyright DESTINATION licenses RENAME ${package}.txt COMPONENT python)
endforeach()
