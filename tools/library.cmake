# libtidegate: the gateway for programs in C, and in whatever calls C.
#
#   TG_LIBRARY    OFF: leave it out; so too where there is no LuaJIT, for LuaRocks
#                 and for fuzzing
#
# It shows the functions of include/tidegate.h and no others, may be loaded beside
# core.so and beside any Lua (csrc/abi/luajit.h), and stays loaded: its threads and
# what it registered with the C library go on until the process ends.
option(TG_LIBRARY "build libtidegate, where there is a LuaJIT" ON)
if(NOT TG_LIBRARY OR NOT TG_NATIVE OR LUA_INCDIR OR TG_FUZZ)
  return()
endif()
include(GNUInstallDirs)

file(STRINGS include/tidegate.h version REGEX "define TIDEGATE_VERSION +\"")
string(REGEX REPLACE ".*\"(.*)\"" "\\1" TG_ABI_VERSION "${version}")
set(TG_ABI_SOVERSION 0)                       # another one when old programs would break

# One file for two targets: made once.
add_custom_target(embedded DEPENDS ${TG_EMBEDDED})
add_dependencies(tidegate embedded)

add_library(door_apart OBJECT ${TG_DOOR})
target_include_directories(door_apart PRIVATE ${LUAJIT_INCLUDE_DIRS})
target_link_libraries(door_apart PRIVATE tg)
target_compile_options(door_apart PRIVATE -include ${CMAKE_SOURCE_DIR}/csrc/abi/luajit.h)

file(GLOB TG_ABI CONFIGURE_DEPENDS csrc/abi/*.c)
add_library(libtidegate SHARED ${TG_ABI} ${TG_EMBEDDED} $<TARGET_OBJECTS:door_apart>)
add_dependencies(libtidegate embedded)
target_include_directories(libtidegate PUBLIC include PRIVATE ${LUAJIT_INCLUDE_DIRS})
target_link_libraries(libtidegate PRIVATE tg)
set(map ${CMAKE_SOURCE_DIR}/csrc/abi/tidegate.map)
target_link_options(libtidegate PRIVATE -Wl,-z,nodelete -Wl,--exclude-libs,ALL
  -Wl,--version-script=${map})
if(NOT TG_SANITIZE)
  target_link_options(libtidegate PRIVATE -Wl,-z,defs)
endif()
set_target_properties(libtidegate PROPERTIES OUTPUT_NAME tidegate LINK_DEPENDS ${map}
  VERSION ${TG_ABI_VERSION} SOVERSION ${TG_ABI_SOVERSION})

# Where it is is said by the file's own place, so that it may be moved.
file(RELATIVE_PATH TG_ABI_INCLUDEDIR ${CMAKE_INSTALL_FULL_LIBDIR} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(tools/tidegate.pc.in ${CMAKE_BINARY_DIR}/tidegate.pc @ONLY)
install(TARGETS libtidegate LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/tidegate.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_BINARY_DIR}/tidegate.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TG_TESTS)
  foreach(name tidegate exit)
    add_executable(abi.${name}.test spec/abi/${name}_test.c)
    target_include_directories(abi.${name}.test PRIVATE spec/support csrc)
    target_link_libraries(abi.${name}.test PRIVATE libtidegate Threads::Threads)
    add_test(NAME abi.${name} COMMAND abi.${name}.test)
  endforeach()
  # Who ends in the middle of everything has freed nothing.
  set_tests_properties(abi.exit PROPERTIES ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)

  add_executable(abi.answer.test spec/abi/answer_test.c csrc/abi/answer.c)
  target_include_directories(abi.answer.test PRIVATE spec/support include)
  target_link_libraries(abi.answer.test PRIVATE tg)
  add_test(NAME abi.answer COMMAND abi.answer.test)

  # The header in the strictest words of both languages.
  set(strict -pedantic -Wall -Wextra -Werror)
  add_executable(abi.c99.test spec/abi/header_test.c)
  set_target_properties(abi.c99.test PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
  target_compile_options(abi.c99.test PRIVATE ${strict})
  target_link_libraries(abi.c99.test PRIVATE libtidegate)
  add_test(NAME abi.c99 COMMAND abi.c99.test)
  include(CheckLanguage)
  check_language(CXX)
  if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
    configure_file(spec/abi/header_test.c ${CMAKE_BINARY_DIR}/header_test.cc COPYONLY)
    add_executable(abi.cxx.test ${CMAKE_BINARY_DIR}/header_test.cc)
    set_target_properties(abi.cxx.test PROPERTIES CXX_STANDARD 11 CXX_EXTENSIONS OFF)
    set_property(TARGET abi.cxx.test PROPERTY COMPILE_OPTIONS ${strict} -Wshadow)
    target_link_libraries(abi.cxx.test PRIVATE libtidegate)
    add_test(NAME abi.cxx COMMAND abi.cxx.test)
  endif()

  add_test(NAME abi.exports COMMAND sh ${CMAKE_SOURCE_DIR}/spec/abi/exports.sh
    $<TARGET_FILE:libtidegate> ${CMAKE_SOURCE_DIR}/include/tidegate.h ${map})

  if(NOT TG_SANITIZE STREQUAL "thread")
    set(preload "")
    if(TG_SANITIZE)
      execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libasan.so
        OUTPUT_VARIABLE preload OUTPUT_STRIP_TRAILING_WHITESPACE)
    endif()
    add_test(NAME abi.installed COMMAND sh ${CMAKE_SOURCE_DIR}/spec/abi/installed.sh
      ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR} ${preload})
  endif()

  # A program that has a Lua of its own, for all to see.
  pkg_search_module(TG_LUA54 lua5.4 lua-5.4 lua54)
  if(TG_LUA54_FOUND)
    add_executable(abi.beside_lua.test spec/abi/beside_lua_test.c)
    target_include_directories(abi.beside_lua.test PRIVATE spec/support csrc ${TG_LUA54_INCLUDE_DIRS})
    target_link_libraries(abi.beside_lua.test PRIVATE ${TG_LUA54_LINK_LIBRARIES} libtidegate)
    add_test(NAME abi.beside_lua COMMAND abi.beside_lua.test)
  endif()

  # A program that has the Lua module as well.
  if(TG_SHEBANG STREQUAL "luajit")
    add_executable(abi.beside_core.test spec/abi/beside_core_test.c)
    add_dependencies(abi.beside_core.test core)
    target_include_directories(abi.beside_core.test PRIVATE spec/support csrc ${LUAJIT_INCLUDE_DIRS})
    target_compile_definitions(abi.beside_core.test PRIVATE TG_ROOT="${CMAKE_SOURCE_DIR}"
      TG_BUILD="${CMAKE_BINARY_DIR}")
    target_link_libraries(abi.beside_core.test PRIVATE ${LUAJIT_LINK_LIBRARIES} libtidegate
      Threads::Threads)
    add_test(NAME abi.beside_core COMMAND abi.beside_core.test)
  endif()
endif()
