# SPDX-License-Identifier: Apache-2.0
# The methods that libslmt can have, a line each. SLMT_METHODS chooses among them.
#
#   slmt_method(NAME [NETWORKS OTHER...])
#
# NAME is the method's name with "_" for "-": its folder here, and method_NAME is its table. NETWORKS: methods whose
# network (OTHER/OTHER.c) it builds on; that network is compiled also where the method OTHER is left out.
set(SLMT_KNOWN_METHODS)
function(slmt_method name)
  cmake_parse_arguments(M "" "" "NETWORKS" ${ARGN})
  list(APPEND SLMT_KNOWN_METHODS ${name})
  set(SLMT_KNOWN_METHODS ${SLMT_KNOWN_METHODS} PARENT_SCOPE)
  set(SLMT_NETWORKS_OF_${name} ${M_NETWORKS} PARENT_SCOPE)
endfunction()

slmt_method(slmt_net)
slmt_method(seq2seq NETWORKS vgg19)
slmt_method(unet)
slmt_method(vgg19)
foreach(network IN ITEMS unet_seg fcn8s segnet segnet_basic attn_unet vnet fpn pspnet deeplabv3p hrnet_s pcd_unet
        linknet deeplabv3 contrastive)
  slmt_method(${network} NETWORKS segmentation paced)
endforeach()

list(TRANSFORM SLMT_KNOWN_METHODS REPLACE _ - OUTPUT_VARIABLE known)
# The default is a word and not the list, so that an existing build folder takes a new method up.
set(SLMT_METHODS all CACHE STRING "The methods of this library: all, or some of ${known}")
if(SLMT_METHODS STREQUAL "all")
  set(SLMT_METHODS ${known})
endif()
if(NOT SLMT_METHODS)
  message(FATAL_ERROR "SLMT_METHODS is empty; choose some of: ${known}")
endif()
foreach(method IN LISTS SLMT_METHODS)
  if(NOT method IN_LIST known)
    message(FATAL_ERROR "SLMT_METHODS names ${method}; there are: ${known}")
  endif()
endforeach()

# slmt_method_files(FILES): their sources, and the list of tables for registry.c, method_list.h in the build folder.
function(slmt_method_files result)
  set(folder ${PROJECT_SOURCE_DIR}/src/methods)
  set(files ${folder}/registry.c)
  set(rows)
  foreach(name IN LISTS SLMT_KNOWN_METHODS) # in the order of the list above, whatever the order of the choice
    string(REPLACE _ - method ${name})
    if(method IN_LIST SLMT_METHODS)
      file(GLOB own CONFIGURE_DEPENDS ${folder}/${name}/*.c)
      list(APPEND files ${own})
      string(APPEND rows " X(method_${name})")
      foreach(other IN LISTS SLMT_NETWORKS_OF_${name})
        list(APPEND files ${folder}/${other}/${other}.c)
      endforeach()
    endif()
  endforeach()
  list(REMOVE_DUPLICATES files)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/method_list.h
       CONTENT "/* Written by src/methods/methods.cmake, from SLMT_METHODS. */\n#define METHOD_LIST(X)@rows@\n" @ONLY)
  set(${result} ${files} PARENT_SCOPE)
endfunction()
