# SPDX-License-Identifier: Apache-2.0
# What goes into the Python package beside its modules, where scikit-build-core builds it (pyproject.toml): the library
# as one file, for a wheel holds no links, and the licences of what is linked into it.
set_target_properties(slmt PROPERTIES VERSION ${SLMT_ABI})
install(TARGETS slmt LIBRARY DESTINATION . COMPONENT python NAMELINK_SKIP)
foreach(package IN ITEMS libhdf5 libaec)
  install(FILES /usr/share/doc/${package}-dev/copyright DESTINATION licenses RENAME ${package}.txt COMPONENT python)
endforeach()
