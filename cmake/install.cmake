# SPDX-License-Identifier: Apache-2.0
# install.cmake - installation in components: runtime (the shared library), devel (headers, libslmt.a, the packages for
# CMake and pkg-config), tools (the command, its manual pages, completion for shells), cuda (the plug-in for graphics
# cards, where SLMT_CUDA is on), doc (licences, documentation, an example). An installed tree may be moved, because no
# file in it holds its path.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/slmt)

install(TARGETS slmt EXPORT slmt-core
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT devel
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT devel
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/slmt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT devel FILES_MATCHING PATTERN *.h PATTERN *.hpp)
install(EXPORT slmt-core NAMESPACE slmt:: DESTINATION ${package} COMPONENT devel)

if(TARGET slmt_tool)
  file(RELATIVE_PATH libraries ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(slmt_tool PROPERTIES EXPORT_NAME tool INSTALL_RPATH $ORIGIN/${libraries})
  install(TARGETS slmt_tool EXPORT slmt-tools RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
  install(EXPORT slmt-tools NAMESPACE slmt:: DESTINATION ${package} COMPONENT tools)
endif()
if(TARGET slmt_cuda) # in the folder where slmt_context_create() looks
  install(TARGETS slmt_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/slmt COMPONENT cuda)
  install(FILES cmake/slmt-cuda.cmake DESTINATION ${package} COMPONENT cuda)
endif()
if(TARGET slmt_pages)
  get_target_property(pages slmt_pages FOLDER_OF_PAGES)
  install(DIRECTORY ${pages}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT tools)
  install(FILES ${pages}/slmt DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT tools)
  install(FILES ${pages}/_slmt DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT tools)
endif()
install(FILES LICENSE NOTICE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc)
install(DIRECTORY docs examples/minimal DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc)

# ---- find_package(slmt COMPONENTS core tools cuda) ----

# Before 1.0 a minor release may change the ABI.
set(compatible SameMinorVersion)
if(PROJECT_VERSION_MAJOR GREATER 0)
  set(compatible SameMajorVersion)
endif()
set(needs) # packages whose targets libslmt.a links to
if(NOT BUILD_SHARED_LIBS)
  get_target_property(beneath slmt INTERFACE_LINK_LIBRARIES)
  set(needs OpenMP Threads ZLIB)
  if("DNNL::dnnl" IN_LIST beneath)
    list(APPEND needs dnnl)
  endif()
endif()
configure_package_config_file(cmake/slmt-config.cmake.in ${PROJECT_BINARY_DIR}/slmt-config.cmake
                              INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/slmt-config-version.cmake COMPATIBILITY ${compatible})
install(FILES ${PROJECT_BINARY_DIR}/slmt-config.cmake ${PROJECT_BINARY_DIR}/slmt-config-version.cmake
        DESTINATION ${package} COMPONENT devel)

# ---- pkg-config ----

set(private)
foreach(library IN LISTS beneath)
  if(library STREQUAL "OpenMP::OpenMP_C")
    list(APPEND private ${OpenMP_C_FLAGS})
  elseif(library STREQUAL "Threads::Threads")
    list(APPEND private -pthread)
  elseif(TARGET ${library})
    list(APPEND private $<TARGET_LINKER_FILE:${library}>)
  elseif(IS_ABSOLUTE ${library})
    list(APPEND private ${library})
  else()
    list(APPEND private -l${library})
  endif()
endforeach()
list(JOIN private " " private)
file(RELATIVE_PATH up ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/slmt.pc.in ${PROJECT_BINARY_DIR}/slmt.pc.in @ONLY)
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/slmt.pc INPUT ${PROJECT_BINARY_DIR}/slmt.pc.in)
install(FILES ${PROJECT_BINARY_DIR}/slmt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT devel)

# ---- cpack: one archive of all components ----

if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_GENERATOR TGZ)
  string(TOLOWER ${CMAKE_SYSTEM_NAME} system)
  set(CPACK_PACKAGE_FILE_NAME libslmt-${PROJECT_VERSION}-${system}-${CMAKE_SYSTEM_PROCESSOR})
  set(CPACK_PACKAGE_VENDOR "The libslmt authors")
  set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
  set(CPACK_STRIP_FILES ON)
  set(CPACK_VERBATIM_VARIABLES ON)
  include(CPack)
endif()
